"""Arrivals at the pace at which a capture was recorded: when event i is due, and what such a phase may say.

The pace of a capture is the time of each of its n rows since the first. Event i is row i mod n; a capture that is over
begins again one mean gap after its last row. Refuses to know what the rows hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from loadsim.plan.chance import BLOCK
from loadsim.plan.scenario import EventMix, Phase, Scenario
from loadsim.plan.shape import DocumentError

MAX_SPEED = 1_000_000
Ints = npt.NDArray[np.int64]


class Pace:
    """Due times by row; `offsets` in ns since the first row, not falling, the last above 0."""

    def __init__(self, offsets: Sequence[int]) -> None:
        if len(offsets) < 2 or offsets[-1] <= 0:
            raise ValueError("a pace needs two rows at different times")
        self._offsets = np.asarray(offsets, dtype=np.float64)
        self._period = float(offsets[-1]) * len(offsets) / (len(offsets) - 1)

    @property
    def length_ns(self) -> int:
        """From the first row of one round to the first of the next."""
        return round(self._period)

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


def check_recorded(scenario: Scenario) -> None:
    """Where arrivals are as recorded, one capture says when event i is due and what it carries."""
    for number, phase in enumerate(scenario.phases):
        if phase.arrivals == "recorded" and (len(scenario.events) != 1 or scenario.events[0].payloads is None):
            raise DocumentError(f"phases[{number}].arrivals", "needs exactly one [[events]], with payloads")


def check_recorded_phase(path: str, phase: Phase) -> None:
    """Rules of a phase with arrivals as recorded."""
    for key, value in (("rate", phase.rate), ("from", phase.from_), ("to", phase.to), ("events", phase.events)):
        if value is not None:
            raise DocumentError(f"{path}.{key}", 'arrivals = "recorded" is given too: keep one of them')
    if phase.burst is not None:
        raise DocumentError(f"{path}.burst", 'goes with arrivals = "burst" only')
    if phase.speed is not None and not 0 < phase.speed <= MAX_SPEED:
        raise DocumentError(f"{path}.speed", f"must be more than 0 and at most {MAX_SPEED:,}")
    if phase.duration is None:
        raise DocumentError(f"{path}.duration", 'is missing: give one such as "30s"; the capture is sent over and over')


def check_payloads(path: str, event: EventMix) -> None:
    """Rules of an `[[events]]` with recorded bodies: they are sent as they are, under any name."""
    if not event.type.strip() or any(char in "{}," or not char.isprintable() for char in event.type):
        raise DocumentError(f"{path}.type", "must be a text without braces, commas and control characters")
    if event.set or event.image != "placeholder" or not event.simulation:
        raise DocumentError(f"{path}.payloads", "is sent byte for byte: leave set, image and simulation out")
