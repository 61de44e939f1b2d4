"""Answers over HTTP/2 that repeat the one before, found in bulk.

An endpoint under load says the same again and again: the same frames with the same bytes, on another stream each time.
What such an answer looks like is learnt from two that follow each other; from then on, as many as lie one behind the
other in what was read are compared with it at once, by numpy, and need no reading frame by frame. What an answer's body
says is not compared: nobody looks at it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loadsim.engine.http2_frames import END_STREAM, HEADER, HEADER_SIZE, LAST_STREAM, Type
from loadsim.engine.http2_headers import AnswerBlocks

Bytes = npt.NDArray[np.uint8]

WORTH = 12
"""Answers from which on looking at them at once is cheaper."""
_LONGEST = 4096
"""Bytes of an answer that is still short enough to be compared."""
_MOST_PATIENCE = 1024
_STREAM = slice(5, 9)
"""Where a frame's header has the stream."""


class Repeats:
    """The answer that an endpoint repeats. Shared by all connections to it."""

    def __init__(self, blocks: AnswerBlocks) -> None:
        self._blocks = blocks
        self.begins = b""
        """The first five bytes of the answer; empty while none is known."""
        self.length = 0
        """Bytes of the answer, with all its frames."""
        self.status = self.size = 0
        """Its status, and the size of its body."""
        self._like: Bytes = np.zeros(0, dtype=np.uint8)
        self._compared: Bytes = np.zeros(0, dtype=np.uint8)
        self._streams: list[int] = []
        self._unlike, self._patience = 0, 1

    def differs(self, data: bytes, at: int, end: int) -> None:
        """An answer was read frame by frame: these bytes of `data`, up to the beginning of another one. It is learnt;
        the less often that was of use, the more rarely."""
        self._unlike += 1
        if self._unlike >= self._patience:
            self._unlike, self._patience = 0, min(2 * self._patience, _MOST_PATIENCE)
            if end - at <= _LONGEST:
                self._learn(data[at:end])

    def _learn(self, answer: bytes) -> None:
        """Take the frames of an answer, if all are of one stream."""
        compared = np.full(len(answer), 0xFF, dtype=np.uint8)
        found, streams, at = None, [], 0
        first = HEADER.unpack_from(answer)[4]
        while at < len(answer):
            high, low, kind, flags, number = HEADER.unpack_from(answer, at)
            start, end = at + HEADER_SIZE, at + HEADER_SIZE + (high << 8 | low)
            if number != first or (at and kind not in (Type.data, Type.rst_stream)):
                return
            if not at:
                found = self._blocks.seen.get(answer[start:end])
                whole = bool(flags & END_STREAM)
            elif kind == Type.data:
                if whole or not flags & END_STREAM:
                    return
                whole = True
                compared[start:end] = 0
            streams.append(at)
            compared[at + 5 : at + 9] = 0
            at = end
        if found is None or not whole:
            return
        self.status, _, self.size = found
        self.begins, self.length = answer[:5], len(answer)
        self._like, self._compared, self._streams = np.frombuffer(answer, dtype=np.uint8), compared, streams[1:]

    def streams_in(self, data: bytes, at: int) -> list[int]:
        """The streams of the answers that lie one behind the other from `at` on."""
        rows = (len(data) - at) // self.length
        answers = np.frombuffer(data, dtype=np.uint8, count=rows * self.length, offset=at).reshape(rows, -1)
        unlike = ((answers ^ self._like) & self._compared).any(axis=1)
        numbers = answers[:, _STREAM].copy().view(">u4").ravel()
        for place in self._streams:
            unlike |= answers[:, place + 5 : place + 9].copy().view(">u4").ravel() != numbers
        count = int(unlike.argmax()) if unlike.any() else rows
        if count:
            self._unlike, self._patience = 0, 1
        found: list[int] = (numbers[:count] & LAST_STREAM).tolist()
        return found
