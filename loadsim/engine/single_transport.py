"""The direct transport over HTTP/1.1 for single events: answers are kept whole, and bodies may be sent in chunks."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from loadsim.engine.delivery_headers import DeliveryHeaders
from loadsim.engine.direct_connection import DirectConnection
from loadsim.engine.direct_transport import DirectTransport
from loadsim.engine.resolved_endpoint import Wire
from loadsim.engine.response_parser import Memo, ResponseReader
from loadsim.engine.transport_interface import KeptAnswer, Made

_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


class KeepingReader(ResponseReader):
    """Keeps the answer. One whose body is longer than `keep` ends there: the rest is not read."""

    __slots__ = ("_keep", "body", "fields", "reason")

    def __init__(self, memo: Memo, keep: int) -> None:
        super().__init__(memo)
        self._keep = keep
        self._forget()

    def _forget(self) -> None:
        self.reason = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = bytearray()

    def on_message_begin(self) -> None:
        """See ResponseReader. What was kept is of an interim answer, or of one that is read again."""
        super().on_message_begin()
        self._forget()

    def on_status(self, reason: bytes) -> None:
        """A part of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or behind the body a trailer."""
        if not self._headed:
            self.fields.append((name, value.rstrip(b" \t")))

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self.body += data

    def feed(self, data: bytes) -> int:
        """See ResponseReader."""
        code = super().feed(data)
        if code or len(self.body) <= self._keep:
            return code
        assert self._parser is not None  # noqa: S101 - it has just read
        self._status = self._parser.get_status_code()
        return self._unusual() or self._status


class SingleTransport(DirectTransport):
    """See Transport and KeepingTransport."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Wire, *, keep: int, piece: int | None = None) -> None:
        """`keep`: bytes of an answer's body that are read; `piece`: the size of chunks of a request's body, which then
        has no length in its headers."""
        super().__init__(loop, wire, DeliveryHeaders())
        self._keep, self._piece = keep, piece
        if piece is not None:
            self._framings = defaultdict(lambda: _CHUNKED)

    def open(self) -> DirectConnection:
        """See Transport."""
        connection = super().open()
        connection.reader.close()
        connection.reader = KeepingReader(self.memo, self._keep)
        return connection

    def send_all(self, made: Iterable[Made], attempt: int = 1) -> None:
        """See Transport."""
        piece = self._piece
        if piece is not None:
            made = [(one, (headers, _chunks(body, piece)), index) for one, (headers, body), index in made]
        super().send_all(made, attempt)

    def kept(self, connection: DirectConnection) -> KeptAnswer:
        """See KeepingTransport."""
        reader = connection.reader
        assert isinstance(reader, KeepingReader)  # noqa: S101 - `open` gave it
        fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in reader.fields)
        return KeptAnswer(reader.reason.decode("utf-8", "replace"), fields, bytes(reader.body))


def _chunks(body: bytes, size: int) -> bytes:
    """A body in the chunked transfer coding (RFC 9112, section 7.1)."""
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
