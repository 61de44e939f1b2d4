"""What a run sends to a collector, from its specification to the last flush."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from loadsim import __version__
from loadsim.engine.sampled_rows import MOST_A_SECOND, sampled
from loadsim.launch.result_of_frames import stratum_names
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.cells import Cells
from loadsim.measure.run_figures import FigureCounts, RunFigures
from loadsim.measure.trace_ids import TraceIds
from loadsim.model import NS_PER_S, counted
from loadsim.plan import RunSpec, redact_url
from loadsim.run.otlp.sender import Sender

if TYPE_CHECKING:
    from loadsim.run.otlp.collector import Collector

PERIOD_S = 1.0
FLUSH_S = 5.0
"""The longest time that the end of a run waits for its collector."""


class _Dated(NamedTuple):
    figures: RunFigures
    at_ns: int
    """Ns since 1970."""


class Export:
    """The metrics and spans of one run on their way to its collector. Raises UsageError where none can be sent."""

    def __init__(self, spec: RunSpec, url: str) -> None:
        from loadsim.run.otlp.collector import Collector

        self._spec, self._shown = spec, redact_url(url)
        self._names = stratum_names(spec.plan())
        self._counts = FigureCounts(self._names)
        self._collector: Collector = Collector(url)
        self._sender: Sender[_Dated] | None = None
        self._left_out = 0

    # -- while frames arrive ------------------------------------------------------------------------------------------

    def add_cells(self, cells: Cells) -> None:
        """Take the cells of a frame."""
        self._counts.add(cells)

    def add_spans(self, packed: bytes) -> None:
        """Take the sampled deliveries of a frame."""
        rows, left_out = sampled(packed)
        self._left_out += left_out
        if self._sender is not None and len(rows):
            self._sender.add(rows)

    # -- beside the run -----------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def sending(self, run: Run) -> AsyncIterator[None]:
        """Context in which the run's figures are sent once a second. Its end sends what is left."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def failed(why: str) -> None:
            line = f"OTLP: {self._shown}: {why}; the run goes on"
            with contextlib.suppress(RuntimeError):  # the loop may be closed when a slow collector answers
                loop.call_soon_threadsafe(run.tell, line)

        def over() -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(ended.set)

        sampling = loop.create_task(self._sample(run, failed, over))
        try:
            yield
        finally:
            if not run.ended.is_set():
                sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sampling
            if self._sender is not None:
                self._sender.close()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), FLUSH_S)
                for line in self._last_words(flushed=ended.is_set()):
                    run.tell(line)
            self._collector.close()

    async def _sample(self, run: Run, failed: Callable[[str], None], over: Callable[[], None]) -> None:
        """Take the figures half-way between two frames, so that a late frame is not missed, and when all is over."""
        await run.started.wait()
        start_ns, _ = run.began
        self._sender = sender = self._sender_of(start_ns, failed, over)
        sender.start()
        while not run.ended.is_set():
            progress = run.progress()
            with contextlib.suppress(TimeoutError):
                rest = PERIOD_S - (progress.elapsed_s + PERIOD_S / 2) % PERIOD_S
                await asyncio.wait_for(run.ended.wait(), rest)
            progress = run.progress()
            if progress.as_of_s > 0:
                at_ns = start_ns + int(progress.elapsed_s * NS_PER_S)
                sender.offer(_Dated(self._counts.figures(progress, run.moments), at_ns))

    def _sender_of(self, start_ns: int, failed: Callable[[str], None], over: Callable[[], None]) -> Sender[_Dated]:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        from loadsim.run.otlp.client_spans import ClientSpans
        from loadsim.run.otlp.metric_points import MetricPoints

        resource, scope = Resource.create(self._attributes()), InstrumentationScope("loadsim", __version__)
        points = MetricPoints(resource, scope, self._names, start_ns)
        trace = self._spec.scenario.trace
        ids = TraceIds(self._spec.run_id, 0.0 if trace is None else trace.sampled)
        spans = ClientSpans(resource, scope, self._names, ids, self._target)
        return Sender(
            lambda dated: self._collector.take_metrics(points.of(dated.figures, dated.at_ns)),
            lambda rows: self._collector.take_spans(spans.of(rows)),
            failed,
            over,
        )

    @property
    def _target(self) -> str:
        return redact_url(self._spec.url or self._spec.scenario.target.url)

    def _attributes(self) -> dict[str, str]:
        """What all metrics and spans of the run have in common."""
        spec = self._spec
        return {
            "service.name": "loadsim",
            "service.version": __version__,
            # Prometheus tells series apart by this and the name of the service alone
            "service.instance.id": spec.run_id,
            "loadsim.run.id": spec.run_id,
            "loadsim.scenario": spec.scenario.name,
            "loadsim.target": self._target,
            **{f"loadsim.tag.{name}": value for name, value in spec.tags.items()},
        }

    def _last_words(self, *, flushed: bool) -> Iterator[str]:
        """What a collector that took something did not get; of one that took nothing, all is said already."""
        sender = self._sender
        if sender is None or not sender.sent:
            return
        if not flushed or sender.why:
            yield f"OTLP: {self._shown}: the last figures of the run were not taken"
        if unsent := sender.unsent_rows:
            yield f"OTLP: {self._shown}: {counted(unsent, 'span')} not taken"
        if self._left_out:
            yield f"OTLP: {counted(self._left_out, 'span')} left out: at most {MOST_A_SECOND} a second are sent"


def export_of(spec: RunSpec) -> Export | None:
    """What sends a run to its collector; None where none is named."""
    return None if spec.otlp is None else Export(spec, spec.otlp)


@contextlib.asynccontextmanager
async def exporting(export: Export | None, run: Run) -> AsyncIterator[None]:
    """Context in which a run is sent to its collector, where it has one."""
    if export is None:
        yield
        return
    async with export.sending(run):
        yield
