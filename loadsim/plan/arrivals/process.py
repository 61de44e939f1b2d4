"""The interface of an arrival process: the due times of an open phase, its keys, and its description in words.

One process is one file beside this one, and a line in `PROCESSES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from loadsim.plan.scenario import Phase

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a phase in its run."""

    seed: int
    number: int
    """Of the phase."""
    first: int
    """The lowest index of the phase."""
    pace: Sequence[int] = ()
    """The time of each row of a capture, ns since the first; empty where there is none."""


class Process(Protocol):
    """An arrival process. Phases are open ones with a duration; times are ns since the phase's start."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of a phase that go with this process alone."""

    @property
    def has_rate(self) -> bool:
        """Whether a phase has a rate (`rate`, or `from` and `to`)."""

    @property
    def random(self) -> bool:
        """Whether the number of events is random: counting them takes about 15 ns each."""

    def check(self, path: str, phase: Phase, /) -> None:
        """Raises DocumentError for a value that the process cannot have."""

    def mean(self, phase: Phase, /) -> float:
        """How many events a phase that has a rate has, on average."""

    def count(self, phase: Phase, place: Place, /) -> int:
        """How many events the phase has."""

    def blocks(self, phase: Phase, place: Place, count: int | None, /) -> Iterator[Ints]:
        """Due times by blocks of at most `random_draws.BLOCK`: rising, from 0 to below the phase's duration.

        `count`: their number; None where those of a random process were not counted.
        """

    def due(self, phase: Phase, place: Place, number: int, /) -> int | None:
        """When the phase's `number`-th event (from 0) is due, as `blocks` has it; None where it has fewer events."""

    def most(self, phase: Phase, span_ns: int, /) -> int | None:
        """The largest number of events due in a given number of ns; None where there is no bound."""

    def long_enough(self, phase: Phase, duration_ns: int, /) -> int:
        """The shortest duration from `duration_ns` on with which the phase is still of this process."""

    def words(self, phase: Phase, rate: str, /) -> str:
        """The load of a phase in words; `rate`: its rate in words."""
