"""The plan of a run in a few lines, for `--check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

from loadsim.judge.abort import why_never_certain
from loadsim.judge.scaled_runs import SCALED, asks_for_many
from loadsim.model import NS_PER_MS, NS_PER_S, Objective, counted
from loadsim.plan import Case, EventMix, Phase, Plan, format_duration, format_rate, redact_url
from loadsim.plan.arrivals import process_of
from loadsim.plan.retry_schedule import Retry, profile_of
from loadsim.plan.watches import Watch, series_of
from loadsim.report.numbers import milliseconds, printable, share

NOTHING: Mapping[str, str] = MappingProxyType({})

_SOME = 4
"""So many types of a capture are named."""


def render_plan(
    plan: Plan, objectives: Sequence[Objective], *, scale: float = 1, short: Mapping[str, str] = NOTHING
) -> str:
    """Lines of text that end in a newline: target, mix, phases with their counts, objectives.

    `scale`: below 1 where the scenario was shortened; `short`: by the text of an objective, why this plan is then too
    short for it.
    """
    scenario = plan.scenario
    target = scenario.target
    timeout = f"{format_duration(target.timeout)} timeout"
    if target.drain is not None:
        timeout += f", {format_duration(target.drain)} drain"
    lines = [
        f"scenario   {scenario.name} ({plan.model} model, seed {plan.seed})",
        f"target     {redact_url(target.url)}",
        f"           {target.scheme}, at most {counted(target.connections, 'connection')}, {timeout}",
        "events     " + ", ".join(_event(event, plan) for event in scenario.events),
    ]
    if scenario.receiver is not None:
        lines.append(
            "receiver   " + (", ".join(f"{key} {text}" for key, text in scenario.receiver.changed()) or "defaults")
        )
    if scenario.retry is not None:
        lines.append(f"retries    {_retries(scenario.retry)}")
    lines += ["watches", *(_watch(watch) for watch in scenario.watch)] if scenario.watch else []
    lines += ["cases", *(_case(case) for case in scenario.cases)] if scenario.cases else []
    lines.append("phases" if scale == 1 else f"phases     at scale {scale:g}")
    total: float | None = 0.0
    for planned, phase in zip(plan.phases, scenario.phases, strict=True):
        expected = plan.expected_events(planned.number)
        total = None if expected is None or total is None else total + expected
        about = "about " if process_of(phase).random else ""
        count = (
            "as many events as the endpoint takes"
            if expected is None
            else f"{about}{counted(round(expected), 'event')}"
        )
        length = "until its last event" if phase.duration is None else f"for {format_duration(phase.duration)}"
        note = "" if phase.record else " (not recorded)"
        lines.append(f"  {planned.name}: {_load(phase)} {length}: {count}{note}{_mix(phase)}")
    if total is not None and plan.duration_ns is not None:
        lines.append(f"total      {counted(round(total), 'event')} in {plan.duration_ns / NS_PER_S:g} s")
    lines.append("objectives")
    for each in objectives:
        default, ending = " (default)" if each.default else "", _ending(each, plan) if each.abort else ""
        lines.append(f"  {each.text}{default}{ending}{_left_open(each, scale, short)}")
    lines.append("Nothing was sent.")
    return "\n".join(map(printable, lines)) + "\n"


def _left_open(objective: Objective, scale: float, short: Mapping[str, str]) -> str:
    """What a shortened run does not judge."""
    if objective.text in short:
        return f" ({SCALED}: {short[objective.text]})"
    return f" (a count below it is {SCALED})" if scale < 1 and asks_for_many(objective) else ""


def _ending(objective: Objective, plan: Plan) -> str:
    why = why_never_certain(objective, plan)
    return f" (cannot end the run early: {why})" if why else " (ends the run once it cannot be met)"


def _retries(retry: Retry) -> str:
    profile = profile_of(retry)
    many = len(profile.retries_ns)
    if not many:
        return f"{profile.title}: no further attempt"
    pauses = ", ".join(milliseconds(ns / retry.time_scale / NS_PER_MS) for ns in profile.retries_ns[:6])
    words = f"{profile.title}: up to {many} more after {pauses}{', …' if many > 6 else ''}"
    if retry.time_scale != 1:
        words += f" (time {retry.time_scale:,.6g} times as fast)"
    return words + (", pauses modelled" if profile.modelled else "")


def _event(event: EventMix, plan: Plan) -> str:
    names = plan.types_of(event)
    words = ", ".join(names[:_SOME]) + (f" and {len(names) - _SOME:,} more types" if len(names) > _SOME else "")
    source = "" if event.payloads is None else f" from {event.payloads}"
    return f"{words}{source} (weight {event.weight:g})"


def _watch(watch: Watch) -> str:
    names = ", ".join(series.name for series in series_of(watch))
    if watch.url is not None:
        return f"  {names}: {watch.metric} at {redact_url(watch.url)}"
    return f"  {names}: {'a query' if watch.sql is not None else f'process {watch.pid}'}"


def _case(case: Case) -> str:
    return f"  {case.kind}: {share(case.share)}, expects {case.expect or 'refuse'}"


def _mix(phase: Phase) -> str:
    """What a phase has of its own beside its load."""
    words = [f"{kind} {share(part)}" for kind, part in phase.shares.items()]
    if phase.secrets != "new":
        words.append(f"signed with {'both secrets' if phase.secrets == 'both' else 'the old secret'}")
    return f"; {', '.join(words)}" if words else ""


def _load(phase: Phase) -> str:
    if phase.connections is not None:
        return f"{phase.connections} in flight"
    if phase.rate is not None:
        rate = format_rate(phase.rate)
    else:
        rate = f"from {format_rate(phase.from_ or Fraction(0))} to {format_rate(phase.to or Fraction(0))}"
    return process_of(phase).words(phase, rate)
