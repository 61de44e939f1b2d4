"""What every source of a watch gives at a reading."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from loadsim.measure.watch_values import Raw
from loadsim.plan.watches import SeriesName, Watch

TIMEOUT_S = 0.9
"""A reading ends within this time, before the next one is due."""


class Part(NamedTuple):
    """One series of a source: the watch that asks for it, and which part of it."""

    watch: Watch
    series: SeriesName

    @property
    def metric(self) -> str:
        """What is read, as it is shown: `jobs{queue="mail"}`, `cpu`."""
        if self.watch.kind == "url":
            labels = ",".join(f'{name}="{value}"' for name, value in self.watch.labels.items())
            return f"{self.watch.metric}{{{labels}}}" if labels else self.watch.metric or ""
        return self.series.part


class WatchSource(Protocol):
    """A page, a database or a process, with the series that come from it."""

    place: str
    """Which one, without credentials."""
    parts: tuple[Part, ...]

    async def read(self) -> list[Raw | str]:
        """For each part, in order, what it is now, or why it has no value. Raises GapError where nothing was read."""

    async def close(self) -> None:
        """Let go of connections."""
