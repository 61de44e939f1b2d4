"""Makes the signature headers of deliveries: constant lines, timestamp, id, signature. The time is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadsim.compiled_step import step
from loadsim.model import JsonValue, Secret, UsageError
from loadsim.signing.body_fields import sealed_document, sealed_with, with_field
from loadsim.signing.certificates import CERTIFICATE_URL, own_certificate_url
from loadsim.signing.composed import ComposedCodes, codes_of
from loadsim.signing.mac import MessageMac
from loadsim.signing.message_parts import Delivered, PartError
from loadsim.signing.retry_marks import filled
from loadsim.signing.timestamps import write_tick
from loadsim.signing.verify import body_timestamp

if TYPE_CHECKING:
    from loadsim.signing.body_fields import BodyPlace
    from loadsim.signing.message_parts import OwnHeaders
    from loadsim.signing.scheme_data import SchemeData, Timestamp

JSON = "application/json"
"""The usual content type."""
_ID = b"\0"
"""Placeholder of the id in the lines of one timestamp; no header can contain this byte."""
_COPY = b"\1"
"""Placeholder of the header that repeats the time in the body; no header can contain this byte."""


class Signer:
    """Signs bodies under one key. Must be used by one thread only."""

    __slots__ = (
        "_after",
        "_before",
        "_code",
        "_codes",
        "_compiled",
        "_copy",
        "_head",
        "_needs_id",
        "_tick",
        "_tick_ns",
        "_timestamp",
        "_unit",
    )

    def __init__(
        self,
        scheme: SchemeData,
        secret: Secret,
        url: str | None = None,
        event: str = "",
        content_type: str = JSON,
    ) -> None:
        lines = _constants(scheme, url)
        mac = codes_of(scheme, secret, url, own=_own_headers(scheme, lines, event, content_type))
        self._code, self._codes = mac.code, mac.codes
        self._compiled = mac if isinstance(mac, MessageMac) and mac.is_compiled else None
        self._needs_id = bool(scheme.id_headers)
        constants = b"".join(_line(name, value, event) for name, value in lines)
        in_header = scheme.signature.place == "header"
        signature = scheme.signature.name.encode() + b": " if in_header else b""
        ids = b"".join(name.encode() + b": " + _ID + b"\r\n" for name in scheme.id_headers)
        prefix = scheme.signature.prefix if in_header else b""
        timestamp = scheme.timestamp
        self._copy: tuple[str, Timestamp] | None = None
        self._tick_ns, self._unit = 0, "s" if timestamp is None else timestamp.unit
        self._before, self._after = constants + ids + signature + prefix, b""
        if timestamp is not None and timestamp.place == "header":
            self._tick_ns = timestamp.tick_ns
            self._before = constants + timestamp.name.encode() + b": "
            self._after = b"\r\n" + ids + signature + prefix
        elif timestamp is not None and timestamp.place == "signature" and in_header:
            self._tick_ns = timestamp.tick_ns
            self._before = constants + ids + signature + timestamp.name.encode()
            self._after = (scheme.signature.separator or b"") + prefix
        elif timestamp is not None and timestamp.copied_to is not None:
            self._copy = timestamp.copied_to, timestamp
            self._compiled = None
            self._before = constants + _COPY + ids + signature + prefix
        self._tick = -1
        self._timestamp = b""
        self._head = self._before

    @property
    def needs_id(self) -> bool:
        """Whether the headers carry an event id."""
        return self._needs_id

    @property
    def seals(self) -> bool:
        """Whether the signature stands in the body: `sealed` must then come before `headers`."""
        return False

    def sealed(self, body: bytes, now_ns: int, event_id: str) -> bytes:  # noqa: ARG002 - see SealingSigner
        """The body as it is sent: unchanged, unless the signature stands in it."""
        return body

    def headers(self, body: bytes, now_ns: int, event_id: str) -> bytes:
        """The complete header lines, each ending in CRLF, for `body` signed at `now_ns` (ns since 1970).

        `event_id` is ASCII without control characters; it is used only by schemes that have an id header.
        """
        if self._tick_ns:
            tick = now_ns // self._tick_ns
            if tick != self._tick:
                self._set_tick(tick)
        head = self._head
        if self._copy is not None:
            head = head.replace(_COPY, self._copied(*self._copy, body, now_ns))
        if not self._needs_id:
            return head + self._code(self._timestamp, b"", body).encode("ascii") + b"\r\n"
        id_text = event_id.encode("ascii")
        return head.replace(_ID, id_text) + self._code(self._timestamp, id_text, body).encode("ascii") + b"\r\n"

    def headers_of_all(self, bodies: Sequence[bytes], now_ns: int, before: bytes = b"") -> list[bytes]:
        """`before` plus the header lines, for each of several bodies signed at one time. For schemes without an id
        header."""
        if self._tick_ns and now_ns // self._tick_ns != self._tick:
            self._set_tick(now_ns // self._tick_ns)
        if self._copy is not None:
            return [before + self.headers(body, now_ns, "") for body in bodies]
        head = before + self._head
        return [head + code.encode("ascii") + b"\r\n" for code in self._codes(self._timestamp, bodies)]

    def headers_by_step(self, bodies: list[bytes], now_ns: int, before: bytes = b"") -> list[bytes]:
        """As `headers_of_all`, by the compiled step where it knows the scheme."""
        if self._compiled is None:
            return self.headers_of_all(bodies, now_ns, before)
        assert step is not None  # noqa: S101 - whoever calls this has asked
        found: list[bytes] = step.lines(bodies, *self.parts_at(now_ns, before))
        return found

    @property
    def is_compiled(self) -> bool:
        """Whether `parts_at` can be called: for schemes without an id header that the compiled step knows."""
        return self._compiled is not None and not self._needs_id

    def parts_at(self, now_ns: int, before: bytes) -> tuple[bytes, bytes, bytes]:
        """What the compiled step makes header lines of, for as long as the timestamp is this one: the two states of the
        hash, and what stands before the code."""
        assert self._compiled is not None  # noqa: S101 - see `is_compiled`
        if self._tick_ns and now_ns // self._tick_ns != self._tick:
            self._set_tick(now_ns // self._tick_ns)
        return *self._compiled.states_at(self._timestamp), before + self._head

    def _copied(self, name: str, timestamp: Timestamp, body: bytes, now_ns: int) -> bytes:
        """The header that repeats the time in the body; if the body has none, the time of signing."""
        text = body_timestamp(body, timestamp.name)
        if text is None or not text.isascii() or not text.isprintable():
            text = write_tick(timestamp.unit, now_ns // timestamp.tick_ns).decode()
        return f"{name}: {text}\r\n".encode()

    def _set_tick(self, tick: int) -> None:
        self._timestamp = write_tick(self._unit, tick)
        self._head = self._before + self._timestamp + self._after
        self._tick = tick


class SealingSigner(Signer):
    """Signs deliveries whose signature stands in the body: `sealed` first, then `headers` for the sealed body."""

    __slots__ = ("_certificate", "_composed", "_place", "_prefix", "_scheme")

    def __init__(
        self,
        scheme: SchemeData,
        secret: Secret,
        url: str | None = None,
        event: str = "",
        content_type: str = JSON,
    ) -> None:
        super().__init__(scheme, secret, url, event, content_type)
        self._compiled = None
        self._scheme = scheme
        self._place = scheme.signature
        self._prefix = scheme.signature.prefix.decode()
        own = _own_headers(scheme, _constants(scheme, url), event, content_type)
        codes = codes_of(scheme, secret, url, own=own)
        self._composed = codes if isinstance(codes, ComposedCodes) else None
        certificate = scheme.certificate
        self._certificate: tuple[BodyPlace, str, str] | None = None
        if certificate is not None and certificate.place != "header":
            self._certificate = certificate.place, certificate.name, own_certificate_url(scheme, url)

    @property
    def seals(self) -> bool:
        return True

    @property
    def seals_documents(self) -> bool:
        """Whether `sealed_document` can be used: all that is signed of the body, and the signature, is JSON."""
        of_body = [part for part in self._scheme.parts if part.is_of_body]
        in_json = self._place.place == "json" and all(part.source == "json" for part in of_body)
        return in_json and self._certificate is None and self._composed is not None

    def sealed(self, body: bytes, now_ns: int, event_id: str) -> bytes:
        """The body with its signature. Raises UsageError for a body that cannot hold it."""
        delivered = Delivered(body, None) if self._composed is None else self._composed.delivered(body)
        value = self._value(delivered, now_ns, event_id)
        place = self._place.place
        assert place != "header"  # noqa: S101 - see Scheme.signer
        try:
            if self._certificate is not None:
                where, name, certificate_url = self._certificate
                delivered = Delivered(with_field(where, name, body, certificate_url), None)
            return sealed_with(place, self._place.name, delivered, value)
        except PartError as error:
            raise UsageError(f"scheme {self._scheme.name} cannot sign this event: {error}") from None

    def sealed_document(self, document: JsonValue, now_ns: int, event_id: str) -> bytes:
        """As `sealed`, of the document that the body would be made of; it is the same afterwards. See
        `seals_documents`."""
        assert self._composed is not None  # noqa: S101 - see seals_documents
        delivered = self._composed.document(document)
        value = self._value(delivered, now_ns, event_id)
        try:
            return sealed_document(self._place.name, delivered, value)
        except PartError as error:
            raise UsageError(f"scheme {self._scheme.name} cannot sign this event: {error}") from None

    def _value(self, delivered: Delivered, now_ns: int, event_id: str) -> str:
        """What stands in the field."""
        text, value, timestamp = b"", self._prefix, self._scheme.timestamp
        if timestamp is not None and timestamp.place != "body":
            text = write_tick(timestamp.unit, now_ns // timestamp.tick_ns)
            if timestamp.place == "signature":
                value = f"{timestamp.name}{text.decode()}{(self._place.separator or b'').decode()}{value}"
        if self._composed is None:  # a token
            return value + self._code(text, event_id.encode("ascii"), delivered.body)
        return value + self._composed.code_of(text, event_id.encode("ascii"), delivered)

    def headers(self, body: bytes, now_ns: int, event_id: str) -> bytes:
        """The header lines, without a signature."""
        if self._tick_ns and now_ns // self._tick_ns != self._tick:
            self._set_tick(now_ns // self._tick_ns)
        head = self._head
        if self._copy is not None:
            head = head.replace(_COPY, self._copied(*self._copy, body, now_ns))
        return head.replace(_ID, event_id.encode("ascii"))

    def headers_of_all(self, bodies: Sequence[bytes], now_ns: int, before: bytes = b"") -> list[bytes]:
        """As `Signer.headers_of_all`."""
        return [before + self.headers(body, now_ns, "") for body in bodies]


class TokenSigner(Signer):
    """Signs deliveries whose header carries a token: the time and the id are inside it."""

    __slots__ = ()

    def __init__(
        self,
        scheme: SchemeData,
        secret: Secret,
        url: str | None = None,
        event: str = "",
        content_type: str = JSON,
    ) -> None:
        super().__init__(scheme, secret, url, event, content_type)
        self._tick_ns = 0 if scheme.timestamp is None else scheme.timestamp.tick_ns
        self._needs_id |= scheme.token is not None and scheme.token.holds_id

    def _set_tick(self, tick: int) -> None:
        self._timestamp = write_tick(self._unit, tick)
        self._tick = tick


def _constants(scheme: SchemeData, url: str | None) -> tuple[tuple[str, str], ...]:
    """The constant headers, with the certificate's URL where one names it."""
    place = scheme.certificate
    if place is None or place.place != "header":
        return scheme.constants
    own_url = own_certificate_url(scheme, url)
    return tuple((name, value.replace(CERTIFICATE_URL, own_url)) for name, value in scheme.constants)


def _own_headers(
    scheme: SchemeData, lines: tuple[tuple[str, str], ...], event: str, content_type: str
) -> OwnHeaders | None:
    """What the sender writes into its headers, for schemes that sign some of them."""
    if not scheme.parts:
        return None
    found: dict[str, bytes | str] = {"content-type": content_type.encode()}
    for name, value in lines:
        line = _line(name, value, event)
        if line:
            found[name.lower()] = line.partition(b": ")[2][:-2]
    found |= {name.lower(): "id" for name in scheme.id_headers}
    if scheme.timestamp is not None and scheme.timestamp.place == "header":
        found[scheme.timestamp.name.lower()] = "timestamp"
    return found


def _line(name: str, value: str, event: str) -> bytes:
    """A constant header line of a first delivery; empty if it contains the event's name and there is none."""
    value = filled(value, 1)
    if "{event}" in value:
        if not event:
            return b""
        if not event.isascii() or not event.isprintable():
            raise UsageError(f"the event type {event!r} cannot stand in the header {name}: it needs printable ASCII")
        value = value.replace("{event}", event)
    return f"{name}: {value}\r\n".encode()
