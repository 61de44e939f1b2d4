"""The headers that name a delivery: `X-Loadsim-Id`, and `traceparent` where a run asks for it.

They are functions of run, index and attempt. With `traceparent` they are made for many events at once, before the first
of those is sent; `X-Loadsim-Id` alone is cheaper formatted for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loadsim.measure.hdr import Ints
from loadsim.measure.trace_ids import HEADER, SIZE, Places, TraceIds
from loadsim.plan import RunSpec

AHEAD = 1024
"""Events whose headers are made at once: no event waits longer than for these, some 300 µs."""
_MOST = 4 * AHEAD
_TENS = 10 ** np.arange(1, 19, dtype=np.int64)
_THOUSAND = np.frombuffer(b"".join(b"%03d" % number for number in range(1000)), dtype=np.uint8).reshape(-1, 3)

Batch = Iterable[tuple[Any, tuple[bytes, bytes], int]]
"""As `transport_interface.Made`, of connections of any kind."""
Form = Callable[[bytes, int], tuple[bytes, bytes]]
"""What stands before and behind the value of a header, by its name and the size of the value."""


def line(name: bytes, _size: int) -> tuple[bytes, bytes]:
    """The form of HTTP/1.1."""
    return name + b": ", b"\r\n"


@dataclass(frozen=True)
class DeliveryHeaders:
    """Which of them a run sends. Of `shards` generator processes each has every `shards`-th index.

    `run_id`: in X-Loadsim-Id; None: it is not sent. `traces`: of traceparent; None: it is not sent.
    """

    run_id: str | None = None
    traces: TraceIds | None = None
    shards: int = 1

    def lines(self, form: Form) -> DeliveryLines:
        """They, as a transport writes them."""
        return DeliveryLines(self, form)


def delivery_headers(spec: RunSpec, shards: int = 1) -> DeliveryHeaders:
    """Those of a run."""
    named, trace = spec.scenario.target.trace_header, spec.scenario.trace
    traces = None if trace is None else TraceIds(spec.run_id, trace.sampled)
    return DeliveryHeaders(spec.run_id if named else None, traces, shards)


class DeliveryLines(dict[int, bytes]):
    """The header lines of first deliveries, by index. What is asked for is made with those that follow in its shard.

    `form`: of HTTP/1.1 or HTTP/2.
    """

    def __init__(self, headers: DeliveryHeaders, form: Form) -> None:
        super().__init__()
        self._traces, self._shards, self._form = headers.traces, headers.shards, form
        self._run = None if headers.run_id is None else headers.run_id.encode() + b"/"

    def __missing__(self, index: int) -> bytes:
        if len(self) >= _MOST:
            self.clear()
        self.update(self.of(np.arange(index, index + AHEAD * self._shards, self._shards)))
        return self[index]

    def of_batch(self, made: Batch, attempt: int) -> tuple[Batch, Mapping[int, bytes]]:
        """A batch of `attempt`-th deliveries, and where their lines are looked up."""
        if attempt == 1:
            return made, self
        made = list(made)
        return made, self.of([index for _, _, index in made], attempt)

    def template(self, attempt: int = 1) -> bytes | None:
        """What an index is formatted with (%) for its line of HTTP/1.1; None with traces, whose lines are looked up."""
        if self._traces is not None:
            return None
        around = self.around(attempt)
        return b"%.0a" if around is None else b"%d".join(part.replace(b"%", b"%%") for part in around)

    def around(self, attempt: int = 1) -> tuple[bytes, bytes] | None:
        """What stands before and behind an index in its line of HTTP/1.1; None where the lines are looked up: with
        traces, or without X-Loadsim-Id."""
        if self._traces is not None or self._run is None:
            return None
        return b"X-Loadsim-Id: " + self._run, b"/%d\r\n" % attempt

    def of(self, indexes: Ints | Sequence[int], attempt: int = 1) -> dict[int, bytes]:
        """The header lines of the `attempt`-th deliveries of these events."""
        numbers = np.sort(np.asarray(indexes, dtype=np.int64))
        found: dict[int, bytes] = {}
        edges = np.searchsorted(numbers, _TENS[:-1])
        for digits, some in enumerate(np.split(numbers, edges), start=1):
            if len(some):
                found.update(zip(some.tolist(), self._made(some, digits, attempt), strict=True))
        return found

    def _made(self, numbers: Ints, digits: int, attempt: int) -> list[bytes]:
        """The lines of numbers with so many digits: rows of one text, in which only digits differ."""
        form, number_at, trace_at = self._text(digits, attempt)
        if not form:
            return [b""] * len(numbers)
        rows = np.frombuffer(bytearray(form * len(numbers)), dtype=np.uint8).reshape(-1, len(form))
        if number_at is not None:
            _write(numbers, rows[:, number_at : number_at + digits])
        if self._traces is not None:
            self._traces.write(numbers, attempt, rows[:, trace_at : trace_at + SIZE])
        found: list[bytes] = rows.view(f"S{len(form)}").ravel().tolist()
        return found

    def _text(self, digits: int, attempt: int) -> tuple[bytes, int | None, int]:
        """The text of a row, and where its number and its trace context stand."""
        text, number_at, trace_at = b"", None, 0
        if self._run is not None:
            end = b"/%d" % attempt
            before, behind = self._form(b"X-Loadsim-Id", len(self._run) + digits + len(end))
            number_at = len(before) + len(self._run)
            text = before + self._run + b"0" * digits + end + behind
        if self._traces is not None:
            before, behind = self._form(HEADER.encode(), SIZE)
            trace_at = len(text) + len(before)
            text += before + b" " * SIZE + behind
        return text, number_at, trace_at


def _write(numbers: Ints, places: Places) -> None:
    """Write decimal numbers of one length into the rows of `places`, three digits at a time."""
    rest = numbers.astype(np.uint64)
    for end in range(places.shape[1], 0, -3):
        above = rest // np.uint64(1000)
        digits = _THOUSAND.take((rest - above * np.uint64(1000)).view(np.int64), axis=0)
        places[:, max(0, end - 3) : end] = digits[:, max(0, 3 - end) :]
        rest = above
