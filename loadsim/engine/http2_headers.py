"""The headers of HTTP/2: requests as HPACK (RFC 7541), and what an answer's block says.

Requests: what is the same for all events is put into the peer's table with the first request and named by one byte
later, as clients do; what belongs to one event is a literal that is never indexed. We have the peer keep no table of
ours (SETTINGS_HEADER_TABLE_SIZE of 0), so a block of headers means the same wherever it comes: it is decoded once, by
`hpack`, and known from then on.
"""

from __future__ import annotations

from typing import NamedTuple

from loadsim.engine.http2_frames import END_STREAM, FIRST_FRAME, FIRST_TABLE, ConnectionFault, Reason, Type
from loadsim.extras import install
from loadsim.model import UsageError
from loadsim.outcome_codes import SUCCESSES

MAX_BLOCK = 64 * 1024
MAX_FIELDS = 256
_SHOWN = 80
"""Bytes of a faulty name or value that are shown."""
_MOST_DIGITS = 18
_KNOWN = 256
"""Blocks that are known at once; an endpoint's Date makes a new one each second."""
_OF_HTTP1 = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"host"})
"""Headers that belong to the connection of HTTP/1.1 (RFC 9113, section 8.2.2), and Host, which is `:authority`."""
_UNSENT = _OF_HTTP1 | {b"te"}
_TRAILERS = (b"te", b"trailers")
"""The only value of TE in HTTP/2."""
_SHORT = FIRST_FRAME // 2 - 256
_PRIVATE = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
_ENTRY = 32
"""What an entry of a table costs beside its name and value (RFC 7541, section 4.1)."""
_STATIC_ENTRIES = 61
_NEVER, _WITHOUT, _INCREMENTAL, _SIZE, _INDEXED = (0x10, 4), (0x00, 4), (0x40, 6), (0x20, 5), (0x80, 7)
"""The kinds of field (section 6): first bits, and how many bits of a number follow in the same byte."""
STATIC_NAMES = {
    b":authority": 1, b":path": 4, b"accept": 19, b"authorization": 23, b"content-length": 28, b"content-type": 31,
    b"cookie": 32, b"date": 33, b"user-agent": 58,
}  # fmt: skip
_METHOD_POST, _SCHEME = b"\x83", {"http": b"\x86", "https": b"\x87"}


def number(kind: tuple[int, int], value: int) -> bytes:
    """An integer of HPACK (section 5.1) behind the first bits of its kind."""
    first, bits = kind
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    out = [first | most]
    value -= most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def text(value: bytes) -> bytes:
    """A string of HPACK (section 5.2), not packed: packing it costs more than the bytes are worth."""
    return number((0, 7), len(value)) + value


def named(kind: tuple[int, int], name: bytes) -> bytes:
    """The start of a literal field: its kind and its name, in the static table where that has it."""
    place = STATIC_NAMES.get(name)
    return number(kind, place) if place else number(kind, 0) + text(name)


def field(name: bytes, size: int) -> tuple[bytes, bytes]:
    """What stands before and behind the value of a field that no table keeps, by its name and the value's size."""
    return named((0x00, 4), name.lower()) + number((0, 7), size), b""


class RequestHead:
    """The constant part of every request to an endpoint.

    `first` puts it into the peer's table, `later` names it there, and `plain` does without a table.
    """

    def __init__(self, head: bytes, scheme: str) -> None:
        """`head`: request line and constant headers of HTTP/1.1."""
        line, *lines = head.rstrip(b"\r\n").split(b"\r\n")
        path = line.split(b" ")[1]
        given = [(name.strip().lower(), value.strip()) for name, _, value in (field.partition(b":") for field in lines)]
        host = next(value for name, value in given if name == b"host")
        fields = [(b":path", path), (b":authority", host)]
        fields += [(name, value) for name, value in given if name not in _UNSENT or (name, value) == _TRAILERS]
        public = [field for field in fields if field[0] not in _PRIVATE]
        private = b"".join(named(_NEVER, name) + text(value) for name, value in fields if name in _PRIVATE)
        start = _METHOD_POST + _SCHEME[scheme]
        places = range(_STATIC_ENTRIES + len(public), _STATIC_ENTRIES, -1)  # the first to come is the furthest away
        self.first = start + b"".join(named(_INCREMENTAL, name) + text(value) for name, value in public) + private
        self.later = start + b"".join(number(_INDEXED, place) for place in places) + private
        self.plain = start + b"".join(named(_WITHOUT, name) + text(value) for name, value in public) + private
        self.short = len(self.plain) < _SHORT
        """Whether it fits into one frame together with the fields of an event."""
        self.table = sum(len(name) + len(value) + _ENTRY for name, value in public)
        """What the peer's table must have room for."""


def resized(size: int) -> bytes:
    """Tells the peer that its table has another size from here on (section 6.3)."""
    return number(_SIZE, min(size, FIRST_TABLE))


