"""Measures the generator's own limits on this machine: highest rate, least service time, lag at several rates.

The receiver is the bare one without verification, the fastest that there is, so that the figures show the generator
and not the receiver. The result is stored in the user's cache directory.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import msgspec

from loadsim import __version__
from loadsim.events import catalogue
from loadsim.judge.validity import invalid_reasons, warnings_of
from loadsim.launch.environment import environment
from loadsim.launch.result_files import write_whole
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.generator_limits import SCHEMA, StoredLimits, dump_limits, limits_name
from loadsim.measure.result import Environment, RunResult
from loadsim.measure.result_generator import GeneratorLimits, LagAtRate
from loadsim.model import NS_PER_MS, NS_PER_S, LoadsimError, Secret, counted
from loadsim.plan import Phase, RunSpec, Scenario, Target, ValidityRules
from loadsim.plan.scenario import EventMix
from loadsim.process_environment import cache_directory
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ReceiverOptions
from loadsim.run.run_ids import new_id
from loadsim.studies.steps_left import step_line

CONNECTIONS = 64
RATES = (100, 1_000, 5_000, 20_000)
SERVICE_RATE = 1_000
"""The rate at which service time is measured: nothing queues, and the processor does not sleep between events."""
EVENT = "desktop.app_tracking.captured"
_WARM_UP_NS = 500 * NS_PER_MS
_LEAST_EVENTS = 400
"""Enough for a p99."""
_SPARE = 0.6
"""Rates above this share of the highest are left out, since events would queue."""


@dataclass(frozen=True)
class Calibration:
    """The measured limits. `reasons`: why they are invalid; then they are not stored and `path` is None."""

    limits: GeneratorLimits
    environment: Environment
    reasons: tuple[str, ...]
    path: Path | None

    def stored(self) -> StoredLimits:
        """The form for files and programs."""
        return StoredLimits(SCHEMA, self.environment, __version__, self.limits, list(self.reasons))


async def measure_limits(step_ns: int, progress: Callable[[str], None] = lambda _: None) -> Calibration:
    """Measure, and store the limits when the machine was quiet enough; `progress` gets a line for each step. Raises
    LoadsimError."""
    secret = Secret("bench")
    options = ReceiverOptions(engine="bare", verify=False, admin=None)
    async with await start_receiver(options, secret) as receiver:
        progress(_step_line(step_ns, 1, RATES, f"highest rate: {CONNECTIONS} connections, closed model"))
        highest = await _run(receiver.url, secret, Phase(name="load", connections=CONNECTIONS, duration=step_ns))
        rate_max = highest.totals.rate_completed
        if not rate_max:
            raise LoadsimError("the bare receiver answered no event, so nothing can be measured")
        paced: list[tuple[int, RunResult]] = []
        rates = [rate for rate in RATES if rate <= max(_SPARE * rate_max, RATES[0])]
        for done, rate in enumerate(rates):
            progress(_step_line(step_ns, 2 + done, rates[done:], f"lag and service time at {rate:,}/s"))
            phase = Phase(name="load", rate=Fraction(rate), duration=_duration(step_ns, rate))
            paced.append((rate, await _run(receiver.url, secret, phase)))
    return _calibration(highest, rate_max, paced)


def _duration(step_ns: int, rate: int) -> int:
    return max(step_ns, _LEAST_EVENTS * NS_PER_S // rate)


def _step_line(step_ns: int, number: int, rates: Sequence[int], what: str) -> str:
    """`rates`: those that are still to be measured. The first step is without a rate."""
    planned = [_duration(step_ns, rate) for rate in rates] + [step_ns] * (number == 1)
    left_ns = sum(each + _WARM_UP_NS for each in planned)
    return step_line(number, number - 1 + len(planned), left_ns / NS_PER_S, what)


async def _run(url: str, secret: Secret, phase: Phase) -> RunResult:
    warm_up = msgspec.structs.replace(phase, name="warm-up", record=False, duration=_WARM_UP_NS)
    known = {event.name for event in catalogue()}
    scenario = Scenario(
        name="bench engine",
        target=Target(url=url, connections=CONNECTIONS),
        events=(EventMix(type=EVENT if EVENT in known else min(known)),),
        phases=(warm_up, phase),
    )
    return await Run(RunSpec(scenario=scenario, seed=1, secret=secret, run_id=new_id("bench"))).execute()


def _calibration(highest: RunResult, rate_max: float, paced: Sequence[tuple[int, RunResult]]) -> Calibration:
    moderate = next((result for rate, result in paced if rate == SERVICE_RATE), paced[0][1])
    service = moderate.totals.latency_ms["service"]
    limits = GeneratorLimits(
        measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        rate_max=rate_max,
        generator_cpu_share=highest.limits.generator_cpu_share,
        service_p50_ms=service.p50,
        service_p99_ms=service.p99,
        paces=[_pace(rate, result) for rate, result in paced],
    )
    where = environment()
    late = warnings_of(moderate, ValidityRules())
    reasons = (*invalid_reasons(highest), *invalid_reasons(moderate), *late)
    if highest.totals.failed or moderate.totals.failed:
        failed = highest.totals.failed + moderate.totals.failed
        reasons = (*reasons, f"{counted(failed, 'event')} failed, although the receiver answers every event")
    path = None
    if not reasons:
        directory = cache_directory()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LoadsimError(f"{directory}: cannot be created: {error.strerror}") from None
        path = directory / limits_name(where, __version__)
        write_whole(path, dump_limits(limits, where, __version__))
    return Calibration(limits, where, reasons, path)


def _pace(rate: int, result: RunResult) -> LagAtRate:
    lag, service = result.totals.latency_ms["lag"], result.totals.latency_ms["service"]
    return LagAtRate(float(rate), lag.p50, lag.p99, service.p50, service.p99)
