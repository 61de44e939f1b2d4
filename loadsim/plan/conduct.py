"""How the companion receiver behaves: how fast, how broken, and when it is away, as flags and scenario files say it.

Decides the names, units and defaults that `loadsim receive` and the `[receiver]` table of a scenario share, and which
combinations make sense. Refuses to know how any of it is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from loadsim.model import UsageError
from loadsim.plan.shape import Duration, Size, write
from loadsim.plan.units import Span, format_span

Engine = Literal["aiohttp", "bare"]
ENGINES: tuple[Engine, ...] = ("aiohttp", "bare")
SpanText = Annotated[Span, msgspec.Meta(extra={"unit": "span"})]
"""In a document a text such as "10s:1.4s"."""


class Conduct(msgspec.Struct, frozen=True, kw_only=True, rename={"delay_ns": "delay"}):
    """What a receiver may be told of its conduct. Durations in ns, sizes in bytes. `check` says what is wrong."""

    workers: int = 1
    engine: Engine = "aiohttp"
    max_body: Size = 1_000_000
    delay_ns: Duration = 0
    """Service time of every accepted event; refusals are answered at once."""
    slots: int | None = None
    """At most so many events in service over all workers; the rest wait first-come. None = no limit."""
    stall: SpanText | None = None
    """One silence of the whole receiver, counted from the first request."""
    down: tuple[SpanText, ...] = ()
    """When nobody is there, counted from the first request: open connections are closed and new ones refused."""

    def check(self) -> None:
        """Raise UsageError at the first option that makes no sense."""
        for wrong, text in (
            (self.workers < 1, f"workers {self.workers}: give at least 1"),
            (self.engine not in ENGINES, f"engine '{self.engine}': choose from {', '.join(ENGINES)}"),
            (self.max_body < 1, "max-body: give at least 1B"),
            (self.slots is not None and self.delay_ns == 0, "slots without delay hold nothing back: give delay too"),
            (
                self.slots is not None and self.slots < self.workers,
                f"slots {self.slots} with {self.workers} workers: every worker needs at least one slot",
            ),
        ):
            if wrong:
                raise UsageError(text)
        self._check_down()

    def _check_down(self) -> None:
        end = -1
        for span in self.outages:
            if span.for_ns <= 0:
                raise UsageError(f"down {format_span(span)}: lasts no time")
            if span.after_ns <= end:
                raise UsageError(f"down {format_span(span)}: begins before the one before it has ended")
            end = span.after_ns + span.for_ns

    def told(self) -> Iterator[tuple[str, str]]:
        """What differs from the defaults, as a scenario file writes it: key and text."""
        defaults = write(Conduct())
        for key, value in write(self).items():
            if value != defaults.get(key):
                yield key, " and ".join(value) if isinstance(value, list) else str(value)

    @property
    def outages(self) -> tuple[Span, ...]:
        """`down` in the order of time."""
        return tuple(sorted(self.down))
