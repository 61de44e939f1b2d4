"""Makes the signature headers of one delivery after another.

Decides the header lines, byte for byte. Knows no clock: the time of signing is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadsim.model import Secret
from loadsim.signing.mac import MessageMac

if TYPE_CHECKING:
    from loadsim.signing.description import Scheme


class Signer:
    """Signs bodies under one key. Belongs to one thread."""

    __slots__ = ("_encoded", "_head", "_id_line", "_prefix", "_tick", "_timestamp", "_timestamp_name", "_unit_ns")

    def __init__(self, scheme: Scheme, secret: Secret) -> None:
        self._encoded = MessageMac(scheme, secret).encoded
        self._unit_ns = scheme.timestamp.unit_ns if scheme.timestamp else 0
        self._timestamp_name = scheme.timestamp.name.encode() + b": " if scheme.timestamp else b""
        self._prefix = scheme.signature.name.encode() + b": " + scheme.signature.prefix
        self._id_line = None if scheme.id_header is None else b"\r\n" + scheme.id_header.encode() + b": "
        self._tick = -1
        self._timestamp = b""
        self._head = self._prefix

    @property
    def needs_id(self) -> bool:
        """Whether the headers carry an event id."""
        return self._id_line is not None

    def headers(self, body: bytes, now_ns: int, event_id: str) -> bytes:
        """The complete header lines, each ending in CRLF, for `body` signed at `now_ns` (ns since 1970).

        `event_id` is ASCII without line breaks; it is used only by schemes that have an id header.
        """
        if self._unit_ns:
            tick = now_ns // self._unit_ns
            if tick != self._tick:
                self._set_tick(tick)
        if self._id_line is None:
            return self._head + self._encoded(self._timestamp, b"", body) + b"\r\n"
        id_text = event_id.encode("ascii")
        return self._head + self._encoded(self._timestamp, id_text, body) + self._id_line + id_text + b"\r\n"

    def _set_tick(self, tick: int) -> None:
        self._timestamp = b"%d" % tick
        self._head = self._timestamp_name + self._timestamp + b"\r\n" + self._prefix
        self._tick = tick
