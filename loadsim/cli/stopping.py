"""Interrupts of a run or a study: the first one lets events in flight end, the second one ends it at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from loadsim.cli.output import say

STOPPING = "stopping: events in flight may still end (Ctrl-C again ends at once)"


class Interruptible(Protocol):
    """A run, or a study of runs."""

    @property
    def interrupted(self) -> bool:
        """Whether it was interrupted before."""

    def interrupt(self) -> None:
        """The first call stops in order, the second at once."""


def stopping(work: Interruptible) -> Callable[[], None]:
    """A function that interrupts `work` each time that it is called, and prints a message."""

    def interrupt() -> None:
        line = "stopping" if work.interrupted else STOPPING
        work.interrupt()
        say(line)

    return interrupt
