"""The answers on one connection over HTTP/2 (RFC 9113): frames are read, and answers told from them.

Reading has two short ways for what nearly all is: answers that repeat the one before, and answers of headers that were
seen before with the body in one frame. All other frames are the matter of `http2_control`.
"""

from __future__ import annotations

from typing import Any

from loadsim.engine.endpoint_socket import READY
from loadsim.engine.http2_control import Control, Received, reset_words
from loadsim.engine.http2_frames import (
    END_HEADERS,
    END_STREAM,
    FIRST_FRAME,
    HEADER,
    HEADER_SIZE,
    LAST_STREAM,
    MOST_WINDOW,
    ConnectionFault,
    Reason,
    Type,
    ends_stream,
    reason_name,
    window_update,
)
from loadsim.engine.http2_headers import AnswerBlocks
from loadsim.engine.http2_repeats import WORTH
from loadsim.engine.http2_requests import Http2Requests, Place, Sessions
from loadsim.engine.pacer import monotonic_ns
from loadsim.error_kinds import ErrorKind
from loadsim.outcome_codes import ERROR_BASE

_HEADERS, _RST_STREAM = int(Type.headers), int(Type.rst_stream)
_CODE = 4
"""Bytes of an error code."""
_MOST_HIGH = (FIRST_FRAME >> 8) - 1
"""Beyond this, the upper bits of a length are of a frame that is too large, or that is as large as one may be."""
SMALL, CHUNK = 4 * 1024, 64 * 1024
"""Read sizes: of a connection that has few answers at a time, and of one that has many."""
_REFILL = MOST_WINDOW // 2
"""The connection's window is opened again when so much was received."""
_WITHOUT_BODY = frozenset({204, 304})


