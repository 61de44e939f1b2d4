"""Bursts: all constant (or ramped) arrivals of a period are due at its start."""

from __future__ import annotations

from collections.abc import Iterator

from loadsim.model import NS_PER_S
from loadsim.plan.arrivals.constant import Constant
from loadsim.plan.arrivals.process import Ints, Place
from loadsim.plan.arrivals.rates import most_in
from loadsim.plan.scenario import Phase
from loadsim.plan.typed_document import DocumentError

DEFAULT_PERIOD_NS = NS_PER_S
_EVEN = Constant()


class Burst:
    """See Process. The period is the phase's `burst`, default: one second."""

    keys = ("burst",)
    has_rate = True
    random = False

    def check(self, path: str, phase: Phase) -> None:
        """See Process."""
        if phase.burst is not None and phase.burst <= 0:
            raise DocumentError(f"{path}.burst", "must be more than 0")

    def mean(self, phase: Phase) -> float:
        """The count."""
        return _EVEN.mean(phase)

    def count(self, phase: Phase, place: Place) -> int:
        """As many as without bursts."""
        return _EVEN.count(phase, place)

    def blocks(self, phase: Phase, place: Place, count: int | None) -> Iterator[Ints]:
        """See Process."""
        period = phase.burst or DEFAULT_PERIOD_NS
        for due in _EVEN.blocks(phase, place, count):
            yield due - due % period

    def due(self, phase: Phase, place: Place, number: int) -> int | None:
        """See Process."""
        even = _EVEN.due(phase, place, number)
        return None if even is None else even - even % (phase.burst or DEFAULT_PERIOD_NS)

    def most(self, phase: Phase, span_ns: int) -> int | None:
        """Those of a further period may be due at the beginning."""
        return most_in(phase, span_ns + (phase.burst or DEFAULT_PERIOD_NS))

    def long_enough(self, phase: Phase, duration_ns: int) -> int:
        """Whole periods: a part of one would have a smaller burst."""
        period = phase.burst or DEFAULT_PERIOD_NS
        return -(-duration_ns // period) * period

    def words(self, _phase: Phase, rate: str) -> str:
        """See Process."""
        return f"{rate} (burst arrivals)"
