"""Runs a real Engine in this process on a small plan, and reads its accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import uvloop

from loadsim.cases import RequestMaker, case_rules
from loadsim.engine.aiohttp_transport import AiohttpTransport
from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.engine import Engine
from loadsim.engine.outcome_rows import table_of
from loadsim.engine.pacer import Clock, Pacer, best_pacer, monotonic_ns
from loadsim.engine.policies_of_plan import Policies, policies_of
from loadsim.engine.recorder import Log, Recorder
from loadsim.engine.resolved_endpoint import resolve
from loadsim.engine.retry_queue import MOST_HELD
from loadsim.engine.transport_choice import direct_transport
from loadsim.engine.transport_interface import Transport
from loadsim.error_kinds import ErrorKind
from loadsim.measure.cells import Metric, compact, select
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result_events import SampleRow
from loadsim.measure.tally import Tally
from loadsim.measure.trace_ids import TraceIds
from loadsim.model import Secret
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED
from loadsim.plan import Plan, Scenario, Target, from_document
from loadsim.signing import scheme

TYPE = "desktop.app_tracking.captured"
SECRET = Secret("whsec_test")
PATIENCE_S = 120.0
"""Longer than any run here takes on a busy machine: beyond it, something hangs."""
MakeTransport = Callable[[asyncio.AbstractEventLoop, Target], Transport]


class KeepingRecorder(Recorder):
    """A recorder that also keeps every row, and every handshake: for looking at, not for load."""

    def __init__(self, tally: Tally, logs: Sequence[Log] = ()) -> None:
        super().__init__(tally, logs=logs)
        self.kept: list[bytes] = []
        self.opened: list[int] = []
        self.waited: list[int] = []
        for name, kept in (("fold_handshakes", self.opened), ("fold_retry_backlog", self.waited)):
            setattr(tally, name, _keeping(getattr(tally, name), kept))

    def _steps(self) -> Iterator[None]:
        self.kept.extend(self.rows)
        return super()._steps()


def _keeping(fold: Callable[[Ints], None], kept: list[int]) -> Callable[[Ints], None]:
    def keep(table: Ints) -> None:
        kept.extend(table.ravel().tolist())
        fold(table)

    return keep


@dataclass(frozen=True)
class Ran:
    """What a run left behind. `rows` int64 (n, 14), a row per ended event, columns `outcome_columns.Column`."""

    planned: int
    rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    handshakes: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    samples: list[SampleRow]
    engine: Engine
    took_s: float
    backlog: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    policies: Policies
    late: int
    """Answers that came after releasing had ended."""

    @property
    def codes(self) -> list[int]:
        """In order of ending."""
        return [int(code) for code in self.rows[:, Column.code]]

    @property
    def outcomes(self) -> list[str]:
        """Status, name of the error kind, `unfinished` or `dropped`, in order of ending."""
        return [outcome(code) for code in self.codes]

    def column(self, column: Column) -> list[int]:
        """One column of the rows."""
        return [int(value) for value in self.rows[:, column]]

    def assert_balanced(self) -> None:
        """planned = sent + dropped, sent = completed + errors + unfinished; and nothing is our own fault."""
        codes = self.codes
        dropped, unfinished = codes.count(DROPPED), codes.count(UNFINISHED)
        completed = sum(code < ERROR_BASE for code in codes)
        errors = sum(ERROR_BASE <= code < UNFINISHED for code in codes)
        assert self.planned == completed + errors + unfinished + dropped
        assert self.engine.in_flight == 0
        assert "internal" not in self.outcomes, [sample.error for sample in self.samples]


def outcome(code: int) -> str:
    """The word for a code."""
    if code < ERROR_BASE:
        return str(code)
    return {UNFINISHED: "unfinished", DROPPED: "dropped"}.get(code) or ErrorKind(code - ERROR_BASE).name


def scenario(
    phases: Sequence[dict[str, Any]],
    target: dict[str, Any] | None = None,
    events: Sequence[dict[str, Any]] = (),
    cases: Sequence[dict[str, Any]] = (),
    retry: dict[str, Any] | None = None,
) -> Scenario:
    """A scenario with one event type unless others are named; phases get their names by number."""
    document: dict[str, Any] = {
        "name": "engine",
        "target": {"url": "http://127.0.0.1:9/hook", "timeout": "1s", **(target or {})},
        "events": list(events) or [{"type": TYPE}],
        "phases": [{"name": f"phase {number}", **phase} for number, phase in enumerate(phases)],
        "cases": list(cases),
    }
    if retry is not None:
        document["retry"] = retry
    return from_document(document, "test", known_cases=case_rules())


def build(
    of: Scenario,
    transport: Transport,
    pacer: Any,
    *,
    start_ns: int,
    seed: int = 1,
    logs: Sequence[Log] = (),
    most_held: int = MOST_HELD,
    epoch_ns: int | None = None,
    **options: Any,
) -> tuple[Engine, KeepingRecorder, Policies]:
    """An engine as a shard builds it, with a recorder that keeps its rows."""
    plan = Plan(of, seed)
    target = of.target
    maker = RequestMaker(
        of.events,
        scheme(target.scheme),
        SECRET,
        seed,
        cases=of.cases,
        url=target.public_url,
        headers=target.headers,
    )
    ends = [plan.phases[plan.unpack(stratum)[0]].end_ns for stratum in range(plan.strata)]
    recorder = KeepingRecorder(Tally(plan.strata, start_ns, [-1 if end is None else end for end in ends]), logs)
    policies = policies_of(plan, maker, pacer, epoch_ns=epoch_ns, most_held=most_held)
    engine = Engine(
        plan,
        maker,
        transport,
        recorder,
        policies.pacer,
        policies=policies.all,
        gatherer=policies.volleys,
        epoch_ns=epoch_ns,
        **options,
    )
    return engine, recorder, policies


def ran(engine: Engine, recorder: KeepingRecorder, policies: Policies, took_s: float) -> Ran:
    """The accounts of an engine that has run."""
    rows = table_of(recorder.kept)
    handshakes = np.array(recorder.opened, dtype=np.int64).reshape(-1, 4)
    backlog = np.array(recorder.waited, dtype=np.int64).reshape(-1, 3)
    cells = compact([recorder.tally.drain().cells()])
    late = int(select(cells, Metric.after_end, range(len(engine.planned))).counts.sum())
    return Ran(sum(engine.planned), rows, handshakes, engine.take_samples(), engine, took_s, backlog, policies, late)


def headers_of(target: Target, traces: TraceIds | None = None) -> DeliveryHeaders:
    """The headers that name a delivery."""
    return DeliveryHeaders("run" if target.trace_header else None, traces)


def direct(loop: asyncio.AbstractEventLoop, target: Target, traces: TraceIds | None = None) -> Transport:
    """The direct transport."""
    return direct_transport()(loop, resolve(target), headers_of(target, traces))


def by_aiohttp(loop: asyncio.AbstractEventLoop, target: Target, traces: TraceIds | None = None) -> Transport:
    """The aiohttp transport."""
    return AiohttpTransport(loop, resolve(target), headers_of(target, traces))


class Makes(Protocol):
    """A MakeTransport that may have traces."""

    def __call__(
        self, loop: asyncio.AbstractEventLoop, target: Target, traces: TraceIds | None = None
    ) -> Transport: ...


TRANSPORTS: dict[str, Makes] = {"direct": direct, "aiohttp": by_aiohttp}


class AheadPacer:
    """A Pacer by a clock that runs ahead of the machine's."""

    def __init__(self, pacer: Pacer, clock: Clock) -> None:
        self._pacer, self._clock = pacer, clock

    def start(self, on_wake: Callable[[], None]) -> None:
        """See Pacer."""
        self._pacer.start(on_wake)

    def arm(self, due_ns: int, following_ns: int = 0) -> None:
        """See Pacer."""
        ahead = self._clock() - monotonic_ns()
        self._pacer.arm(due_ns - ahead, following_ns - ahead)

    def close(self) -> None:
        """See Pacer."""
        self._pacer.close()


def run(
    of: Scenario,
    make: MakeTransport,
    *,
    during: Callable[[Engine], None] | None = None,
    seed: int = 1,
    clock: Clock = monotonic_ns,
    **options: Any,
) -> Ran:
    """Run a scenario on a fresh uvloop, in real time or by a clock that runs ahead of it. `during` is called once with
    the engine, before it starts."""

    async def go() -> Ran:
        loop = asyncio.get_running_loop()
        start = clock()
        transport = make(loop, of.target)
        pacer = best_pacer(loop) if clock is monotonic_ns else AheadPacer(best_pacer(loop), clock)
        engine, recorder, policies = build(of, transport, pacer, start_ns=start, seed=seed, clock=clock, **options)
        if during is not None:
            during(engine)
        async with asyncio.timeout(PATIENCE_S):
            end = await engine.run(start)
        return ran(engine, recorder, policies, (end - start) / 1e9)

    return uvloop.run(go())
