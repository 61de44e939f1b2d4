"""The frames of HTTP/2 (RFC 9113, section 4 and 6): numbers, names, and bytes of those that a client sends.

Pure: no socket, no clock.
"""

from __future__ import annotations

import enum
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER = struct.Struct(">HBBBI")
"""A frame's header: length (its upper 16 bits, then its lower 8), type, flags, stream."""
HEADER_SIZE = HEADER.size
MOST_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
"""Of the connection and of each stream, until told otherwise (section 6.9.2)."""
FIRST_FRAME = 16_384
"""The largest payload that may be sent until told otherwise (section 6.5.2)."""
MOST_FRAME = 2**24 - 1
LAST_STREAM = 2**31 - 1
FIRST_TABLE = 4096
"""Size of a table of headers until told otherwise."""


class Type(enum.IntEnum):
    """Types of frames."""

    data = 0
    headers = 1
    priority = 2
    rst_stream = 3
    settings = 4
    push_promise = 5
    ping = 6
    goaway = 7
    window_update = 8
    continuation = 9


END_STREAM, END_HEADERS, PADDED, PRIORITY, ACK = 0x1, 0x4, 0x8, 0x20, 0x1


class Setting(enum.IntEnum):
    """Settings (section 6.5.2)."""

    header_table_size = 1
    enable_push = 2
    max_concurrent_streams = 3
    initial_window_size = 4
    max_frame_size = 5
    max_header_list_size = 6


class Reason(enum.IntEnum):
    """Error codes (section 7), by their names there."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


def reason_name(code: int) -> str:
    """The name of an error code, or its number where it has none."""
    try:
        return Reason(code).name
    except ValueError:
        return f"error code {code}"


class ConnectionFault(Exception):  # noqa: N818 - the word of the protocol is "connection error"; this is its fault
    """What the peer did wrong: the connection ends with this code (section 5.4.1)."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason, self.why = reason, why


def frame(kind: Type, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame."""
    size = len(payload)
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def settings(values: dict[Setting, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(Type.settings, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in values.items()))


def settings_in(payload: bytes) -> list[tuple[int, int]]:
    """The settings of a SETTINGS frame, in order. Raises ConnectionFault."""
    if len(payload) % 6:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "SETTINGS whose length is no multiple of 6")
    found = [struct.unpack_from(">HI", payload, at) for at in range(0, len(payload), 6)]
    for key, value in found:
        if key == Setting.enable_push and value:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH of a server's is not 0")
        if key == Setting.initial_window_size and value > MOST_WINDOW:
            raise ConnectionFault(Reason.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1")
        if key == Setting.max_frame_size and not FIRST_FRAME <= value <= MOST_FRAME:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE of {value}")
    return found


def window_update(stream: int, size: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(Type.window_update, 0, stream, size.to_bytes(4, "big"))


def rst_stream(stream: int, reason: Reason) -> bytes:
    """A RST_STREAM frame."""
    return frame(Type.rst_stream, 0, stream, reason.to_bytes(4, "big"))


def goaway(reason: Reason) -> bytes:
    """A GOAWAY frame of a client's: no stream of the server's was processed."""
    return frame(Type.goaway, 0, 0, struct.pack(">II", 0, reason))


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload without padding and, of HEADERS, priority (section 6.1, 6.2). Raises ConnectionFault."""
    start, end = 0, len(payload)
    if flags & PADDED:
        start = 1
        if not payload or payload[0] > end - 1:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "padding longer than its frame")
        end -= payload[0]
    if flags & PRIORITY:
        start += 5
    if start > end:
        raise ConnectionFault(Reason.FRAME_SIZE_ERROR, "a frame too short for its flags")
    return payload[start:end]


def ends_stream(data: bytes, stream: int) -> bool:
    """Whether this is a number of whole frames, of which the last ends a stream."""
    at, kind, flags, number = 0, Type.settings, 0, 0
    while at + HEADER_SIZE <= len(data):
        high, low, kind, flags, number = HEADER.unpack_from(data, at)
        at += HEADER_SIZE + (high << 8 | low)
    return at == len(data) and number == stream and kind in (Type.data, Type.headers) and bool(flags & END_STREAM)
