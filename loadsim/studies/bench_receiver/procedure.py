"""Measures a verified event over HTTP: our receiver on both engines, with and without verification, and the user's.

Each round loads every receiver once, in rotating order, so that a slow time of the machine affects all of them. The
costs of framework and signature are separated by subtraction within a round. The receivers use one core, the generator
another.
"""

from __future__ import annotations

import contextlib
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

import msgspec

from loadsim import __version__
from loadsim.judge.validity import invalid_reasons, warnings_of
from loadsim.launch.environment import environment
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.result import Environment, RunResult
from loadsim.measure.timing_statistics import WIDEST, median_interval, spread
from loadsim.model import NS_PER_MS, NS_PER_S, NS_PER_US, UnreachableError
from loadsim.plan import Phase, RunSpec, Scenario, Target, ValidityRules
from loadsim.plan.scenario import EventMix
from loadsim.run.run_ids import new_id
from loadsim.studies.bench_receiver.result import SCHEMA, Ending, PaceRow, PartRow, ReceiverBench, ReceiverRow
from loadsim.studies.bench_receiver.subjects import OWN, Running, Setting, faults, running
from loadsim.studies.cpu_timer import cpu_ns, one_core
from loadsim.studies.save import utc_now
from loadsim.studies.steps_left import step_line

CONNECTIONS = 64
RATES = (1_000, 4_000, 8_000)
ROUNDS = 7
STEP_NS = 2 * NS_PER_S
_WARM_UP_NS = 500 * NS_PER_MS
_ENOUGH = 4_000
"""Enough events for a p99.9."""
_LONGEST_NS = 20 * NS_PER_S
_SPARE = 0.8
"""Rates above this share of a receiver's highest are left out, since events would queue."""
_BUSY = 0.9
_PARTS = (
    ("HTTP and the rest of the bare engine", "bare-open", None),
    ("the signature, on the bare engine", "bare", "bare-open"),
    ("aiohttp, beyond the bare engine", "aiohttp-open", "bare-open"),
    ("the signature, on aiohttp", "aiohttp", "aiohttp-open"),
    ("your application, beyond the bare engine that verifies", OWN, "bare"),
    ("your application, beyond the aiohttp engine that verifies", OWN, "aiohttp"),
)


@dataclass(frozen=True)
class ReceiverRequest:
    """What is measured, and for how long."""

    setting: Setting
    rates: Sequence[int] = RATES
    rounds: int = ROUNDS
    step_ns: int = STEP_NS


class _Window(NamedTuple):
    """The figures of one window of load at full speed."""

    events_per_s: float
    cpu_us: float
    core_share: float
    generator_share: float


@dataclass
class _Found:
    """One receiver while it is being measured."""

    started: Running
    faults: list[str]
    windows: list[_Window] = field(default_factory=list)
    paces: list[PaceRow] = field(default_factory=list)

    @property
    def fastest(self) -> float:
        """Events per second."""
        return statistics.median([window.events_per_s for window in self.windows])


