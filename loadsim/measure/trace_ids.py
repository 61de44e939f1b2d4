"""The trace context of any delivery (W3C Trace Context level 2): a function of run, index and attempt.

Nothing is stored for it, and it can be computed again wherever the run's id is known. The words of an id are those of
the generator SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): word number x
of a stream is mix(key + x · γ), so that each can be made without those before it. Each run has three keys, one for each
half of the trace id and one for the span id. The low 7 bytes of a trace id are uniform, since ratio samplers read
those; the flag `random` says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.hdr import Ints

HEADER = "traceparent"
RANDOM_BITS = 56
"""The low bits of a trace id that must be random, and that samplers compare with a threshold."""
_GAMMA, _FIRST, _SECOND = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_ATTEMPT_SHIFT = np.uint64(48)
"""An index is below 2⁴⁸ (`plan.scenario_rules.MAX_EVENTS`), and the number of an attempt below 2¹⁶."""
_LOW = np.uint64((1 << RANDOM_BITS) - 1)
_FORM = np.frombuffer(b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-02", dtype=np.uint8)
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype=np.uint16)
"""The two digits of each byte."""
SIZE = len(_FORM)
"""Of the header's value, bytes."""
_TRACE, _SPAN, _FLAGS = slice(3, 35), slice(36, 52), 54
"""The last digit of the flags: 2 is `random` alone, and 3 `sampled` too."""

Places = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
"""Rows of bytes of one text."""


class TraceContext(NamedTuple):
    """The ids of one delivery in hex, and whether its flag `sampled` is set."""

    trace_id: str
    span_id: str
    sampled: bool


class TraceIds:
    """The trace contexts of one run. `sampled`: the share (0..1) of deliveries with the flag `sampled`."""

    def __init__(self, run_id: str, sampled: float) -> None:
        digest = hashlib.blake2b(run_id.encode(), digest_size=24, person=b"traceparent").digest()
        self._keys = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
        # as OpenTelemetry's samplers: sampled where the random bits reach the threshold
        self._threshold = np.uint64(round((1 - sampled) * (1 << RANDOM_BITS)))

    def write(self, indexes: Ints | Sequence[int], attempt: int, places: Places) -> None:
        """Write the header's value for the `attempt`-th delivery of each of these events into a row of `places`."""
        words = self._words(indexes, attempt)
        digits = _HEX.take(words.astype(">u8").view(np.uint8)).view(np.uint8)
        places[:] = _FORM
        places[:, _TRACE] = digits[:, :32]
        places[:, _SPAN] = digits[:, 32:]
        places[:, _FLAGS] += self._sampled(words)

    def value(self, index: int, attempt: int = 1) -> str:
        """The header's value for one delivery."""
        places = np.empty((1, SIZE), dtype=np.uint8)
        self.write([index], attempt, places)
        return places.tobytes().decode()

    def of(self, index: int, attempt: int = 1) -> TraceContext:
        """The context of one delivery."""
        _, trace_id, span_id, flags = self.value(index, attempt).split("-")
        return TraceContext(trace_id, span_id, sampled=flags == "03")

    def sampled(self, indexes: Ints, attempts: Ints) -> NDArray[np.bool]:
        """Which of these deliveries have the flag `sampled`."""
        return self._sampled(self._words(indexes, attempts))

    def numbers(self, indexes: Ints, attempts: Ints) -> list[tuple[int, int]]:
        """The trace id and the span id of each of these deliveries, as numbers."""
        words = self._words(indexes, attempts).tolist()
        return [(high << 64 | low, span) for high, low, span in words]

    def _words(self, indexes: Ints | Sequence[int], attempt: int | Ints) -> NDArray[np.uint64]:
        """uint64 (n, 3): the halves of the trace id and the span id; none is 0, which would be invalid."""
        attempts = np.asarray(attempt, dtype=np.uint64)
        numbers = np.asarray(indexes, dtype=np.uint64) | attempts << _ATTEMPT_SHIFT
        words: NDArray[np.uint64] = (numbers * _GAMMA)[:, np.newaxis] + self._keys
        words ^= words >> np.uint64(30)
        words *= _FIRST
        words ^= words >> np.uint64(27)
        words *= _SECOND
        words ^= words >> np.uint64(31)
        words[words == 0] = 1
        return words

    def _sampled(self, words: NDArray[np.uint64]) -> NDArray[np.bool]:
        sampled: NDArray[np.bool] = (words[:, 1] & _LOW) >= self._threshold
        return sampled
