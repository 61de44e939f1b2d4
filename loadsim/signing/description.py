"""What a signature scheme is, as data: what is signed, with which key, and where it all stands in the headers.

A scheme is a value of `Scheme`; the providers' own values are in `registry.py`. Nothing here computes a signature.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

from loadsim.model import NS_PER_MS, NS_PER_S, Secret
from loadsim.signing.sign import Signer
from loadsim.signing.verify import Verifier


class Field(enum.Enum):
    """A part of the signed message that differs from delivery to delivery."""

    timestamp = "timestamp"
    id = "id"
    body = "body"


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """The header that carries the signature: `prefix` stands before each one, `separator` between several.

    `separator=None` means that exactly one signature is written and read.
    """

    name: str
    prefix: bytes = b""
    separator: bytes | None = None


@dataclass(frozen=True, slots=True)
class TimestampHeader:
    """The header that carries the time of signing, as a decimal integer of seconds or milliseconds since 1970."""

    name: str
    unit: Literal["s", "ms"] = "s"

    @property
    def unit_ns(self) -> int:
        """Nanoseconds per unit."""
        return NS_PER_S if self.unit == "s" else NS_PER_MS


@dataclass(frozen=True, slots=True)
class Scheme:
    """One provider's way of signing: HMAC over `signed`, encoded, in headers.

    `key` says how the secret's text becomes the key: its UTF-8 bytes, or (`whsec`) base64 after an optional `whsec_`.
    `tolerance_s` is how far the timestamp may be from now, both ways; None where there is no window.
    The id header is sent where it is named; it is checked only where `signed` contains it.
    """

    name: str
    title: str
    signature: SignatureHeader
    signed: tuple[Field | bytes, ...]
    default_secret_env: str
    timestamp: TimestampHeader | None = None
    id_header: str | None = None
    digest: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    key: Literal["utf8", "whsec"] = "utf8"
    tolerance_s: int | None = None

    def signer(self, secret: Secret) -> Signer:
        """What makes the headers. Raises UsageError when the secret is not in the form that `key` asks for."""
        return Signer(self, secret)

    def verifier(self, secret: Secret, tolerance_s: float | None = None) -> Verifier:
        """What checks the headers; `tolerance_s` None takes the scheme's own, 0 turns the window off."""
        return Verifier(self, secret, self.tolerance_s if tolerance_s is None else tolerance_s)

    @property
    def signs_id(self) -> bool:
        """Whether the event's id is part of what is signed."""
        return Field.id in self.signed

    def header_names(self) -> tuple[str, ...]:
        """The headers that a receiver must read, lower case."""
        names = [self.signature.name]
        if self.timestamp is not None:
            names.append(self.timestamp.name)
        if self.id_header is not None and self.signs_id:
            names.append(self.id_header)
        return tuple(name.lower() for name in names)
