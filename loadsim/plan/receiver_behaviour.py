"""The behaviour of the companion receiver: service times, faults and outages.

`loadsim receive` and the `[receiver]` table of a scenario share these names, units, defaults and checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from loadsim.model import NS_PER_MS, NS_PER_S, UsageError
from loadsim.plan import units
from loadsim.plan.typed_document import Duration, Size, write

Engine = Literal["aiohttp", "bare"]
ENGINES: tuple[Engine, ...] = ("aiohttp", "bare")
Span = Annotated[units.Span, msgspec.Meta(extra={"unit": "span"})]
"""In a document a text such as "10s:1.4s"."""
Failure = Annotated[units.Share, msgspec.Meta(extra={"unit": "failure"})]
"""In a document a text such as "503:1%"."""
Slow = Annotated[units.Share, msgspec.Meta(extra={"unit": "slow"})]
"""In a document a text such as "500ms:2%"."""
Service = Annotated[units.ServiceTime, msgspec.Meta(extra={"unit": "service"})]
"""In a document a text such as "lognormal:50ms"."""
Cycle = Annotated[units.Cycle, msgspec.Meta(extra={"unit": "cycle"})]
"""In a document a text such as "5s:2s"."""
Percent = Annotated[float, msgspec.Meta(extra={"unit": "share"})]
"""0 to 1; in a document a text such as "1%"."""
Speed = Annotated[int, msgspec.Meta(extra={"unit": "speed"})]
"""Bytes per second; in a document a text such as "64KB/s"."""

ASKS_TO_WAIT = frozenset({429, 503})
"""The statuses that carry Retry-After (RFC 6585, 4; RFC 9110, 15.6.4)."""
SHORTEST_NS = 10 * NS_PER_MS
"""The shortest timeout of a connection: timeouts are checked this often."""
MOST_PROCESSORS, LONGEST_QUEUE = 10_000, 10_000_000
"""What waits takes about 200 bytes each."""
_NAMES = ("delay", "delay_p99", "retry_after", "read_timeout", "idle_timeout")


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, rename={f"{name}_ns": name for name in _NAMES}):
    """Service times, faults and outages of a receiver, for accepted events only; refusals are not affected.

    Durations in ns, sizes in bytes. `check` raises for invalid combinations.
    """

    workers: int = 1
    """Worker processes. For example `2`."""
    engine: Engine = "aiohttp"
    """What serves HTTP: aiohttp, or a bare protocol that costs less."""
    max_body: Size = 1_000_000
    """The largest body; a larger one is answered with 413."""
    max_buffered: Size = 256_000_000
    """Memory limit for incomplete or waiting bodies, shared by all connections and workers."""
    delay_ns: Duration = 0
    """Service time of every accepted event; refusals are answered at once."""
    delay_p99_ns: Duration | None = None
    """Makes service times log-normal: their median is `delay`, their 99th percentile this. For example `"200ms"`."""
    slow: Slow | None = None
    """A second mode: this share of the accepted events takes this long instead of the delay."""
    slots: int | None = None
    """Most events in service over all workers; others wait, first come, first served (default: no limit). For
    example `4`."""
    stall: Span | None = None
    """One stall of the whole receiver, counted from the first request."""
    down: tuple[Span, ...] = ()
    """Outages, counted from the first request: open connections are closed and new ones are refused."""
    fail: tuple[Failure, ...] = ()
    """Shares of the accepted events that are answered with a status of 400 to 599."""
    retry_after_ns: Duration | None = None
    """Retry-After of the answers of `fail` that can carry it; whole seconds."""
    reset: Percent = 0.0
    """Share of the accepted events whose connection is reset instead of answered."""
    process: Service | None = None
    """Answer at once and work later: the service time of the work behind every event answered with 2xx. A constant, or
    `exp:MEAN`, or `lognormal:MEDIAN`, whose 99th percentile is ten times that unless `lognormal:MEDIAN:P99` says
    otherwise."""
    processors: int = 1
    """How much of that work is done at a time; the rest waits, first come, first served. For example `4`."""
    process_queue: int = 1_000_000
    """Most work that waits; an event beyond it is answered with 503 and Retry-After. For example `10000`."""
    lose: Percent = 0.0
    """Share of the work that takes its time and has no effect. For example `"0.1%"`."""
    repeat: Percent = 0.0
    """Share of the work whose effect appears twice. For example `"0.1%"`."""
    process_stall: Cycle | None = None
    """Work pauses in the last part of every period, counted from the first request."""
    out_of_order: bool = False
    """What waits is taken in random order."""
    read_rate: Speed | None = None
    """Bytes per second read from every connection (default: no limit)."""
    read_timeout_ns: Duration = 10 * NS_PER_S
    """How long one request may take to arrive."""
    idle_timeout_ns: Duration = 75 * NS_PER_S
    """How long a connection may be idle before it is closed."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    """What all random values are drawn from. For example `7`."""

    def check(self) -> None:
        """Raise UsageError at the first option that makes no sense."""
        waits = self.delay_ns > 0 or self.slow is not None
        for wrong, text in (
            (self.workers < 1, f"workers {self.workers}: give at least 1"),
            (self.engine not in ENGINES, f"engine '{self.engine}': choose from {', '.join(ENGINES)}"),
            (self.max_body < 1, "max-body: give at least 1B"),
            (
                self.max_buffered < self.max_body * self.workers,
                "max-buffered: every worker must be able to buffer one body, so give at least max-body for each",
            ),
            (self.slots is not None and not waits, "slots without delay have no effect: give delay too"),
            (
                self.slots is not None and self.slots < self.workers,
                f"slots {self.slots} with {self.workers} workers: every worker needs at least one slot",
            ),
            (
                self.delay_p99_ns is not None and not 0 < self.delay_ns <= self.delay_p99_ns,
                "delay-p99: give the median as delay too, above 0 and not above it",
            ),
            (
                self.reset + sum(share for _, share in self.failing()) > 1,
                "fail and reset: the shares are more than 100% together",
            ),
            (
                self.retry_after_ns is not None and not ASKS_TO_WAIT & {status for status, _ in self.failing()},
                "retry-after needs answers of 429 or 503: give fail with one of them",
            ),
            (
                self.retry_after_ns is not None and self.retry_after_ns % NS_PER_S != 0,
                "retry-after: HTTP has whole seconds only",
            ),
            *self._wrong_work(),
            (self.read_timeout_ns < SHORTEST_NS, "read-timeout: give at least 10ms"),
            (self.idle_timeout_ns < SHORTEST_NS, "idle-timeout: give at least 10ms"),
        ):
            if wrong:
                raise UsageError(text)
        self._check_down()

    def _wrong_work(self) -> Iterator[tuple[bool, str]]:
        """What may be wrong about the work after the answer."""
        process, stall = self.process, self.process_stall
        if process is None:
            for name, default in _OF_WORK.items():
                yield getattr(self, name) != default, f"{name.replace('_', '-')} has no effect without process"
            return
        yield process.ns <= 0, "process: give more than 0"
        yield (
            process.kind == units.LOG_NORMAL and process.p99_ns < process.ns,
            "process: the 99th percentile is below the median",
        )
        yield (
            self.workers > 1,
            f"process with {self.workers} workers: one queue is one process, so leave out workers, or process",
        )
        yield not 1 <= self.processors <= MOST_PROCESSORS, f"processors: give 1 to {MOST_PROCESSORS:,}"
        yield not 0 <= self.process_queue <= LONGEST_QUEUE, f"process-queue: give 0 to {LONGEST_QUEUE:,}"
        yield self.lose + self.repeat > 1, "lose and repeat: the shares are more than 100% together"
        yield (
            stall is not None and not 0 < stall.for_ns < stall.every_ns,
            "process-stall: give EVERY:FOR, where FOR is above 0 and below EVERY",
        )

    def _check_down(self) -> None:
        end = -1
        for span in self.outages:
            if span.for_ns <= 0:
                raise UsageError(f"down {units.format_span(span)}: its duration is 0")
            if span.after_ns <= end:
                raise UsageError(f"down {units.format_span(span)}: starts before the earlier one has ended")
            end = span.after_ns + span.for_ns

    def changed(self) -> Iterator[tuple[str, str]]:
        """The options that differ from the defaults, as in a scenario file: key and text."""
        defaults = write(Behaviour())
        for key, value in write(self).items():
            if value != defaults.get(key):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                yield key, " and ".join(value) if isinstance(value, list) else text

    @property
    def outages(self) -> tuple[units.Span, ...]:
        """`down` in the order of time."""
        return tuple(sorted(self.down))

    def failing(self) -> tuple[units.Share, ...]:
        """The statuses that accepted events are answered with on purpose, each with its share."""
        return tuple(failure for failure in self.fail if failure.share)

    @property
    def longest_ns(self) -> int:
        """The longest service time; with log-normal service times one in a hundred takes longer."""
        return max(self.delay_ns, self.delay_p99_ns or 0, self.slow.value if self.slow is not None else 0)


_OF_WORK = {
    field.name: field.default
    for field in msgspec.structs.fields(Behaviour)
    if field.name in {"processors", "process_queue", "lose", "repeat", "process_stall", "out_of_order"}
}
"""Fields that only `process` gives a meaning, with their defaults."""
