"""Arrival processes: when the events of an open phase are due, as a pure function of phase, seed and capture."""

from __future__ import annotations

from loadsim.plan.arrivals.burst import Burst
from loadsim.plan.arrivals.constant import Constant
from loadsim.plan.arrivals.poisson import Poisson
from loadsim.plan.arrivals.process import Place, Process
from loadsim.plan.arrivals.recorded import Recorded
from loadsim.plan.scenario import Phase

PROCESSES: dict[str, Process] = {
    "constant": Constant(),
    "poisson": Poisson(),
    "burst": Burst(),
    "recorded": Recorded(),
}
"""By the name that a phase gives as `arrivals`."""


def process_of(phase: Phase) -> Process:
    """The process of a phase whose `arrivals` have been checked."""
    return PROCESSES[phase.arrivals]


__all__ = ["PROCESSES", "Place", "Process", "process_of"]