class EventFields:
    """Makes fields of the header lines of events.

    Lines that stay the same from event to event at the same place are made once. Where nothing but the value of the
    last one changes, as with nearly all signatures, the others are not even looked for.
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._fields: list[bytes] = []
        self._names: dict[bytes, bytes] = {}
        self._same = b""
        """All lines up to the last one's value, of the headers before."""
        self._made = b""
        """Their fields, up to that value's length."""

    def of(self, headers: bytes) -> bytes:
        """The fields of these header lines, each ending in CRLF."""
        same = self._same
        if same and headers.startswith(same):
            value = headers[len(same) : -2]
            if len(value) < 127 and b"\r\n" not in value and value == value.strip():
                return self._made + _SIZES[len(value)] + value
        lines = headers.split(b"\r\n")
        known, fields = self._lines, self._fields
        if len(lines) != len(known):
            known = self._lines = [b""] * len(lines)
            fields = self._fields = [b""] * len(lines)
        for place, line in enumerate(lines):
            if line != known[place]:
                known[place] = line
                fields[place] = self._field(line)
        self._learn(lines, fields)
        return b"".join(fields)

    def _learn(self, lines: list[bytes], fields: list[bytes]) -> None:
        """What the next headers may begin with."""
        self._same = b""
        if len(lines) < 2:
            return
        last, field = lines[-2], fields[-2]
        name, colon, value = last.partition(b": ")
        start = self._names.get(name)
        if colon and start and value and value == value.strip() and field.endswith(value):
            self._same = b"".join(line + b"\r\n" for line in lines[:-2]) + name + colon
            self._made = b"".join(fields[:-2]) + start

    def _field(self, line: bytes) -> bytes:
        name, _, value = line.partition(b":")
        start = self._names.get(name)
        if start is None:
            lower = name.strip().lower()
            start = b"" if not lower or lower in _UNSENT else named(_NEVER, lower)
            if len(self._names) < _KNOWN:
                self._names[name] = start
        if not start:
            return b""
        value = value.strip()
        size = len(value)
        return start + (_SIZES[size] if size < 127 else number((0, 7), size)) + value


_SIZES = [bytes((size,)) for size in range(127)]
"""The lengths of strings that take one byte."""


class Said(NamedTuple):
    """What a block of headers says. `length`: of the body, -1 where it is not said."""

    status: int
    """0: there is none (trailers)."""
    length: int
    fault: str
    """Why it is no valid block of an answer, in words; empty if it is."""


_WHOLE = bytes((Type.data, END_STREAM))


class AnswerBlocks:
    """Decodes the blocks of answers, and knows those that it has seen."""

    def __init__(self, *, by_sight: bool = True) -> None:
        """`by_sight`: whether answers that were seen before are known at once, and their bodies not looked at."""
        self._by_sight = by_sight
        try:
            import hpack
        except ImportError:
            raise UsageError(f"HTTP/2 needs the extra http2: {install('http2')}") from None
        self._failure = hpack.HPACKError
        self._decoder_of = hpack.Decoder
        self._known: dict[bytes, Said] = {}
        self.seen: dict[bytes, tuple[int, bytes, int]] = {}
        """Of blocks of successful answers: the status, and how a frame with the whole body begins (five bytes), and its
        size."""

    def _decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        decoder = self._decoder_of(max_header_list_size=MAX_BLOCK)
        decoder.max_allowed_table_size = decoder.header_table_size = 0
        return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]

    def said(self, block: bytes) -> Said:
        """What a block says. Raises ConnectionFault where it cannot be decoded."""
        said = self._known.get(block)
        if said is not None:
            return said
        try:
            pairs = self._decode(block)
        except self._failure as error:
            raise ConnectionFault(Reason.COMPRESSION_ERROR, f"headers that cannot be decoded: {error}") from None
        said = _meaning(pairs)
        if len(self._known) >= _KNOWN:
            self._known.clear()
            self.seen.clear()
        self._known[block] = said
        if self._by_sight and said.status in SUCCESSES and said.length <= FIRST_FRAME:
            size = max(said.length, 0)
            self.seen[block] = said.status, size.to_bytes(3, "big") + _WHOLE, size
        return said

    def shown(self, block: bytes) -> tuple[tuple[str, str], ...]:
        """The fields of a block that `said` took, as text, without `:status`."""
        if not block:
            return ()
        return tuple((decoded(name), decoded(value)) for name, value in self._decode(block) if name[:1] != b":")


def decoded(part: bytes) -> str:
    """A name or value as text."""
    return part.decode("utf-8", "replace")


def _meaning(pairs: list[tuple[bytes, bytes]]) -> Said:
    """See Said; the rules are those of RFC 9113, section 8.2 and 8.3.2."""
    status, length, regular = 0, -1, False
    if len(pairs) > MAX_FIELDS:
        return Said(0, -1, f"more than {MAX_FIELDS} header fields")
    for name, value in pairs:
        if name[:1] == b":":
            if name != b":status" or status or regular:
                return Said(0, -1, f"the pseudo-header {decoded(name[:_SHOWN])!r} where none may be")
            if len(value) != 3 or not value.isdigit() or value == b"000":
                return Said(0, -1, f"{decoded(value[:_SHOWN])!r} is no status of HTTP")
            status = int(value)
            continue
        regular = True
        fault = _field_fault(name, value)
        if fault:
            return Said(0, -1, fault)
        if name == b"content-length":
            if not value.isdigit() or len(value) > _MOST_DIGITS or (length >= 0 and int(value) != length):
                return Said(0, -1, "a content-length that is no length")
            length = int(value)
    return Said(status, length, "")


def _field_fault(name: bytes, value: bytes) -> str:
    if not name or name != name.lower() or any(byte <= 0x20 or byte >= 0x7F or byte == 0x3A for byte in name):
        return f"the header name {decoded(name[:_SHOWN])!r}"
    if any(byte in (0, 10, 13) for byte in value) or value != value.strip(b" \t"):
        return f"a value that no header {decoded(name[:_SHOWN])!r} may have"
    if name in _OF_HTTP1 and name != b"host":
        return f"the header {decoded(name)}, which belongs to HTTP/1.1"
    return ""
