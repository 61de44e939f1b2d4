"""The message authentication code of one delivery: HMAC (RFC 2104) over the parts that a scheme signs.

The key is hashed once; a message costs two copies of hash states and two short updates, about half of what
`hmac.digest` costs at webhook sizes. What precedes the first part that differs between deliveries of one timestamp is
hashed once per timestamp. Knows nothing of headers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from loadsim.model import Secret, UsageError

if TYPE_CHECKING:
    from loadsim.signing.description import Encoding, Field, Scheme

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class MessageMac:
    """The encoded code of one delivery after another, under one key. Belongs to one thread."""

    __slots__ = ("_encode", "_fields", "_inner", "_lead", "_outer", "_steps", "_timestamp")

    def __init__(self, scheme: Scheme, secret: Secret, url: str | None = None) -> None:
        """`url` is needed by schemes that sign it. Raises UsageError for it, or for a secret in the wrong form."""
        key = derive_key(scheme, secret)
        block = hashlib.new(scheme.digest)
        if len(key) > block.block_size:
            key = hashlib.new(scheme.digest, key).digest()
        key = key.ljust(block.block_size, b"\0")
        self._inner = hashlib.new(scheme.digest, key.translate(_INNER))
        self._outer = hashlib.new(scheme.digest, key.translate(_OUTER))
        self._encode = _ENCODERS[scheme.encoding]
        self._fields = tuple(_part(scheme, part, url) for part in scheme.signed)
        self._set_timestamp(b"")

    def encoded(self, timestamp: bytes, event_id: bytes, body: bytes) -> bytes:
        """The code in the scheme's encoding; a field that the scheme does not sign is ignored."""
        if timestamp != self._timestamp:
            self._set_timestamp(timestamp)
        inner = self._lead.copy()
        if self._steps is None:
            inner.update(body)
        else:
            for step in self._steps:
                if isinstance(step, bytes):
                    inner.update(step)
                else:
                    inner.update(body if step == "body" else event_id)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return self._encode(outer.digest())

    def _set_timestamp(self, timestamp: bytes) -> None:
        """Hash what is the same for every delivery of this timestamp; leave the rest as steps."""
        parts = [timestamp if part == "timestamp" else part for part in self._fields]
        self._lead = self._inner.copy()
        while isinstance(part := parts[0], bytes):
            self._lead.update(part)
            del parts[0]
        self._steps = None if parts == ["body"] else tuple(parts)
        self._timestamp = timestamp


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


def _base64(code: bytes) -> bytes:
    return binascii.b2a_base64(code, newline=False)


def _base64url(code: bytes) -> bytes:
    return base64.urlsafe_b64encode(code).rstrip(b"=")


_ENCODERS: dict[Encoding, Callable[[bytes], bytes]] = {
    "hex": binascii.hexlify,
    "base64": _base64,
    "base64url": _base64url,
}
