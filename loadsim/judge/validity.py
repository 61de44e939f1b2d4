"""The rules that make a run INVALID or that put a warning beside its verdict, each with its figure in words.

INVALID means that the tool's own behaviour could have changed the verdict. Waiting for a busy connection is never a
reason: that is the endpoint's speed at this concurrency. The windows with too little load come from
`measure/load_shortfall.py`. Too few samples for an objective are found in `verdict.py`, what a pause of the generator
may have done to one in `without_generator.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadsim.judge.balance import unbalanced
from loadsim.judge.vocabulary import METRICS, unrecorded_phases
from loadsim.measure.load_shortfall import LEAST_SHARE, window_ns
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Totals
from loadsim.measure.result_generator import ShortWindow
from loadsim.measure.share_bounds import surely_above
from loadsim.measure.stored_histograms import whole_of
from loadsim.model import NS_PER_MS, NS_PER_S, Objective, UsageError
from loadsim.plan.scenario import ValidityRules
from loadsim.plan.units import UnitError, format_duration, parse_duration

LATE_SHARE = 0.01
"""A run of which surely more events than this share were late gets a warning."""
REMEDY = "give the generator a core of its own (fewer -w, less beside it, another machine)"
IMBALANCES_SHOWN = 3
"""One lost frame unbalances the accounts of every group with events in it; a few are enough to show it."""
SHOWN = 3
"""So many windows are named."""


def invalid_reasons(result: RunResult) -> list[str]:
    """Why the measurement is invalid, in words with figures; empty when it is valid."""
    reasons = [*not_offered(result), *_dropped(result), *_shards(result), *_imbalances(result), *_starved(result)]
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


def validity_rules(max_lag: str | None) -> ValidityRules | None:
    """The rules with this lag; None where none is given. Raises UsageError."""
    if max_lag is None:
        return None
    try:
        lag = parse_duration(max_lag)
    except UnitError as error:
        raise UsageError(f"--max-lag: {error}") from None
    if lag <= 0:
        raise UsageError(f"--max-lag {max_lag}: must be more than 0")
    return ValidityRules(lag=lag)


def _parts(result: RunResult) -> list[Totals]:
    """Disjoint groups that together hold every recorded event, forged ones included."""
    return list(result.by_case.values()) or [result.totals]


def not_offered(result: RunResult) -> Iterator[str]:
    """Load that was not offered as planned. In a closed run none is planned."""
    lag = None if result.run.model == "closed" else whole_of(result, "lag")
    if lag is None:
        return
    window = window_ns(result.totals.rate_planned)
    in_time = lag.n - lag.above(window / NS_PER_MS)
    if in_time < LEAST_SHARE * lag.n:
        yield (
            f"the load was not offered as planned: {in_time:,} of {lag.n:,} events ({in_time / lag.n:.1%}) were "
            f"released within {format_duration(window)} of their due time, {LEAST_SHARE:.0%} are needed"
            f"{_could(result)}; {REMEDY}"
        )


def _could(result: RunResult) -> str:
    """The rate that a late generator could release: that of the events woken before the end of their phase, where it
    was behind to the end."""
    duration = result.totals.duration_s
    groups = [group for name, group in result.by_phase.items() if name not in unrecorded_phases(result)]
    planned = sum(group.planned for group in groups)
    woken = planned - sum(group.woken_late for group in groups)
    if not duration or woken >= LEAST_SHARE * planned:
        return ""
    return f"; it could do about {woken / duration:,.0f}/s of the {planned / duration:,.0f}/s asked for"


def short_of_load(result: RunResult, objective: Objective) -> str:
    """Why an objective cannot be judged because less load than planned was offered for a while; empty where it can.

    Response times contain our lateness, and a share of failures does not grow by less load: they are judged. What is
    judged by windows, has a lower limit, or does not contain the lateness is not.
    """
    lateless = objective.metric in ("service", "wait", "first_byte", "connect")
    lower = objective.op in (">", ">=") and METRICS[objective.metric] not in ("rate", "gauge", "duration")
    if result.run.model == "closed" or not (objective.window_ns is not None or lower or lateless):
        return ""
    phase = dict(objective.tags).get("phase")
    short = [window for window in result.limits.short if phase is None or _touches(result, phase, window)]
    return f"less load than planned was offered in {_named(short)}; {REMEDY}" if short else ""


def warnings_of(result: RunResult, rules: ValidityRules) -> list[str]:
    """What should be known of the generator beside the verdict, in words with figures."""
    late = often_late(result, rules)
    return [*([late] if late else []), *_short(result)]


def often_late(result: RunResult, rules: ValidityRules) -> str:
    """That surely more than LATE_SHARE of the events were late, in words with figures; empty otherwise."""
    lag = None if result.run.model == "closed" else whole_of(result, "lag")
    limit = rules.lag / NS_PER_MS
    late = 0 if lag is None else lag.above(limit)
    if lag is None or not surely_above(late, lag.n, LATE_SHARE):
        return ""
    return (
        f"the generator was late: {late:,} of {lag.n:,} events ({late / lag.n:.1%}) were released more than "
        f"{limit:g} ms after they were due{_could(result)}; {REMEDY}"
    )


def _short(result: RunResult) -> Iterator[str]:
    if result.limits.short:
        yield f"less load than planned was offered in {_named(result.limits.short)}; {REMEDY}"


def _named(windows: Sequence[ShortWindow]) -> str:
    first = ", ".join(f"{window.t_s:g} s" for window in windows[:SHOWN])
    more = f" and {len(windows) - SHOWN} more" if len(windows) > SHOWN else ""
    width = format_duration(round(windows[0].width_s * NS_PER_S))
    return f"the window{'s' * (len(windows) != 1)} of {width} at {first}{more}"


def _touches(result: RunResult, phase: str, window: ShortWindow) -> bool:
    start = 0.0
    for name, group in result.by_phase.items():
        end = start + (group.duration_s or 0.0)
        if name == phase:
            return window.t_s < end and window.t_s + window.width_s > start
        start = end
    return False


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
