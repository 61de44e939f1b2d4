"""Whether the counts of a result balance, and in words where they do not."""

from __future__ import annotations

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Totals


def imbalances(totals: Totals) -> list[str]:
    """Each pair of sums that differ, in words with figures; empty when the accounts balance."""
    errors = sum(totals.errors.values())
    found = []
    if totals.planned != totals.sent + totals.dropped:
        found.append(f"{totals.planned} planned, but {totals.sent} sent + {totals.dropped} dropped")
    if totals.sent != totals.completed + errors + totals.unfinished:
        found.append(
            f"{totals.sent} sent, but {totals.completed} completed + {errors} errors + {totals.unfinished} unfinished"
        )
    if totals.completed != sum(totals.status.values()):
        found.append(f"{totals.completed} completed, but {sum(totals.status.values())} with a status")
    return found


def unbalanced(result: RunResult) -> list[str]:
    """The imbalances of a result: overall, and by phase, event and case."""
    groups = [("all", result.totals)]
    for what, rows in (("phase", result.by_phase), ("event", result.by_event), ("case", result.by_case)):
        groups += [(f"{what} {name}", totals) for name, totals in rows.items()]
    return [f"{name}: {reason}" for name, totals in groups for reason in imbalances(totals)]
