"""Arrivals at the recorded times of a capture.

The pace of a capture is the time of each of its n rows since the first. Event i is row i mod n; at its end a
capture starts again, one mean gap after its last row. Gaps that are longer than `max_gap` are shortened to it first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from loadsim.plan.arrivals.process import Ints, Place
from loadsim.plan.random_draws import BLOCK
from loadsim.plan.scenario import Phase
from loadsim.plan.typed_document import DocumentError
from loadsim.plan.units import format_duration

MAX_SPEED = 1_000_000


class Pace:
    """Due times by row; `offsets` in ns since the first row, not falling, the last above 0."""

    def __init__(self, offsets: Sequence[int], max_gap: int | None = None) -> None:
        if len(offsets) < 2 or offsets[-1] <= 0:
            raise ValueError("a pace needs two rows at different times")
        exact = np.asarray(offsets, dtype=np.int64)
        if max_gap is not None:
            exact = np.cumsum(np.minimum(np.diff(exact, prepend=exact[:1]), max_gap))
        self._offsets = exact.astype(np.float64)
        self._period = float(exact[-1]) * len(offsets) / (len(offsets) - 1)

    def due(self, phase: Phase, first: int, number: int, count: int) -> Ints:
        """When `count` events of a phase from its `number`-th on are due, ns since the phase's start.

        `first` is the index of the phase's own first event, which is due at once.
        """
        speed = phase.speed or 1.0
        at = self._at(np.arange(first + number, first + number + count))
        due: Ints = ((at - self._at(np.asarray([first]))) / speed).astype(np.int64)
        return due

    def count(self, phase: Phase, first: int) -> int:
        """How many events are due before the phase's end."""
        wall = (phase.duration or 0) * (phase.speed or 1.0)
        rows = len(self._offsets)
        low, high = 0, rows * (int(wall / self._period) + 2)
        while low < high:  # due times do not fall with the number, so the first one past the end can be bisected
            middle = (low + high) // 2
            if int(self.due(phase, first, middle, 1)[0]) < (phase.duration or 0):
                low = middle + 1
            else:
                high = middle
        return low

    def blocks(self, phase: Phase, first: int, count: int) -> Iterator[Ints]:
        """Due times of a whole phase by blocks."""
        for number in range(0, count, BLOCK):
            yield self.due(phase, first, number, min(BLOCK, count - number))

    def _at(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        rounds, row = np.divmod(index, len(self._offsets))
        return rounds * self._period + self._offsets[row]


class Recorded:
    """See Process. The pace is that of the run's one capture; `speed`: factor by which it is faster, `max_gap`: its
    longest gap."""

    keys = ("speed", "max_gap")
    has_rate = False
    random = False

    def check(self, path: str, phase: Phase) -> None:
        """See Process."""
        for key, value in (("rate", phase.rate), ("from", phase.from_), ("to", phase.to), ("events", phase.events)):
            if value is not None:
                raise DocumentError(f"{path}.{key}", 'arrivals = "recorded" is given too: keep one of them')
        if phase.speed is not None and not 0 < phase.speed <= MAX_SPEED:
            raise DocumentError(f"{path}.speed", f"must be more than 0 and at most {MAX_SPEED:,}")
        if phase.max_gap is not None and phase.max_gap <= 0:
            raise DocumentError(f"{path}.max_gap", "must be more than 0")
        if phase.duration is None:
            raise DocumentError(
                f"{path}.duration", 'is missing: give one such as "30s"; the capture is repeated until then'
            )

    def mean(self, phase: Phase) -> float:
        """See Process."""
        raise ValueError(f"the phase {phase.name!r} has no rate")

    def count(self, phase: Phase, place: Place) -> int:
        """See Process."""
        return _pace_of(phase, place).count(phase, place.first)

    def blocks(self, phase: Phase, place: Place, count: int | None) -> Iterator[Ints]:
        """See Process."""
        return _pace_of(phase, place).blocks(phase, place.first, self.count(phase, place) if count is None else count)

    def due(self, phase: Phase, place: Place, number: int) -> int | None:
        """See Process."""
        pace = _pace_of(phase, place)
        return int(pace.due(phase, place.first, number, 1)[0]) if number < pace.count(phase, place.first) else None

    def most(self, _phase: Phase, _span_ns: int) -> int | None:
        """See Process."""
        return None

    def long_enough(self, _phase: Phase, duration_ns: int) -> int:
        """Any: the first event is due at once."""
        return duration_ns

    def words(self, phase: Phase, _rate: str) -> str:
        """See Process."""
        gaps = "" if phase.max_gap is None else f", gaps of at most {format_duration(phase.max_gap)}"
        return f"as recorded{gaps}" + ("" if phase.speed is None else f", {phase.speed:g} times as fast")


def _pace_of(phase: Phase, place: Place) -> Pace:
    if not place.pace:
        raise ValueError("arrivals as recorded need the pace of the capture")
    return Pace(place.pace, phase.max_gap)
