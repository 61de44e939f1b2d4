"""Stands between a socket and aiohttp's client: answers are read here, as the direct transport reads them.

Uses the same parser and the same table of errors as the direct transport, and gives aiohttp a simple answer instead, so
that its client continues or closes. aiohttp never sees the endpoint's bytes: its own parser treats dozens of unusual
answers differently, and a flood of interim answers (1xx) would block the loop.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING, Protocol

from aiohttp import ClientHttpProxyError

from loadsim.engine.error_kind_of_failure import kind_of_break, kind_of_end
from loadsim.engine.response_parser import Memo, ResponseReader
from loadsim.error_kinds import ErrorKind

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

_KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class TappedConnection(Protocol):
    """The connection whose answers a tap reads."""

    served: int
    first_ns: int

    @property
    def bytes_sent(self) -> int:
        """Of the request in progress."""

    @property
    def asking(self) -> bool:
        """Whether an event waits for its answer."""

    def arrived(self, size: int) -> None:
        """Bytes arrived."""

    def answered(self, code: int, why: str) -> None:
        """The answer is complete (a status), or has failed (minus the ErrorKind)."""

    def unasked(self) -> None:
        """Unexpected bytes arrived."""

    def went(self) -> None:
        """The connection is gone."""


class Tap(asyncio.Protocol):
    """A protocol for the rest of a socket's life."""

    def __init__(self, owner: TappedConnection, inner: ResponseHandler, memo: Memo) -> None:
        self._owner, self.inner = owner, inner
        self.reader = ResponseReader(memo)
        self._closed_well = False
        self.ended = False
        """The stream has ended."""

    @property
    def keeps(self) -> bool:
        """Whether another request may follow on this connection."""
        return self.reader.keep_alive and not self.ended

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if not self._owner.asking:
            self.ended = True
            self._owner.unasked()
            return
        self._owner.arrived(len(data))
        code = self.reader.feed(data)
        if code:
            self._conclude(code)

    def eof_received(self) -> None:
        """See asyncio.Protocol. Over TLS, the peer has announced the end."""
        self.ended = self._closed_well = True
        if self._owner.asking:
            code = self.reader.eof()
            if code:
                self._conclude(code)
        self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.ended = True
        if self._owner.asking:
            self._fail(exc)
        self.reader.close()
        self.inner.connection_lost(exc)
        self._owner.went()

    def _fail(self, exc: Exception | None) -> None:
        owner = self._owner
        reused, answered = owner.served > 0, owner.first_ns > 0
        if isinstance(exc, ssl.SSLError):
            owner.answered(-ErrorKind.tls, f"TLS: {exc.strerror or exc}")
        elif exc is not None:
            kind = kind_of_break(reused=reused, sent=owner.bytes_sent > 0, answered=answered)
            owner.answered(-kind, text_of(exc))
        elif answered:
            owner.answered(self.reader.eof(whole=self._closed_well) or -ErrorKind.truncated, self.reader.why)
        else:
            kind = kind_of_end(reused=reused, answered=False)
            owner.answered(-kind, "closed by the peer before any byte of the response")

    def _conclude(self, code: int) -> None:
        self._owner.answered(code, self.reader.why if code < 0 else "")
        self.inner.data_received(_KEPT if self.keeps else _LAST)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self.inner.resume_writing()


def text_of(error: BaseException) -> str:
    """The text of the operating system or OpenSSL; never that of an exception that contains the URL."""
    if isinstance(error, ClientHttpProxyError):
        return f"the proxy refused the tunnel: {error.status}"
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS handshake: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS handshake: {cause.reason}"
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return type(cause).__name__
