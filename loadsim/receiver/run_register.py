"""The runs that a receiver keeps something of: a list in memory that its supervisor writes and its workers read."""

from __future__ import annotations

import mmap
from typing import NamedTuple

import numpy as np

RUNS = 32
"""The runs that are kept: those registered last."""
PAGE = mmap.ALLOCATIONGRANULARITY
_NAME = 128
REGISTER_SIZE = -(-(8 * (1 + RUNS) + RUNS * _NAME) // PAGE) * PAGE
"""Bytes of memory that the list takes."""


class Registered(NamedTuple):
    """A registered run and its place in memory. `turn`: the number of runs registered so far, including it."""

    name: bytes
    place: int
    turn: int


class RunRegister:
    """The list of registered runs, in the first pages of the memory: a count of changes, then turns and names by place.

    The count is odd during a change, so that a reader knows when it must not use what it reads.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._words = np.frombuffer(memory, np.uint64, 1 + RUNS)

    @property
    def changes(self) -> int:
        """The number of changes, counted at their begin and their end; odd during a change."""
        return int(self._words[0])

    def runs(self) -> list[Registered]:
        """The registered runs, the latest first."""
        found = [
            Registered(self._memory[start : start + _NAME].rstrip(b"\0"), place, int(self._words[1 + place]))
            for place, start in enumerate(range(8 * (1 + RUNS), 8 * (1 + RUNS) + RUNS * _NAME, _NAME))
        ]
        return sorted((run for run in found if run.turn), key=lambda run: -run.turn)

    def find(self, name: bytes) -> Registered | None:
        """The run of this name."""
        return next((run for run in self.runs() if run.name == name), None)

    def add(self, name: bytes) -> None:
        """Register a run, in place of the oldest one when all places are taken. A registered run keeps its place."""
        runs = self.runs()
        if any(run.name == name for run in runs):
            return
        place = runs[-1].place if len(runs) == RUNS else len(runs)
        start = 8 * (1 + RUNS) + place * _NAME
        self._words[0] += np.uint64(1)
        self._memory[start : start + _NAME] = name.ljust(_NAME, b"\0")
        self._words[1 + place] = runs[0].turn + 1 if runs else 1
        self._words[0] += np.uint64(1)
