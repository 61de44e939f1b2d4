"""TLS between a request and its socket: bytes are sealed into records and opened from them in memory.

OpenSSL does not use the socket itself. One `recv` then replaces several small reads of OpenSSL, and a batch can be
encrypted before any of it is written.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

_RECORD = 16 * 1024
"""The most plaintext that a record holds (RFC 8446, section 5.1)."""


class TlsSession:
    """The client's side of one TLS connection."""

    __slots__ = (
        "_arrived",
        "_decrypt",
        "_encrypt",
        "_object",
        "_on_end",
        "_put",
        "_receive",
        "ended",
        "fault",
        "goodbye",
        "take",
    )

    def __init__(
        self, context: ssl.SSLContext, server_name: str, receive: Callable[[int], bytes], on_end: Callable[[], None]
    ) -> None:
        """`receive` is the `recv` of the connected socket, which does not block. `on_end` is called when `recv` found
        the end of the stream behind something, and so gives that first."""
        self._receive, self._on_end = receive, on_end
        self.ended = False
        """Whether `on_end` was called."""
        self.goodbye = False
        """Whether the peer ended the stream itself (close_notify)."""
        self.fault = ""
        """What OpenSSL had against what came behind something: an alert of the peer's, or what is no record."""
        self._arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._arrived, leaving, server_hostname=server_name)
        self._put = self._arrived.write
        self.take = leaving.read
        """What is to be written to the socket by now, once."""
        # the object inside, which is C, does the same work without a Python function around it
        inner = getattr(self._object, "_sslobj", self._object)
        self._decrypt, self._encrypt = inner.read, inner.write

    @property
    def protocol(self) -> str | None:
        """What both sides agreed to speak (ALPN); None where the peer named nothing."""
        return self._object.selected_alpn_protocol()

    def handshake(self) -> bool:
        """Go on with the handshake as far as what arrived allows: True when it is done.

        Raises ssl.SSLError and OSError. Whatever the outcome, `take` may have something for the peer.
        """
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                pass
            else:
                return True
            try:
                arrived = self._receive(_RECORD)
            except BlockingIOError:
                return False
            if not arrived:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "closed by the peer")
            self._put(arrived)

    def seal(self, data: bytes) -> bytes:
        """`data` in records, to be written before any other. Raises ssl.SSLError."""
        sealed = self._encrypt(data)
        return self.take() if sealed == len(data) else self.seal_rest(data, sealed)

    def seal_rest(self, data: bytes, sealed: int) -> bytes:
        """As `seal`, where the first `sealed` bytes are in a record already."""
        encrypt, take = self._encrypt, self.take
        records = [take()]  # one by one, since what lies there for once is memory of the session's for good
        while sealed < len(data):
            sealed += encrypt(memoryview(data)[sealed:])
            records.append(take())
        return b"".join(records)

    def recv(self, size: int) -> bytes:
        """What came in the records that are whole when at most `size` bytes more are read off the socket.

        Empty at the end of the stream. Raises BlockingIOError or ssl.SSLWantReadError where nothing has come in
        full, another ssl.SSLError for an alert of the peer's or for what is no record, and other OSErrors.
        """
        return self.open(self._receive(size))

    def open(self, arrived: bytes) -> bytes:
        """As `recv`, of what was read off the socket."""
        if not arrived:
            return b"" if self.ended else self._open_rest()
        self._put(arrived)
        # A record is longer than what it holds: no less is got only where a part had come before.
        data: bytes = self._decrypt(len(arrived))
        if self._arrived.pending or not data or len(data) == len(arrived):
            data += self._open_rest()
        return data

    def _open_rest(self) -> bytes:
        """The remaining bytes. An end, or an error, behind it must not take it away: it is reported later."""
        rest = b""
        try:
            while more := self._decrypt(_RECORD):
                rest += more
        except ssl.SSLWantReadError:
            return rest
        except ssl.SSLError as error:
            self.fault = error.strerror or str(error)
        else:
            self.goodbye = True
        self.ended = True
        self._on_end()
        return rest
