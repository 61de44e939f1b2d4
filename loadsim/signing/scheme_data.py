"""Descriptions of signature schemes as data: what is signed, with which key, and in which headers.

A scheme is a value of `Scheme`; those of known providers are the tables of `schemes.toml`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

from loadsim.signing.timestamps import TICK_NS, Unit

Digest = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64", "base64url"]
KeyForm = Literal["utf8", "whsec", "whsec-or-utf8", "base64", "hex"]

KEY_FORMS: dict[KeyForm, str] = {
    "utf8": "the secret verbatim",
    "whsec": "base64-decoded after an optional whsec_",
    "whsec-or-utf8": "base64-decoded after whsec_, without it the secret verbatim",
    "base64": "base64-decoded",
    "hex": "hex-decoded",
}
"""How the secret's text becomes the key, in words."""


class Field(enum.Enum):
    """A variable part of the signed message; all other parts are literal bytes."""

    timestamp = "timestamp"
    id = "id"
    method = "method"
    url = "url"
    body = "body"


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """The header with the signature: `prefix` is before each signature, `separator` between several of them.

    With `separator=None` there is exactly one signature. With `timestamp_prefix` the timestamp is an entry of the same
    header: `t=1700000000,v1=…`.
    """

    name: str
    prefix: bytes = b""
    separator: bytes | None = None
    timestamp_prefix: bytes | None = None


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Where the time of signing is found, and its form.

    `name` is the name of a header, the prefix of an entry in the signature header, or a top-level field of a JSON body.
    """

    place: Literal["header", "signature", "body"]
    name: str
    unit: Unit = "s"
    copied_to: str | None = None
    """A header that repeats the time in the body; it is not verified."""

    @property
    def tick_ns(self) -> int:
        """Nanoseconds per unit of the text; RFC 3339 is written in milliseconds."""
        return TICK_NS[self.unit]


@dataclass(frozen=True, slots=True)
class SchemeData:
    """A provider's signature scheme: the encoded HMAC over `signed`, sent in headers.

    `tolerance_s` is how far the timestamp may be from now in both directions; None: there is no window. `id_headers`
    carry the event's id; the first is verified only if `signed` contains the id. `constants` are sent with every
    delivery; in their values `{event}` stands for the provider's name of the event. `url_decoded` are the characters
    that the provider percent-decodes in the URL before signing.
    """

    name: str
    title: str
    signature: SignatureHeader
    signed: tuple[Field | bytes, ...]
    default_secret_env: str
    timestamp: Timestamp | None = None
    id_headers: tuple[str, ...] = ()
    constants: tuple[tuple[str, str], ...] = ()
    digest: Digest = "sha256"
    encoding: Encoding = "hex"
    key: KeyForm = "utf8"
    tolerance_s: int | None = None
    url_decoded: str = ""
    like: str | None = None
    """The scheme that this one is a variant of."""
    retry_headers: tuple[tuple[str, str], ...] = ()
    """Sent with further attempts only; see `signing.retry_marks` for their fields."""
    retry_reasons: tuple[tuple[str, str], ...] = ()
    """The provider's words for the outcome of the attempt before, by entry of `retry_marks.REASONS`."""
    attempt_field: str | None = None
    """A field of the body that counts further attempts, 0 in the first."""
    accepts: SchemeData | None = None
    """This scheme with the header names of another one. A receiver accepts these too; a sender never writes them."""

    @property
    def signs_id(self) -> bool:
        """Whether the event's id is part of what is signed."""
        return Field.id in self.signed

    @property
    def signs_url(self) -> bool:
        """Whether the URL is part of what is signed."""
        return Field.url in self.signed

    @property
    def formula(self) -> str:
        """The computation in words: `HMAC-SHA256 of {timestamp}.{body} in hex`."""
        return f"HMAC-{self.digest.upper()} of {self.signed_text} in {self.encoding}"

    @property
    def signed_text(self) -> str:
        """The signed message as a template, such as `{timestamp}.{body}`."""
        return "".join(
            part.decode("utf-8", "replace") if isinstance(part, bytes) else f"{{{part.value}}}" for part in self.signed
        )

    def header_names(self) -> tuple[str, ...]:
        """The headers that a receiver must read, lower case: signature, then timestamp and id if they are needed."""
        names = [self.signature.name]
        if self.timestamp is not None and self.timestamp.place == "header":
            names.append(self.timestamp.name)
        if self.signs_id:
            names.append(self.id_headers[0])
        return tuple(name.lower() for name in names)

    def header_templates(self) -> tuple[tuple[str, str], ...]:
        """Every header that is sent, in order, as (name, value with fields in braces)."""
        pairs = list(self.constants)
        if self.timestamp is not None and self.timestamp.place == "header":
            pairs.append((self.timestamp.name, "{timestamp}"))
        if self.timestamp is not None and self.timestamp.copied_to is not None:
            pairs.append((self.timestamp.copied_to, "{timestamp}"))
        pairs += [(name, "{id}") for name in self.id_headers]
        value = self.signature.prefix.decode() + "{signature}"
        if self.signature.timestamp_prefix is not None:
            separator = (self.signature.separator or b"").decode()
            value = f"{self.signature.timestamp_prefix.decode()}{{timestamp}}{separator}{value}"
        return (*pairs, (self.signature.name, value))
