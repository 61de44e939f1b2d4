"""A scenario made shorter, for a quick check of a long one: the same phases, rates and concurrency for less time.

A phase keeps at least one second, or its own duration where that is less, and enough for it to be what it is: one
event, whole bursts, one event for each connection.
"""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec

from loadsim.model import NS_PER_S
from loadsim.plan.arrivals import process_of
from loadsim.plan.scenario import Phase, Scenario

LEAST_NS = NS_PER_S
"""The shortest duration that a phase is made to have."""


def scaled(scenario: Scenario, scale: float) -> Scenario:
    """The scenario with the durations of all phases, and the events of closed ones, multiplied by `scale` (0 < scale
    <= 1) and rounded up. Everything else stays: rates, connections, timeouts, pauses of retries, objectives."""
    if not 0 < scale <= 1:
        raise ValueError(f"a scale is more than 0 and at most 1, not {scale}")
    factor = Fraction(repr(scale))
    return msgspec.structs.replace(scenario, phases=tuple(_shorter(phase, factor) for phase in scenario.phases))


def _shorter(phase: Phase, factor: Fraction) -> Phase:
    duration, events = phase.duration, phase.events
    if duration is not None:
        wanted = max(math.ceil(duration * factor), LEAST_NS)
        if phase.model == "open":
            wanted = process_of(phase).long_enough(phase, wanted)
        duration = min(duration, wanted)
    if events is not None:
        events = min(events, max(math.ceil(events * factor), phase.connections or 1))
    return msgspec.structs.replace(phase, duration=duration, events=events)
