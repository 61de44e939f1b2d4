"""Whether a plan has enough events for an objective, found before the first one is sent.

Only what is certain counts: a percentile needs a least number of samples, and no event gives more than one. Where the
number of events is not planned (closed phases without a count), nothing is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from loadsim.judge.objectives import percentile_of
from loadsim.judge.vocabulary import METRICS
from loadsim.judge.window_objectives import selection_of
from loadsim.measure.hdr import Ints
from loadsim.measure.sample_sizes import least_count
from loadsim.measure.strata import StratumNames
from loadsim.measure.window_counts import Grid, stretches_of
from loadsim.model import NS_PER_S, Objective
from loadsim.plan import Plan, format_duration

_BY_CONNECTION = ("connect",)
"""Metrics whose samples are of connections: there may be more of them than events."""
_BY_ATTEMPT = ("lag",)
"""Metrics that every attempt of an event adds to."""
MOST_COUNTED = 5_000_000
"""Windows of longer plans are not counted, which would take seconds."""


def why_unsupported(objective: Objective, plan: Plan, names: StratumNames) -> str:
    """Why the plan can never give the samples that the objective needs, in words with figures; empty when it can."""
    if METRICS[objective.metric] != "trend" or objective.metric in _BY_CONNECTION:
        return ""
    if objective.metric in _BY_ATTEMPT and plan.scenario.retry is not None:
        return ""
    number = percentile_of(objective.aggregation)
    quantile = Fraction(1) if number is None else Fraction(number) / 100
    least = least_count(max(quantile, 1 - quantile))
    if objective.window_ns is not None:
        return _short_window(objective, plan, names, least)
    found = _planned(objective, plan, names, least)
    if found is None or found >= least:
        return ""
    return (
        f"{objective.aggregation} needs {least:,} samples, and this plan has {found:,} such event{'s' * (found != 1)}"
    )


def _planned(objective: Objective, plan: Plan, names: StratumNames, least: int) -> int | None:
    """How many events the objective is about, at most, or `least` once there are so many; None: not planned."""
    found = 0
    for phase, wanted in _wanted(objective, plan, names):
        whole = plan.count(phase)
        if whole is None:
            return None
        if len(wanted) == len(plan.types) * len(plan.cases):
            found += whole
            continue
        for block in plan.blocks(phase):
            found += int(np.isin(block.stratum, wanted).sum())
            if found >= least:
                return found
    return found


def _short_window(objective: Objective, plan: Plan, names: StratumNames, least: int) -> str:
    """The first window in which too few events fall due."""
    planned = [(phase.start_ns, phase.end_ns, phase) for phase in plan.phases]
    named = dict(objective.tags).get("phase")
    rows = [(start, end, each.record if named is None else each.name == named) for start, end, each in planned]
    grid = Grid(stretches_of(rows), objective.window_ns or 0)
    wanted = list(_wanted(objective, plan, names))
    expected = [plan.expected_events(phase) for phase, _ in wanted]
    if grid.count is None or any(each is None or each > MOST_COUNTED for each in expected):
        return ""
    if any(plan.phases[phase].model == "closed" for phase, _ in wanted):
        return ""
    if grid.count == 0:
        return f"no whole window of {format_duration(grid.width_ns)} is recorded"
    counts: Ints = np.zeros(grid.count, dtype=np.int64)
    for phase, strata in wanted:
        for block in plan.blocks(phase):
            due = np.array(block.due, dtype=np.int64)[np.isin(block.stratum, strata)]
            numbers = grid.numbers(due // grid.slice_ns)
            counts += np.bincount(numbers[numbers >= 0], minlength=grid.count)
    short = np.flatnonzero(counts < least)
    if not len(short):
        return ""
    at, fall_due = int(short[0]), int(counts[short[0]])
    return (
        f"{objective.aggregation} needs {least:,} samples in every window, and in the one at "
        f"{grid.start_ns(at) / NS_PER_S:g} s {fall_due:,} such event{'s' * (fall_due != 1)} fall due"
    )


def _wanted(objective: Objective, plan: Plan, names: StratumNames) -> Iterator[tuple[int, list[int]]]:
    """The phases that the objective looks at, each with its strata."""
    strata = selection_of(objective, names).strata
    for phase in plan.phases:
        mine = [stratum for stratum in strata if plan.unpack(stratum)[0] == phase.number]
        if mine:
            yield phase.number, mine