class Http2Answers(Http2Requests):
    """A connection as far as answers come on it."""

    __slots__ = (
        "_consumed",
        "_rest",
        "control",
        "heard_ns",
        "read_size",
    )

    def __init__(self, of: Sessions) -> None:
        super().__init__(of)
        self.read_size = SMALL
        self.heard_ns = 0
        """When something was read last."""
        self.control = Control()
        self._consumed = 0
        self._rest = b""

    def fault(self, fault: ConnectionFault) -> None:
        """The peer broke the protocol."""
        raise NotImplementedError

    def _ended(self) -> None:
        raise NotImplementedError

    def _left(self) -> None:
        raise NotImplementedError

    def ignore(self, number: int) -> None:
        """See Http2Requests."""
        self.control.ignore(number)

    @property
    def blocks(self) -> AnswerBlocks:
        """What is known of answers' headers."""
        return self._of.blocks

    def consume(self, size: int) -> None:
        """So much of our window was used."""
        self._consumed += size

    def _read(self) -> None:
        try:
            data = self.recv(self.read_size)
        except OSError as error:
            self.unread(error)
        else:
            self.take(data, monotonic_ns(), 0)

    def take(self, data: bytes, now: int, receipt: int) -> None:
        """Something was read at `now`; `receipt`: see Column.receipt."""
        if not data:
            self._ended()
            return
        self.heard_ns = now
        self.read_size = CHUNK if len(data) > SMALL // 2 else SMALL
        try:
            self._frames(self._rest + data if self._rest else data, now, receipt)
            if self.state != READY:
                return
            if self._consumed > _REFILL:
                self.out.append(window_update(0, self._consumed))
                self._consumed = 0
            if self.waiting:
                self.serve_waiting()
        except ConnectionFault as fault:
            self.fault(fault)
            return
        if self.out:
            self.flush()
        if self._tls is not None and self._tls.ended:
            self._ended()
        elif self.leaving and not self.streams and not self.waiting:
            self._of.soon(self._left)

    def take_alone(self, data: bytes, now: int, receipt: int) -> Place | None:
        """As `take`. Returns the place of the answer that was all that was read; None where that was something else."""
        answers, whole = self._of.answers, not self._rest
        before = len(answers)
        self.take(data, now, receipt)
        if not whole or len(answers) != before + 1:
            return None
        place: Any = answers[before][0]
        return place if ends_stream(data, place.number) else None

    def _frames(  # noqa: C901 - the hot path: a call costs more than a check
        self, data: bytes, now: int, receipt: int
    ) -> None:
        """Take the frames that are whole."""
        unpack, streams, answers, control = HEADER.unpack_from, self.streams, self._of.answers, self.control
        seen, repeats = self._of.blocks.seen, self._of.repeats
        at, total, began, answered = 0, len(data), -1, -1
        while at + HEADER_SIZE <= total:
            if (
                data[at : at + 5] == repeats.begins
                and total - at >= WORTH * repeats.length
                and not control.within_block
            ):
                after = at + self._repeated(data, at, now, receipt) * repeats.length
                if after > at:
                    at, began = after, -1
                    continue
            high, low, kind, flags, number = unpack(data, at)
            start = at + HEADER_SIZE
            end = start + (high << 8 | low)
            if end > total or high > _MOST_HIGH:
                if not self.settled and data.startswith(b"HTTP/1"):
                    raise ConnectionFault(Reason.PROTOCOL_ERROR, "the server answers in HTTP/1")
                if end - start > FIRST_FRAME:
                    raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "a frame over 16,384 bytes")
                if end > total:
                    break
            if kind == _HEADERS:
                if began >= 0:
                    repeats.differs(data, began, at)
                began = at
            elif kind == _RST_STREAM and number == answered and end - start == _CODE:
                at = end  # the rest of a request that is answered already is not wanted
                continue
            if kind == _HEADERS and flags & ~END_STREAM == END_HEADERS and not control.within_block:
                # the short way, for a whole answer of headers that are known, and with its body in one frame
                place, known = streams.get(number), seen.get(data[start:end])
                if known is not None and place is not None and not place.status and place.rest is None:
                    status, body, size = known
                    after = end
                    if (
                        flags == END_HEADERS
                        and data.startswith(body, end)
                        and data[end + 5 : end + 9] == data[at + 5 : start]
                    ):
                        after = end + HEADER_SIZE + size
                    if end < after <= total or (flags != END_HEADERS and not size):
                        del streams[number]
                        answered = number
                        self.room += not self.leaving
                        self.events += 1
                        self._consumed += size
                        place.first_ns = place.first_ns or now
                        place.receipt_ns = receipt
                        place.bytes_received += after - at
                        place.served += 1
                        answers.append((place, status, now))
                        at = after
                        continue
            control.take(self, Received(kind, flags, number & LAST_STREAM, data[start:end]), now, receipt)
            at = end
            if self.state != READY:
                return
        self._rest = data[at:]

    def _repeated(self, data: bytes, at: int, now: int, receipt: int) -> int:
        """Take the answers from `at` on that are as the one before was. Returns how many."""
        repeats, streams, answers = self._of.repeats, self.streams, self._of.answers
        status, length, count = repeats.status, repeats.length, 0
        for number in repeats.streams_in(data, at):
            place = streams.get(number)
            if place is None or place.status or place.rest is not None:
                break
            del streams[number]
            count += 1
            place.first_ns = place.first_ns or now
            place.receipt_ns = receipt
            place.bytes_received += length
            place.served += 1
            answers.append((place, status, now))
        self.room += 0 if self.leaving else count
        self.events += count
        self._consumed += count * repeats.size
        return count

    def over(self, place: Place, now: int, receipt: int = 0) -> None:
        """An answer ended with its stream."""
        length = 0 if place.status in _WITHOUT_BODY else place.length  # theirs is the length of another answer's
        if length >= 0 and length != place.size:
            self.fail_stream(place, ErrorKind.protocol, "HTTP/2: a body of another length than its content-length")
            return
        if place.rest is not None:  # answered before it was asked in full: true, and the rest is not wanted
            self.cancel(place, Reason.NO_ERROR)
        else:
            del self.streams[place.number]
            self.room += not self.leaving
        self.events += 1
        place.served += 1
        place.receipt_ns = receipt
        self._of.answers.append((place, place.status, now))

    def fail_stream(self, place: Place, kind: ErrorKind, why: str, reason: Reason = Reason.PROTOCOL_ERROR) -> None:
        """End one event; the connection goes on."""
        self.cancel(place, reason)
        place.why = why
        self._of.answers.append((place, ERROR_BASE + kind, monotonic_ns()))

    def reset(self, place: Place, code: int) -> None:
        """The peer ended a stream."""
        self._forget(place)
        place.why = reset_words(code)
        kind = ErrorKind.truncated if place.status else ErrorKind.reset
        self._of.answers.append((place, ERROR_BASE + kind, monotonic_ns()))

    def go_away(self, last: int, code: int) -> None:
        """The peer processes no stream after `last`, and takes no new one."""
        now = monotonic_ns()
        why = f"GOAWAY ({reason_name(code)}): not processed"
        for number in [number for number in self.streams if number > last]:
            place = self.streams[number]
            self._forget(place)
            place.why, place.reusable = why, False
            self._of.answers.append((place, ERROR_BASE + ErrorKind.goaway, now))
        self.leave()
