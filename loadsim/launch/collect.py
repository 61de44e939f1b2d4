"""Adds up what the shards say, and tells at any moment how the run stands.

Decides what a shard's frames amount to together: merged cells, books, live progress, and when a shard counts as lost.
Refuses to know how messages travel (`local` does) and what time it is: instants are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadsim.launch.clock import Clock
from loadsim.launch.messages import Frame, Last, Ready, SampleMessage
from loadsim.measure.cells import Metric, layout, unit_ns
from loadsim.measure.hdr import Ints, percentile
from loadsim.measure.merge import Merged
from loadsim.measure.progress import HostProgress, LastSecond, Progress, SoFar
from loadsim.model import ERROR_BASE, NS_PER_MS, UNFINISHED, is_success

SILENCE_NS = 2_500_000_000
"""A shard from which nothing came for so long is lost."""
MOST_HOSTS = 20
"""A live view has no room for more."""


@dataclass
class ShardState:
    """What is known of one shard."""

    number: int
    place: str = ""
    """What the launcher calls the host that it runs on; empty where there is but one."""
    clock: Clock | None = None
    ready: Ready | None = None
    frame: Frame | None = None
    frames: int = 0
    heard_ns: int = 0
    done: bool = False
    lost: str = ""
    start_offset_ns: int | None = None
    stopped_ns: int | None = None
    first: Frame | None = None
    frames_missing: bool = False

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self.done or bool(self.lost)


class Collector:
    """The parent's side of all shards."""

    def __init__(
        self,
        strata: int,
        shards: int,
        on_raw: Callable[[bytes], None] | None = None,
        on_outcomes: Callable[[bytes], None] | None = None,
    ) -> None:
        self.strata = strata
        self.merged = Merged(strata)
        self.states = [ShardState(number) for number in range(shards)]
        self.samples: list[SampleMessage] = []
        self._on_raw, self._on_outcomes = on_raw, on_outcomes
        self._rate = (0.0, 0, 0.0)

    # -- messages -----------------------------------------------------------------------------------------------------

    def ready(self, shard: int, message: Ready, now_ns: int) -> None:
        """A shard has its plan."""
        state = self.states[shard]
        state.ready = message
        state.heard_ns = now_ns

    def started(self, now_ns: int) -> None:
        """The shards are under way: from now on silence tells."""
        for state in self.states:
            state.heard_ns = max(state.heard_ns, now_ns)

    def frame(self, shard: int, frame: Frame, now_ns: int) -> None:
        """A shard's latest second."""
        state = self.states[shard]
        if frame.seq != state.frames + 1:
            state.frames_missing = True
        state.frames = frame.seq
        state.first = state.first or frame
        state.frame = frame
        state.heard_ns = now_ns
        self.merged.add(shard, frame.tally)
        self.samples.extend(frame.samples)
        if frame.raw and self._on_raw is not None:
            self._on_raw(frame.raw)
            frame.raw = b""  # a frame is kept; its raw rows are not
        if frame.outcomes and self._on_outcomes is not None:
            self._on_outcomes(frame.outcomes)
            frame.outcomes = b""

    def last(self, shard: int, message: Last, now_ns: int) -> None:
        """A shard's farewell."""
        self.frame(shard, message.frame, now_ns)
        state = self.states[shard]
        state.done = True
        state.start_offset_ns = message.start_offset_ns
        state.stopped_ns = message.stopped_ns

    def lose(self, shard: int, reason: str) -> None:
        """Nothing more will come from a shard that had not finished."""
        state = self.states[shard]
        if not state.ended:
            state.lost = reason

    def silent(self, now_ns: int) -> list[int]:
        """Shards that should have spoken by now."""
        return [s.number for s in self.states if not s.ended and now_ns - s.heard_ns > SILENCE_NS]

    def descriptors(self) -> int | None:
        """How many connections the shard with the lowest descriptor limit may open; None before any is ready."""
        return min((s.ready.descriptors for s in self.states if s.ready is not None), default=None)

    # -- the books ----------------------------------------------------------------------------------------------------

    def planned(self) -> list[int]:
        """Events whose due time has come, by stratum."""
        total = [0] * self.strata
        for state in self.states:
            if state.frame is not None:
                total = [a + b for a, b in zip(total, state.frame.planned, strict=True)]
        return total

    def extra_unfinished(self) -> list[int]:
        """By stratum: what lost shards had planned and not ended as of their last frame."""
        total = [0] * self.strata
        for state in self.states:
            if state.lost and state.frame is not None:
                ended = self.merged.shard_counter(state.number, "ended").tolist()
                total = [t + p - e for t, p, e in zip(total, state.frame.planned, ended, strict=True)]
        return total

    def peak_connections(self) -> int:
        """The sum of the shards' peaks."""
        return sum(s.frame.connections_peak for s in self.states if s.frame is not None)

    # -- the live view ------------------------------------------------------------------------------------------------

    def progress(self, elapsed_s: float) -> Progress:
        """How the run stands; takes what is fresh since the last call as "the last second"."""
        frames = [s.frame for s in self.states if s.frame is not None]
        codes = self.merged.codes(range(self.strata))
        hosts = self._hosts()
        p50, p99 = _ms(self.merged.responses(), Metric.response, (0.5, 0.99))
        done = sum(f.ended for f in frames)
        at, before, rate = self._rate
        if elapsed_s - at >= 0.9:
            rate = (done - before) / (elapsed_s - at)
            self._rate = (elapsed_s, done, rate)
        return Progress(
            elapsed_s=elapsed_s,
            planned=sum(sum(f.planned) for f in frames),
            sent=sum(sum(f.planned) - f.queued for f in frames),
            done=done,
            in_flight=sum(f.in_flight for f in frames),
            queued=sum(f.queued for f in frames),
            connections=sum(f.connections for f in frames),
            succeeded=sum(n for code, n in codes.items() if is_success(code)),
            failed_status=sum(n for code, n in codes.items() if code < ERROR_BASE and not is_success(code)),
            errors=sum(n for code, n in codes.items() if ERROR_BASE < code < UNFINISHED),
            rate_done=rate,
            last_second=self._last_second(),
            total_p50_ms=p50,
            total_p99_ms=p99,
            lost_shards=tuple(s.number for s in self.states if s.lost),
            hosts=tuple(self._host(name, hosts[name]) for name in list(hosts)[:MOST_HOSTS]),
            more_hosts=max(0, len(hosts) - MOST_HOSTS),
        )

    def so_far(self, strata: Sequence[int]) -> SoFar:
        """How the events of some strata stand as of the latest frames."""
        return SoFar(
            response=self.merged.counts(Metric.response, strata),
            codes=self.merged.codes(strata),
            in_flight=sum(s.frame.in_flight for s in self.states if s.frame is not None),
        )

    def _hosts(self) -> dict[str, list[ShardState]]:
        """The shards of each host, hosts with a lost one first."""
        hosts: dict[str, list[ShardState]] = {}
        for state in self.states:
            if state.place:
                hosts.setdefault(state.place, []).append(state)
        return dict(sorted(hosts.items(), key=lambda host: not any(state.lost for state in host[1])))

    def _host(self, name: str, states: Sequence[ShardState]) -> HostProgress:
        frames = [state.frame for state in states if state.frame is not None]
        counts = self.merged.recent(Metric.response, [state.number for state in states])
        p50, p99 = _ms(counts, Metric.response, (0.5, 0.99))
        return HostProgress(
            name=name,
            done=sum(frame.ended for frame in frames),
            in_flight=sum(frame.in_flight for frame in frames),
            p50_ms=p50,
            p99_ms=p99,
            lost=any(state.lost for state in states),
        )

    def _last_second(self) -> LastSecond:
        p50, p99, worst = self._recent_ms(Metric.response, 0.5, 0.99, 1.0)
        (lag,) = self._recent_ms(Metric.lag, 0.99)
        return LastSecond(p50, p99, worst, lag)

    def _recent_ms(self, metric: Metric, *quantiles: float) -> list[float | None]:
        return _ms(self.merged.recent(metric), metric, quantiles)


def _ms(counts: Ints, metric: Metric, quantiles: Sequence[float]) -> list[float | None]:
    """Quantiles of a counts array in ms, from however few samples there are: a live view is no verdict."""
    if not counts.any():
        return [None for _ in quantiles]
    found = [percentile(counts, layout(metric), quantile) for quantile in quantiles]
    return [None if value is None else value * unit_ns(metric) / NS_PER_MS for value in found]
