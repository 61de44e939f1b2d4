"""Reads HTTP/1.x responses off one connection: bytes in, a status or an error kind out.

Decides when a response is whole and valid, and which error it is when it is not. llhttp (httptools) does the parsing;
the rules that it leaves open are ours: 1xx is skipped, 101 refused, a body without length ends with the connection,
header block and body are bounded, and bytes that nobody asked for are a protocol error. Knows no socket and no clock.
"""

from __future__ import annotations

import httptools

from loadsim.model import ErrorKind

MAX_HEAD = 64 * 1024
MAX_FIELDS = 256
MAX_BODY = 16 * 1024 * 1024
_KEPT = MAX_HEAD + 4 * 1024
"""How much of a response is kept as it came, for samples and for judging its end."""
SAMPLE_BODY = 2 * 1024


class Memo:
    """The last whole keep-alive response that arrived in one piece, shared by all connections to an endpoint.

    A response is a pure function of its bytes: where an endpoint repeats itself byte for byte (as most do within one
    second of their Date header), the same bytes at a message boundary need no second parse.
    """

    __slots__ = ("data", "status")

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.status = 0


class _Whole:
    """A second, complete parse of the kept bytes: fields and body, for the rare questions."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.body = b""
        self._parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.fields, self.body = [], b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    @classmethod
    def of(cls, raw: bytes) -> _Whole:
        whole = cls()
        try:
            whole._parser.feed_data(raw)
        except httptools.HttpParserError:
            pass  # what was read up to the fault is what there is to show
        return whole

    def has_length(self) -> bool:
        return any(name.lower() in ("content-length", "transfer-encoding") for name, _ in self.fields)


class ResponseReader:
    """The response side of one connection. `feed` and `eof` answer 0 (not yet), a status, or `-ErrorKind`."""

    __slots__ = (
        "_done",
        "_extra",
        "_headed",
        "_memo",
        "_parser",
        "_size",
        "_status",
        "keep_alive",
        "raw",
        "started",
        "why",
    )

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.started = False
        self.keep_alive = True
        self.why = ""
        self._reset()

    def _reset(self) -> None:
        self._done = self._headed = self._extra = False
        self._status = 0
        self._size = 0
        self.raw = b""

    # -- llhttp's callbacks: they note and return, since nothing may be sent from inside the parser ------------------

    def on_message_begin(self) -> None:
        """A message starts; after the final one that is something nobody asked for."""
        if self._done:
            self._extra = True

    def on_headers_complete(self) -> None:
        """The header block ended."""
        self._headed = True

    def on_message_complete(self) -> None:
        """A message ended: an interim one (1xx), or the answer."""
        assert self._parser is not None  # noqa: S101 - callbacks come from the parser
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._headed = False
        else:
            self._done = True
            self._status = status
            self.keep_alive = self._parser.should_keep_alive()

    # -- bytes in -----------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> int:
        """Take what arrived. 0: more is needed; a status: the answer is whole; negative: minus the ErrorKind."""
        memo = self._memo
        if not self.started and data == memo.data:
            self.raw = data
            return memo.status
        if not self.started:
            self._reset()
            self.started = True
        first = self._size == 0
        self._size += len(data)
        if len(self.raw) < _KEPT:
            self.raw += data
        assert self._parser is not None  # noqa: S101 - a closed reader is not fed
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return self._error("switched protocols (101)")
        except httptools.HttpParserError as error:
            return self._error(f"unparsable response: {error}")
        if self._extra:
            return self._error("bytes after the response")
        problem = self._over_limit()
        if problem:
            return problem
        if not self._done:
            return 0
        self.started = False
        if first and self.keep_alive:
            memo.data, memo.status = data, self._status
        return self._status

    def _error(self, why: str) -> int:
        self.why = why
        self.keep_alive = False
        return -ErrorKind.protocol

    def _over_limit(self) -> int:
        size = self._size
        if size > MAX_HEAD and (not self._headed or self._head_size() > MAX_HEAD):
            return self._error("header block over 64 KiB")
        # a field takes a line: counting line ends is a cheap upper bound that nearly always settles it
        if (
            self.raw.count(b"\n", 0, MAX_HEAD) > MAX_FIELDS
            and size > MAX_FIELDS
            and len(_Whole.of(self.raw).fields) > MAX_FIELDS
        ):
            return self._error("more than 256 header fields")
        if size > MAX_BODY and size - self._head_size() > MAX_BODY:
            self.why = "response body over 16 MiB"
            return -ErrorKind.body_limit
        return 0

    def _head_size(self) -> int:
        end = self.raw.find(b"\r\n\r\n")
        return end + 4 if end >= 0 else self._size

    def eof(self) -> int:
        """The peer closed. A status where that ends a body without length; `-truncated` where the response had begun;
        0 where nothing of it had arrived."""
        if not self.started:
            return 0
        self.keep_alive = False
        if self._headed and not _Whole.of(self.raw).has_length():
            assert self._parser is not None  # noqa: S101 - a closed reader sees no end
            self.started = False
            return self._parser.get_status_code()
        self.why = "closed before the response was complete"
        return -ErrorKind.truncated

    def close(self) -> None:
        """Let go of the parser, which holds us: the pair would be a reference cycle."""
        self._parser = None

    def shown(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """Header fields and the first 2 KiB of the body as text, of the last response."""
        whole = _Whole.of(self.raw)
        return tuple(whole.fields), whole.body[:SAMPLE_BODY].decode("utf-8", "replace")
