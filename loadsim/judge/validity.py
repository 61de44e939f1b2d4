"""The rules that make a run INVALID, each with its figure in words.

Waiting for a busy connection is never a reason: that is the endpoint's speed at this concurrency. Too few samples for
an objective are found in `evaluate.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from loadsim.judge.vocabulary import unrecorded_phases
from loadsim.measure.codec import decode
from loadsim.measure.hdr import PERCENTILES, rank
from loadsim.measure.result import RunResult, Totals
from loadsim.measure.totals import unbalanced
from loadsim.model import NS_PER_MS, NS_PER_US, UsageError
from loadsim.plan.scenario import ValidityRules
from loadsim.plan.units import UnitError, parse_duration

WOKEN_SHARE = 0.99
"""Least share of the events due in a phase that the generator must wake before the phase ends."""
IMBALANCES_SHOWN = 3
"""One lost frame unbalances the accounts of every group with events in it; a few are enough to show it."""


def invalid_reasons(result: RunResult, rules: ValidityRules) -> list[str]:
    """Why the measurement is invalid, in words with figures; empty when it is valid."""
    reasons = [*_late(result, rules), *_dropped(result), *_shards(result), *_imbalances(result), *_starved(result)]
    internal = sum(group.errors.get("internal", 0) for group in _parts(result))
    if internal:
        reasons.append(f"internal errors of the generator: {internal:,} event{'s' * (internal != 1)}")
    return reasons


def loss_allowed(result: RunResult) -> bool:
    """Whether hosts were lost, but no more than the run allows, and some are left."""
    lost = {shard.host for shard in result.shards if shard.lost}
    return 0 < len(lost) <= result.run.allow_lost and len(lost) < len({shard.host for shard in result.shards})


def rules_of(result: RunResult) -> ValidityRules:
    """The validity rules of a stored result's own scenario. Raises UsageError when the stored lag is not a duration."""
    table = result.run.scenario.get("validity")
    lag = table.get("lag") if isinstance(table, dict) else None
    if lag is None:
        return ValidityRules()
    try:
        return ValidityRules(lag=parse_duration(str(lag)))
    except UnitError as error:
        raise UsageError(f"the result's scenario: validity.lag: {error}") from None


def lag_p99_ms(result: RunResult) -> float | None:
    """p99 of lag over recorded events, in ms, however few they are; None when no lag was recorded."""
    if result.limits.lag_p99_ms is not None:
        return result.limits.lag_p99_ms
    blob = result.histograms.get("lag")
    if blob is None:
        return None
    config, counts = decode(blob)
    running = np.cumsum(counts)
    index = np.searchsorted(running, rank(PERCENTILES["p99"], int(running[-1])))
    return int(config.highest_equivalent(np.asarray(index))) * NS_PER_US / NS_PER_MS


def _parts(result: RunResult) -> list[Totals]:
    """Disjoint groups that together hold every recorded event, forged ones included."""
    return list(result.by_case.values()) or [result.totals]


def _late(result: RunResult, rules: ValidityRules) -> Iterator[str]:
    if result.run.model == "closed":
        return
    lag, limit = lag_p99_ms(result), rules.lag / NS_PER_MS
    if lag is not None and lag > limit:
        yield f"the generator was late: lag p99 {lag:.3g} ms is above {limit:g} ms{_could(result)}"
    skipped = unrecorded_phases(result)
    for name, phase in result.by_phase.items():
        woken = phase.planned - phase.woken_late
        if name not in skipped and phase.planned and woken < WOKEN_SHARE * phase.planned:
            yield (
                f"phase {name!r}: {woken:,} of {phase.planned:,} due events ({woken / phase.planned:.1%}) were woken "
                f"before it ended, {WOKEN_SHARE:.0%} are needed"
            )


def _could(result: RunResult) -> str:
    """The rate that a late generator could reach: that of the events it woke before the end of their phase, or else
    that of the answers it got while events were due."""
    duration = result.totals.duration_s
    groups = [group for name, group in result.by_phase.items() if name not in unrecorded_phases(result)]
    planned = sum(group.planned for group in groups)
    if not duration or not planned:
        return ""
    woken = planned - sum(group.woken_late for group in groups)
    asked = f"{planned / duration:,.0f}/s"
    if woken < WOKEN_SHARE * planned:
        return f"; it could do about {woken / duration:,.0f}/s of the {asked} asked for"
    in_time = sum(row.completed for row in result.series if row.due)
    if 0 < in_time < WOKEN_SHARE * planned:  # it may have had no time for a single answer
        return f"; it could do about {in_time / duration:,.0f}/s of the {asked} asked for"
    return f"; it fired {asked}, but not in time: what it could do here is less"


def _dropped(result: RunResult) -> Iterator[str]:
    dropped = sum(group.dropped for group in _parts(result))
    if dropped:
        yield f'dropped events: {dropped:,} (no connection was free and overflow = "drop")'


def _shards(result: RunResult) -> Iterator[str]:
    allowed = loss_allowed(result)
    for shard in result.shards:
        if shard.lost and allowed:
            continue
        if shard.lost:
            frames = f"{shard.frames:,} frame{'s' * (shard.frames != 1)}"
            yield f"shard {shard.shard} was lost after {frames}: {shard.reason or 'no reason known'}"
        elif shard.reason:
            yield f"shard {shard.shard}: {shard.reason}"


def _imbalances(result: RunResult) -> Iterator[str]:
    broken = unbalanced(result)
    for line in broken[:IMBALANCES_SHOWN]:
        yield f"the accounts do not balance: {line}"
    if (more := len(broken) - IMBALANCES_SHOWN) > 0:
        yield f"the accounts do not balance in {more} more place{'s' * (more != 1)}"


def _starved(result: RunResult) -> Iterator[str]:
    if result.limits.shortage:
        rate = result.totals.rate_completed
        yield result.limits.shortage + ("" if rate is None else f"; with those it could do {rate:,.0f}/s")
