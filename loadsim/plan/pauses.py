"""The pauses of a plan: phases with a rate of 0, in which nothing is due, and what comes after them."""

from __future__ import annotations

from typing import NamedTuple

from loadsim.plan.plan import Plan


class Resumed(NamedTuple):
    """A recorded phase that follows a pause; ns since the start of the run."""

    phase: str
    pause_ns: int
    """How long nothing was due before it."""
    begin_ns: int
    end_ns: int | None
    """None: it ends by a count of events."""


def resumed_phases(plan: Plan) -> list[Resumed]:
    """The recorded phases before which the plan pauses, in order."""
    found, pause_ns = [], 0
    for planned, phase in zip(plan.phases, plan.scenario.phases, strict=True):
        if phase.model == "open" and phase.rate == 0:
            pause_ns += phase.duration or 0
            continue
        if pause_ns and phase.record:
            found.append(Resumed(planned.name, pause_ns, planned.start_ns, planned.end_ns))
        pause_ns = 0
    return found
