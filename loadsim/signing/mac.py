"""The message authentication code of one delivery: HMAC (RFC 2104) over the parts that a scheme signs.

The key is hashed once; a message costs two copies of hash states and two short updates, about half of what
`hmac.digest` costs at webhook sizes. What precedes the first part that differs between deliveries of one timestamp is
hashed once per timestamp. Knows nothing of headers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from loadsim.model import Secret, UsageError

if TYPE_CHECKING:
    from hashlib import _Hash

    from loadsim.signing.description import Encoding, Field, Scheme

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class MessageMac:
    """The encoded code of one delivery after another, under one key. Threads may share it.

    A message is laid out as lead, then the id and what follows it (where the id is signed first), the body, a tail;
    lead, what follows the id, and tail differ between timestamps only. Any other order is hashed part by part.
    """

    __slots__ = ("_constant", "_encode", "_lead", "_middle", "_outer", "_parts", "_stamped", "_start", "_tail")

    def __init__(self, scheme: Scheme, secret: Secret, url: str | None = None) -> None:
        """`url` is needed by schemes that sign it. Raises UsageError for it, or for a secret in the wrong form."""
        key = derive_key(scheme, secret)
        block = hashlib.new(scheme.digest)
        if len(key) > block.block_size:
            key = hashlib.new(scheme.digest, key).digest()
        key = key.ljust(block.block_size, b"\0")
        self._start = hashlib.new(scheme.digest, key.translate(_INNER))
        self._outer = hashlib.new(scheme.digest, key.translate(_OUTER)).copy
        # The method of the type itself costs half of what a function around it does.
        self._encode = type(self._start).hexdigest if scheme.encoding == "hex" else _ENCODERS[scheme.encoding]
        parts = [_part(scheme, part, url) for part in scheme.signed]
        self._lead = _fixed(parts)
        self._tail: tuple[bytes, ...] = (b"",)
        self._middle: tuple[bytes, ...] | None = None
        after_lead = tuple(parts)
        if parts and parts[0] == "id":
            del parts[0]
            self._middle = _fixed(parts)
        is_usual = bool(parts) and parts.pop(0) == "body"
        if is_usual:
            self._tail = _fixed(parts)
        self._parts = None if is_usual and not parts else after_lead
        # What precedes the id or body without a timestamp in it is hashed once for all.
        self._constant = None
        if len(self._lead) == 1:
            constant = self._start.copy()
            constant.update(self._lead[0])
            self._constant = constant.copy
        # Deliveries of one timestamp share this; replaced whole, so that another thread never sees half of it.
        self._stamped = self._stamp(b"")

    def code(self, timestamp: bytes, event_id: bytes, body: bytes) -> str:
        """The code in the scheme's encoding; a field that the scheme does not sign is ignored."""
        stamped = self._stamped
        if stamped[0] != timestamp:
            stamped = self._stamped = self._stamp(timestamp)
        _, lead, rest = stamped
        inner = lead()
        if rest is None:
            inner.update(body)
        else:
            self._hash_rest(inner, rest, timestamp, event_id, body)
        outer = self._outer()
        outer.update(inner.digest())
        return self._encode(outer)

    def codes(self, timestamp: bytes, bodies: Sequence[bytes]) -> list[str]:
        """The codes of several bodies that are signed at one time, under a scheme that signs no id."""
        if self._stamped[0] != timestamp:
            self._stamped = self._stamp(timestamp)
        _, lead, rest = self._stamped
        if rest is not None:
            return [self.code(timestamp, b"", body) for body in bodies]
        new_outer, encode = self._outer, self._encode
        codes = []
        for body in bodies:
            inner, outer = lead(), new_outer()
            inner.update(body)
            outer.update(inner.digest())
            codes.append(encode(outer))
        return codes

    def _hash_rest(self, inner: _Hash, rest: _Rest, timestamp: bytes, event_id: bytes, body: bytes) -> None:
        """Everything after the lead, where that is more than the body."""
        middle, tail = rest
        if self._parts is not None:
            fields = {"timestamp": timestamp, "id": event_id, "body": body}
            for part in self._parts:
                inner.update(part if isinstance(part, bytes) else fields[part])
            return
        if middle is not None:
            inner.update(event_id + middle)
        inner.update(body)
        if tail:
            inner.update(tail)

    def _stamp(self, timestamp: bytes) -> _Stamped:
        middle = None if self._middle is None else timestamp.join(self._middle)
        tail = timestamp.join(self._tail)
        rest = None if self._parts is None and middle is None and not tail else (middle, tail)
        if self._constant is not None:
            return timestamp, self._constant, rest
        lead = self._start.copy()
        lead.update(timestamp.join(self._lead))
        return timestamp, lead.copy, rest


_Rest = tuple[bytes | None, bytes]
"""What follows the id, where that stands before the body; what follows the body."""
_Stamped = tuple[bytes, "Callable[[], _Hash]", _Rest | None]
"""A timestamp; what copies the hash of all before the id or body; the rest, None where that is the body alone."""


def _fixed(parts: list[bytes | str]) -> tuple[bytes, ...]:
    """Take from the front of `parts` what is the same for every delivery of one timestamp, as pieces to join by it."""
    pieces = [b""]
    while parts and (isinstance(part := parts[0], bytes) or part == "timestamp"):
        if isinstance(part, bytes):
            pieces[-1] += part
        else:
            pieces.append(b"")
        del parts[0]
    return tuple(pieces)


def derive_key(scheme: Scheme, secret: Secret) -> bytes:
    """The secret as key bytes. Raises UsageError, which never shows the secret."""
    text = secret.reveal()
    try:
        if scheme.key == "utf8":
            return text.encode("utf-8", "surrogatepass")
        if scheme.key == "hex":
            key = bytes.fromhex(text)
        else:
            key = base64.b64decode(text.removeprefix("whsec_") if scheme.key == "whsec" else text, validate=True)
    except ValueError:
        form = {"hex": "hex", "base64": "base64"}.get(scheme.key, "base64 after an optional whsec_")
        raise UsageError(f"the secret is not {form}, as scheme {scheme.name} needs") from None
    if not key:
        raise UsageError(f"the secret decodes to an empty key, which scheme {scheme.name} must not be used with")
    return key


def url_text(scheme: Scheme, url: str) -> str:
    """The URL as the scheme signs it: percent-encodings of `url_decoded` undone, user info and fragment left out."""
    url = url.partition("#")[0]
    start, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    url = f"{start}{separator}{authority.rpartition('@')[2]}{slash}{path}"
    for char in scheme.url_decoded:
        upper = quote(char, safe="")
        url = url.replace(upper, char).replace(upper.lower(), char)
    return url


def _part(scheme: Scheme, part: Field | bytes, url: str | None) -> bytes | str:
    """A part of the message as bytes where it is the same for every delivery, else the name of the field."""
    if isinstance(part, bytes):
        return part
    if part.value == "method":
        return b"POST"
    if part.value != "url":
        return part.value
    if not url:
        raise UsageError(f"scheme {scheme.name} signs the URL too: say which one the sender has, as public_url or url")
    return url_text(scheme, url).encode("utf-8", "surrogatepass")


def _base64(state: _Hash) -> str:
    return binascii.b2a_base64(state.digest(), newline=False).decode("ascii")


def _base64url(state: _Hash) -> str:
    return binascii.b2a_base64(state.digest(), newline=False).translate(_URL_SAFE).rstrip(b"=").decode("ascii")


_ENCODERS: dict[Encoding, Callable[[_Hash], str]] = {
    "base64": _base64,
    "base64url": _base64url,
}
