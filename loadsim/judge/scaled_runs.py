"""Objectives that a shortened run (`--scale`) cannot judge: it is short of events, and of nothing else.

Such an objective is shown as not judged and does not decide the verdict. All others do: their figures do not depend on
how long the run is.
"""

from __future__ import annotations

from loadsim.judge.vocabulary import METRICS
from loadsim.measure.result_verdict import ObjectiveRow
from loadsim.model import Objective

SCALED = "not judged (scaled)"


def asks_for_many(objective: Objective) -> bool:
    """Whether this is a bound on a count of the whole run that more events can meet, such as `sent: count >= 1000`."""
    counts = METRICS[objective.metric] == "counter" and objective.aggregation == "count"
    return counts and objective.window_ns is None and (objective.op in (">", ">=", "!=") or _equal_to_some(objective))


def why_left_open(objective: Objective, row: ObjectiveRow, missing: str, *, few: bool) -> str:
    """Why a shortened run does not judge this objective; empty where it does. `missing`: what it lacks, and `few`
    whether it lacks events."""
    if missing:
        return missing if few else ""
    if row.passed is False and asks_for_many(objective) and _too_small(objective, row):
        return "a run of full length counts more"
    return ""


def _equal_to_some(objective: Objective) -> bool:
    return objective.op == "==" and objective.value > 0


def _too_small(objective: Objective, row: ObjectiveRow) -> bool:
    """Whether the count missed the bound because it is too small."""
    return row.observed is not None and (objective.op != "==" or row.observed < objective.value)
