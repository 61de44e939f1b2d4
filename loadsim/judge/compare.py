"""Two stored results compared: the ratio of each percentile that both have, with an interval.

The interval covers what varies within a run. It cannot cover what varies from run to run, so one pair of results never
proves a difference; `ab` does that with several pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loadsim.judge.slowdown_gates import Gate, parse_gate
from loadsim.measure.hdr import PERCENTILES, Quantile
from loadsim.measure.intervals import Intervals, intervals, ratio_interval
from loadsim.measure.result import RunResult, target_url
from loadsim.measure.result_events import Stats
from loadsim.measure.share_bounds import more_likely
from loadsim.measure.stored_histograms import slices_of
from loadsim.model import UsageError

SIGNIFICANT = 0.01
"""Greatest probability, if both runs had one share of failures, of so many more in NEW."""
Direction = Literal["higher", "lower", "unsure"]
Outcome = Literal["none", "pass", "fail", "invalid"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One percentile of both results, in ms; ratio is NEW / BASE."""

    metric: str
    name: str
    base_ms: float
    new_ms: float
    ratio: float
    interval: tuple[float, float] | None
    """95 %, from the variation within each run; None when a run is too short for one."""
    needs_s: float | None = None
    """Without an interval: how long both runs would have to be; None: not known."""

    @property
    def direction(self) -> Direction:
        """Whether the two runs differ by more than the variation within them."""
        if self.interval is None or self.interval[0] <= 1 <= self.interval[1]:
            return "unsure"
        return "higher" if self.ratio > 1 else "lower"


@dataclass(frozen=True, slots=True)
class GateResult:
    """How a gate was judged. `passed` is None when the results hold too little to judge it."""

    gate: Gate
    ratio: Ratio | None
    passed: bool | None
    note: str
    fewer_succeed: bool = False
    """It failed because fewer events of NEW succeed, whatever the latencies are."""


@dataclass(frozen=True, slots=True)
class CompareResult:
    """The comparison of two results. `differences`: what else differs between the runs and may explain a ratio."""

    base: RunResult
    new: RunResult
    ratios: tuple[Ratio, ...]
    gates: tuple[GateResult, ...]
    differences: tuple[str, ...]
    outcome: Outcome
    """`none` without gates."""


def compare_gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """The gates of a comparison of two results: percentiles only. Raises UsageError."""
    gates = tuple(parse_gate(text) for text in texts)
    for gate in gates:
        if gate.figure not in PERCENTILES:
            known = ", ".join(name.replace("_", ".") for name in PERCENTILES)
            raise UsageError(f"--fail {gate.text!r}: two results are compared by percentiles only ({known})")
    return gates


def compare_results(base: RunResult, new: RunResult, gates: Sequence[Gate] = ()) -> CompareResult:
    """Compare every percentile that both results have, and judge the gates.

    A gate fails when the ratio reaches its least effect and its whole interval lies above 1. It fails too when NEW has
    a significantly smaller share of 2xx answers: events that fail fast make any latency look better.
    """
    ratios = tuple(row for metric in metrics_of(base, new) for row in _ratios(base, new, metric))
    judged = tuple(_judge(gate, ratios, base, new) for gate in gates)
    outcome: Outcome = "none"
    if judged:
        outcome = "fail" if any(row.passed is False for row in judged) else "pass"
        if any(row.passed is None for row in judged):
            outcome = "invalid"
    return CompareResult(base, new, ratios, judged, tuple(_differences(base, new)), outcome)


def metrics_of(base: RunResult, new: RunResult) -> list[str]:
    """The metrics that can be compared: in the closed model response time is service time."""
    return ["service"] if "closed" in (base.run.model, new.run.model) else ["response", "service"]


def ratio_curve(
    base: RunResult, new: RunResult, metric: str, quantiles: Mapping[str, Quantile]
) -> dict[str, tuple[float, float]]:
    """The 95 % interval of NEW / BASE at each quantile that has an interval in both runs."""
    below, above = (_intervals(result, metric, quantiles).stated for result in (base, new))
    return {name: ratio_interval(below[name], above[name]) for name in quantiles if name in below and name in above}