class ReceiverBenchmark:
    """One benchmark. `interrupt` ends it after the present window; the figures so far are kept."""

    def __init__(
        self,
        request: ReceiverRequest,
        say: Callable[[str], None] = lambda _: None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._request = request
        self._say = say
        self._progress = progress
        self._planned_ns: list[int] = []
        self._made = 0
        self._stopped = False

    def interrupt(self) -> None:
        """End after the present window."""
        self._stopped = True

    async def execute(self) -> ReceiverBench:
        """Start all receivers, check them, load them. Raises LoadsimError in one line."""
        started_at, where, cores = utc_now(), environment(), _two_cores()
        setting = self._request.setting
        async with contextlib.AsyncExitStack() as stack:
            if cores is not None:
                setting = replace(setting, core=cores[0])
                stack.enter_context(one_core(cores[1]))
            found: list[_Found] = []
            for subject in reversed(setting.subjects()):  # the user's own first: it is what may not start
                started = await stack.enter_async_context(running(subject, setting))
                wrong = await faults(started, setting) if subject.verifies else []
                for fault in wrong:
                    self._say(f"{subject.name} {fault}: not loaded")
                found.insert(0, _Found(started, wrong))
            right = [entry for entry in found if not entry.faults]
            self._planned_ns = self._plan(len(right))
            await self._rounds(right)
            await self._paces(right)
        return self._result(started_at, where, cores, found)

    def _plan(self, receivers: int) -> list[int]:
        """How long each window is, at most."""
        request = self._request
        paces = [self._pace_ns(rate) for rate in request.rates]
        return [each + _WARM_UP_NS for each in [request.step_ns] * request.rounds + paces for _ in range(receivers)]

    def _pace_ns(self, rate: int) -> int:
        return max(self._request.step_ns, min(_LONGEST_NS, _ENOUGH * NS_PER_S // rate))

    def _step(self, what: str) -> None:
        """Say that a window was made, or left out."""
        self._made += 1
        left_s = sum(self._planned_ns[self._made :]) / NS_PER_S
        self._progress(step_line(self._made, len(self._planned_ns), left_s, what))

    async def _rounds(self, found: list[_Found]) -> None:
        for number in range(self._request.rounds if found else 0):
            start = number % len(found)
            for entry in found[start:] + found[:start]:
                phase = Phase(name="load", connections=CONNECTIONS, duration=self._request.step_ns)
                seen = await self._load(entry, phase)
                if seen is None:
                    continue
                entry.windows.append(seen.window)
                words = f"{seen.window.events_per_s:,.0f}/s, {seen.window.cpu_us:.1f} µs per event"
                self._step(f"{entry.started.subject.name}: {words}")

    async def _paces(self, found: list[_Found]) -> None:
        for rate in self._request.rates:
            for entry in found:
                if not entry.windows:
                    continue
                if rate > _SPARE * entry.fastest:
                    entry.paces.append(left := _left_out(rate, f"above {_SPARE:.0%} of what it can do"))
                    self._step(f"{entry.started.subject.name} at {rate:,}/s: left out, {left.why}")
                    continue
                seen = await self._load(entry, Phase(name="load", rate=Fraction(rate), duration=self._pace_ns(rate)))
                if seen is not None:
                    entry.paces.append(pace := _pace(rate, seen))
                    words = pace.why or f"p50 {pace.p50_ms} ms, p99 {pace.p99_ms} ms"
                    self._step(f"{entry.started.subject.name} at {rate:,}/s: {words}")

    async def _load(self, entry: _Found, phase: Phase) -> _Seen | None:
        """One run with a warm-up; None when the benchmark was ended, or the receiver fails, which is then a fault."""
        if self._stopped or entry.faults:
            return None
        setting = self._request.setting
        warm_up = msgspec.structs.replace(phase, name="warm-up", record=False, duration=_WARM_UP_NS)
        scenario = Scenario(
            name="bench receiver",
            target=Target(
                url=entry.started.url,
                scheme=setting.scheme,
                custom=setting.custom,
                public_url=setting.public_url,
                connections=CONNECTIONS,
            ),
            events=tuple(EventMix(type=name) for name in setting.events),
            phases=(warm_up, phase),
        )
        run = Run(RunSpec(scenario=scenario, seed=1, secret=setting.secret, run_id=new_id("bench")))
        try:
            before = cpu_ns(entry.started.pid)
            result = await run.execute()
            used_ns = cpu_ns(entry.started.pid) - before
        except (OSError, UnreachableError):
            entry.faults.append("ended under load")
            return None
        groups = result.by_phase.values()
        events, failed = sum(group.completed for group in groups), sum(group.failed for group in groups)
        if failed or not events:
            entry.faults.append(f"did not accept {failed:,} of {events:,} genuine events under load")
            return None
        return _Seen(result, used_ns / NS_PER_US / events, used_ns / ((phase.duration or 0) + _WARM_UP_NS))

    def _result(
        self, started_at: str, where: Environment, cores: tuple[int, int] | None, found: Sequence[_Found]
    ) -> ReceiverBench:
        rows = [_row(entry) for entry in found]
        faulty = [f"{row.name} {fault}" for row in rows for fault in row.faults]
        noisy = list(_noise(rows))
        whole = not self._stopped
        return ReceiverBench(
            schema=SCHEMA,
            id=new_id("bench-receiver"),
            started_at=started_at,
            ended_at=utc_now(),
            version=__version__,
            scheme=self._request.setting.scheme,
            app=self._request.setting.app,
            connections=CONNECTIONS,
            rounds=self._request.rounds,
            cores=cores,
            rows=rows,
            parts=list(_differences(found)),
            ending=_ending(faulty=bool(faulty), noisy=bool(noisy), whole=whole),
            reasons=[*faulty, *noisy],
            environment=where,
        )


class _Seen(NamedTuple):
    """One run; the receiver's CPU µs per event and its share of a core."""

    result: RunResult
    cpu_us: float
    core_share: float

    @property
    def window(self) -> _Window:
        totals, limits = self.result.totals, self.result.limits
        return _Window(totals.rate_completed or 0.0, self.cpu_us, self.core_share, limits.generator_cpu_share or 0.0)


def _pace(rate: int, seen: _Seen) -> PaceRow:
    """The figures, unless the generator was late, since they would then show the generator."""
    reasons = [*invalid_reasons(seen.result), *warnings_of(seen.result, ValidityRules())]
    if reasons:
        return _left_out(rate, f"INVALID: {reasons[0]}")
    response = seen.result.totals.latency_ms["response"]
    return PaceRow(
        rate=float(rate),
        rate_completed=seen.result.totals.rate_completed,
        cpu_us=seen.cpu_us,
        p50_ms=response.p50,
        p90_ms=response.p90,
        p99_ms=response.p99,
        p99_9_ms=response.p99_9,
        max_ms=response.max,
        why="",
    )


def _left_out(rate: int, why: str) -> PaceRow:
    return PaceRow(
        rate=float(rate),
        rate_completed=None,
        cpu_us=None,
        p50_ms=None,
        p90_ms=None,
        p99_ms=None,
        p99_9_ms=None,
        max_ms=None,
        why=why,
    )


def _row(entry: _Found) -> ReceiverRow:
    subject, windows = entry.started.subject, [] if entry.faults else entry.windows
    core = statistics.median([window.core_share for window in windows]) if windows else None
    busy = statistics.median([window.generator_share for window in windows]) if windows else 0.0
    return ReceiverRow(
        key=subject.key,
        name=subject.name,
        verifies=subject.verifies,
        faults=entry.faults,
        events_per_s=spread([window.events_per_s for window in windows]) if windows else None,
        at_least=core is not None and core < _BUSY <= busy,
        cpu_us=spread([window.cpu_us for window in windows]) if windows else None,
        core_share=core,
        paces=[] if entry.faults else entry.paces,
    )


def _differences(found: Sequence[_Found]) -> Iterator[PartRow]:
    """The difference between two receivers in each round."""
    cpu = {
        entry.started.subject.key: [window.cpu_us for window in entry.windows] for entry in found if not entry.faults
    }
    for name, minuend, subtrahend in _PARTS:
        if not cpu.get(minuend) or (subtrahend is not None and not cpu.get(subtrahend)):
            continue
        less = [0.0] * len(cpu[minuend]) if subtrahend is None else cpu[subtrahend]
        left = [more - taken for more, taken in zip(cpu[minuend], less, strict=False)]
        yield PartRow(
            name=name,
            minuend=minuend,
            subtrahend=subtrahend,
            us=statistics.median(left),
            interval=median_interval(left),
        )


def _noise(rows: Sequence[ReceiverRow]) -> Iterator[str]:
    """Why the figures are not reliable."""
    for row in rows:
        if row.cpu_us is not None and row.cpu_us.width > WIDEST:
            width = f"the quartiles of its CPU time are {row.cpu_us.width:.0%} apart"
            yield f"{row.name}: {width}, more than {WIDEST:.0%}: a noisy machine"
        for pace in row.paces:
            if pace.why.startswith("INVALID"):
                yield f"{row.name}, {pace.rate:,.0f}/s: {pace.why}"


def _ending(*, faulty: bool, noisy: bool, whole: bool) -> Ending:
    """The ending: wrong answers count on any machine, times only on a quiet one."""
    if not whole:
        return "interrupted"
    if faulty:
        return "fail"
    return "unsure" if noisy else "pass"


def _two_cores() -> tuple[int, int] | None:
    """The receivers' core and the generator's; None where there is only one, or none can be chosen."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else None
