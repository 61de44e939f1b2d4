"""What an interrupt does to a run or a study: the first lets what is under way end, the second ends at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from loadsim.cli.output import say

STOPPING = "stopping: what is under way may still end (Ctrl-C again ends at once)"


class Interruptible(Protocol):
    """A run, or a study of runs."""

    @property
    def interrupted(self) -> bool:
        """It was interrupted before."""

    def interrupt(self) -> None:
        """First: in order. Second: at once."""


def stopping(work: Interruptible, tell: Callable[[str], None] = say) -> Callable[[], None]:
    """Interrupts `work` each time that it is called, and says so, unless it had ended."""

    def interrupt() -> None:
        before = work.interrupted
        work.interrupt()
        if work.interrupted:
            tell("stopping" if before else STOPPING)

    return interrupt
