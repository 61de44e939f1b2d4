"""Reads HTTP/1.x responses off one connection, for every transport: bytes in, a status or an error kind out.

llhttp (httptools) does the parsing;
the rules that it leaves open are ours: 1xx is skipped, 101 refused, nothing but HTTP/1.x with a status from 200 to 599
is an answer, a body without length ends with the connection, header block and body are bounded, and bytes that nobody
asked for are a protocol error. A header block that llhttp refuses although a client may accept it (RFC 9112) is mended
once and read again, see `unusual_headers`. Knows no socket and no clock.
"""

from __future__ import annotations

import httptools

from loadsim.engine.unusual_headers import (
    beginning,
    ending,
    ends_with_connection,
    fault_of,
    is_http1,
    keeps_http10,
    lenient_parser,
    mended,
    settled_lines,
)
from loadsim.engine.unusual_headers import shown as shown_of
from loadsim.error_kinds import ErrorKind

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


class ResponseReader:
    """The response side of one connection. `feed` and `eof` answer 0 (not yet), a status, or `-ErrorKind`."""

    __slots__ = (
        "_done",
        "_extra",
        "_found",
        "_from",
        "_headed",
        "_interims",
        "_memo",
        "_mended",
        "_mending",
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
        self._parser: httptools.HttpResponseParser | None = lenient_parser(self)
        self.started = False
        self.keep_alive = True
        self.why = ""
        self._reset()

    def _reset(self) -> None:
        self._done = self._headed = self._extra = self._mending = self._mended = False
        self._status = self._size = self._interims = self._found = self._from = 0
        self.raw = b""

    # -- llhttp's callbacks: they note and return, since nothing may be sent from inside the parser ------------------

    def on_message_begin(self) -> None:
        """A message starts; after the final one it is unexpected."""
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
            self._interims += 1
        elif not self._done:
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
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            problem = self._refused(str(error), data)
            if problem:
                return problem
        if self._extra:
            return self._error("bytes after the response")
        problem = self._over_limit()
        if problem or not self._done:
            return problem
        if self._interims or not self.raw.startswith(b"HTTP/1.1") or not 200 <= self._status < 600:
            problem = self._unusual()
            if problem:
                return problem
        self.started = False
        if first and self.keep_alive:
            memo.data, memo.status = data, self._status
        return self._status

    def _error(self, why: str) -> int:
        self.why = why
        self.keep_alive = False
        return -ErrorKind.protocol

    def _refused(self, fault: str, data: bytes) -> int:
        """llhttp refuses what came, `data` last. It says so of everything that follows, too."""
        if self._done:
            return self._error("switched protocols (101)" if self._status == 101 else "bytes after the response")
        start, end = self._bounds()
        cut = self.raw.find(b"\n", start) < 0
        if cut and self._interims:
            return 0  # llhttp lets nothing follow an interim response with `close`; what this line is will be seen
        if cut or self._headed or self._mended or not is_http1(self.raw, start):
            return self._error(f"unparsable response: {fault}")
        if self._mending and b"\n" not in data:
            return 0
        self._mending = True
        head = mended(self.raw[start:end] if end >= 0 else settled_lines(self.raw, start))
        fault = fault_of(head)
        if fault:
            return self._error(f"unparsable response: {fault}")
        return self._read_mended(start, head, self.raw[end:]) if end >= 0 else 0

    def _read_mended(self, start: int, head: bytes, rest: bytes) -> int:
        self._mended = True
        self.raw = self.raw[:start] + head + rest
        self._parser = lenient_parser(self)
        try:
            self._parser.feed_data(head + rest)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            return self._refused(str(error), rest)
        return 0

    def _unusual(self) -> int:
        """An answer whose first line is not that of nearly all answers: refuse it, or see to its connection."""
        start, end = self._bounds()
        if not is_http1(self.raw, start):
            return self._error("not a response of HTTP/1.x")
        if not 200 <= self._status < 600:
            return self._error(f"{self._status:03d} is no status of HTTP")
        if self.keep_alive and self.raw.startswith(b"HTTP/1.0", start):
            self.keep_alive = keeps_http10(self.raw[start:end])
        return 0

    def _over_limit(self) -> int:
        size = self._size
        if size > MAX_HEAD and (not self._headed or self._head_size() > MAX_HEAD):
            return self._error("over 64 KiB of interim responses" if self._interims else "header block over 64 KiB")
        # a field takes a line: counting line ends is a cheap upper bound that nearly always settles it
        if size > MAX_FIELDS and self.raw.count(b"\n", 0, MAX_HEAD) > MAX_FIELDS and self._fields() > MAX_FIELDS:
            return self._error("more than 256 header fields")
        if size > MAX_BODY and size - self._head_size() > MAX_BODY:
            self.why = "response body over 16 MiB"
            return -ErrorKind.body_limit
        return 0

    def _fields(self) -> int:
        """How many fields the header block has, or as far as it came."""
        start, end = self._bounds()
        lines = self.raw.count(b"\n", start, end if end >= 0 else len(self.raw))
        return lines - 2 if end >= 0 else lines - 1

    def _bounds(self) -> tuple[int, int]:
        """Where the header block behind the interim responses begins and ends; -1 for an end that has not come."""
        while self._found < self._interims:
            self._from = ending(self.raw, beginning(self.raw, self._from))
            self._found += 1
        start = self._from = beginning(self.raw, self._from)
        return start, ending(self.raw, start)

    def _head_size(self) -> int:
        """Of all header blocks up to the answer's own."""
        _, end = self._bounds()
        return end if end >= 0 else self._size

    def eof(self, *, whole: bool = True) -> int:
        """The peer closed; `whole` is False where that may have been anybody (TLS without close_notify).

        A status where that ends a body without length; `-truncated` where the response had begun; 0 where nothing of it
        had arrived."""
        if not self.started:
            return 0
        self.keep_alive = False
        if self._headed and whole:
            start, end = self._bounds()
            if ends_with_connection(self.raw[start:end]):
                assert self._parser is not None  # noqa: S101 - a closed reader sees no end
                self._status = self._parser.get_status_code()
                self.started = False
                return self._unusual() or self._status
        self.why = "closed before the response was complete"
        return -ErrorKind.truncated

    def close(self) -> None:
        """Let go of the parser, which holds us: the pair would be a reference cycle."""
        self._parser = None

    def shown(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """Header fields and the first 2 KiB of the body as text, of the last response."""
        fields, body = shown_of(self.raw)
        return fields, body[:SAMPLE_BODY].decode("utf-8", "replace")