def _ratios(base: RunResult, new: RunResult, metric: str) -> list[Ratio]:
    bounds = [_intervals(result, metric, PERCENTILES) for result in (base, new)]
    stats = [result.totals.latency_ms.get(metric, Stats(count=0)) for result in (base, new)]
    rows = []
    for name in PERCENTILES:
        a, b = (getattr(row, name) for row in stats)
        if a and b is not None:
            ends = [each.stated.get(name) for each in bounds]
            interval = None if ends[0] is None or ends[1] is None else ratio_interval(ends[0], ends[1])
            sides = zip((base, new), bounds, strict=True)
            needs = [each.needs[name] * result.slice_s for result, each in sides if name in each.needs]
            rows.append(Ratio(metric, name, a, b, b / a, interval, max(needs, default=None)))
    return rows


def _intervals(result: RunResult, metric: str, quantiles: Mapping[str, Quantile]) -> Intervals:
    found = slices_of(result, metric)
    return intervals(found.sliced, found.config, quantiles)


def _judge(gate: Gate, ratios: Sequence[Ratio], base: RunResult, new: RunResult) -> GateResult:
    row = next((row for row in ratios if (row.metric, row.name) == (gate.metric, gate.figure)), None)
    for name, result in (("BASE", base), ("NEW", new)):
        if result.verdict.outcome == "invalid":
            return GateResult(gate, row, None, f"{name} is INVALID: {'; '.join(result.validity.reasons)}")
    if worse := _fewer_succeed(base, new):
        return GateResult(gate, row, passed=False, note=worse, fewer_succeed=True)
    if row is None:
        return GateResult(gate, None, None, f"{gate.label} is not known in both results")
    if row.interval is None:
        return GateResult(gate, row, None, _too_short(row))
    sure = row.direction == "higher" and row.ratio >= 1 + gate.effect
    note = "" if sure or row.direction != "higher" else "higher, but by less than the gate"
    return GateResult(gate, row, not sure, note)


def _fewer_succeed(base: RunResult, new: RunResult) -> str:
    """That NEW has a significantly smaller share of 2xx answers, in words with figures; empty otherwise."""
    a, b = base.totals, new.totals
    if not a.sent or not b.sent or more_likely(b.failed, b.sent, a.failed, a.sent) > SIGNIFICANT:
        return ""
    return f"fewer events succeed: {b.succeeded:,} of {b.sent:,} in NEW, {a.succeeded:,} of {a.sent:,} in BASE"


def _too_short(row: Ratio) -> str:
    if row.needs_s is None:
        return "the results hold no slices of time that an interval could be made from"
    name = row.name.replace("_", ".")
    return f"too short for an interval of {name}: both runs would have to last {math.ceil(row.needs_s):,} s"


def _differences(base: RunResult, new: RunResult) -> list[str]:
    said = []
    for name, result in (("BASE", base), ("NEW", new)):
        if result.verdict.outcome == "invalid":
            said.append(f"{name} is INVALID: {'; '.join(result.validity.reasons)}")
        if result.run.interrupted or result.run.aborted is not None:
            said.append(f"{name} was ended early")
    pairs: list[tuple[str, object, object]] = [
        ("target", target_url(base), target_url(new)),
        ("model", base.run.model, new.run.model),
        ("scale", f"{base.run.scale:g}", f"{new.run.scale:g}"),
        ("planned rate", _rate(base), _rate(new)),
        ("connections", base.limits.connections, new.limits.connections),
        ("event types", ", ".join(sorted(base.by_event)), ", ".join(sorted(new.by_event))),
        ("processor", base.environment.cpu_model, new.environment.cpu_model),
        ("cores", base.environment.cpu_count, new.environment.cpu_count),
        ("loadsim", base.run.version, new.run.version),
        ("workers", base.run.workers, new.run.workers),
    ]
    return said + [f"{what}: {a} and {b}" for what, a, b in pairs if a != b]


def _rate(result: RunResult) -> str:
    """The planned rate; a closed run has none, its rate is an outcome."""
    rate = result.totals.rate_planned
    return "none" if rate is None or result.run.model == "closed" else f"{rate:.3g}/s"
