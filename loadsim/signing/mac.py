"""The message authentication code of one delivery: HMAC (RFC 2104) over the parts that a scheme signs.

The key is hashed once. A message costs two copies of hash states and two short updates, about half of what
`hmac.digest` costs at webhook sizes. The constant beginning of all messages with one timestamp is hashed once per
timestamp.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from loadsim.compiled_step import step
from loadsim.model import Secret, UsageError
from loadsim.signing.message_parts import FILTERS, Compose, OwnHeaders, Part, compiled

if TYPE_CHECKING:
    from hashlib import _Hash

    from loadsim.signing.fields import Field
    from loadsim.signing.scheme_data import Encoding, KeyForm, SchemeData

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
Code = Callable[[bytes, bytes], str]
"""The code of a delivery from its id and body."""
_Last = tuple[bytes, Code, "Callable[[], _Hash] | None"]
"""A timestamp, the function that computes its codes, and the function that copies the hash state before the body; None
when more than the body follows."""
WHSEC = "whsec_"
_compiled = step if step is not None and step.find_sha256() else None
"""The compiled step, where it can hash."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class MessageMac:
    """Computes encoded codes of deliveries under one key. Threads may share it.

    A usual message is: lead, then the id and what follows it (if the id is signed), the body, a tail. Lead, tail and
    what follows the id depend on the timestamp only. A message in any other order is hashed part by part.
    """

    __slots__ = (
        "_constant",
        "_encode",
        "_last",
        "_lead",
        "_lead_state",
        "_middle",
        "_outer",
        "_parts",
        "_start",
        "_states",
        "_tail",
    )

    def __init__(self, scheme: SchemeData, secret: Secret, url: str | None = None) -> None:
        """`url` is needed by schemes that sign it. Raises UsageError for it, or for a secret in the wrong form."""
        self._start, outer = _keyed(scheme, secret)
        self._outer = outer.copy
        # The type's own method is twice as fast as a function that calls it.
        self._encode = type(self._start).hexdigest if scheme.encoding == "hex" else _ENCODERS[scheme.encoding]
        parts: list[bytes | str] = [_part(scheme, part, url) for part in scheme.signed]  # type: ignore[misc]  # no Part
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
        # A lead without a timestamp is hashed once for all messages.
        self._constant = None
        if len(self._lead) == 1:
            constant = self._start.copy()
            constant.update(self._lead[0])
            self._constant = constant.copy
        # The same in the compiled step, for what it knows; behind the lead for one timestamp.
        bare = self._parts is None and self._middle is None and self._tail == (b"",)
        known = _compiled is not None and bare and scheme.digest == "sha256" and scheme.encoding == "hex"
        self._states = _states(scheme, secret) if known else None
        self._lead_state: tuple[bytes | None, bytes] = (None, b"")
        # Replaced whole, so that another thread never sees half of it.
        self._last = self._made(b"")

    def code(self, timestamp: bytes, event_id: bytes, body: bytes) -> str:
        """The code in the scheme's encoding; a field that the scheme does not sign is ignored."""
        last = self._last
        if last[0] != timestamp:
            last = self._last = self._made(timestamp)
        return last[1](event_id, body)

    def codes(self, timestamp: bytes, bodies: Sequence[bytes]) -> list[str]:
        """The codes of several bodies signed at one time, for a scheme that does not sign the id."""
        last = self._last
        if last[0] != timestamp:
            last = self._last = self._made(timestamp)
        _, code, lead = last
        if lead is None:
            return [code(b"", body) for body in bodies]
        new_outer, encode = self._outer, self._encode
        codes = []
        for body in bodies:
            inner, outer = lead(), new_outer()
            inner.update(body)
            outer.update(inner.digest())
            codes.append(encode(outer))
        return codes

    @property
    def is_compiled(self) -> bool:
        """Whether `states_at` can be called."""
        return self._states is not None

    def states_at(self, timestamp: bytes) -> tuple[bytes, bytes]:
        """The states of the inner hash before the body, and of the outer hash. Only where `is_compiled`."""
        assert _compiled is not None  # noqa: S101 - see `is_compiled`
        assert self._states is not None  # noqa: S101
        inner, outer = self._states
        last = self._lead_state
        if last[0] != timestamp:
            last = self._lead_state = timestamp, _compiled.sha256_state(timestamp.join(self._lead), inner)
        return last[1], outer

    def at(self, timestamp: bytes) -> Code:
        """The function that computes the codes of this timestamp, for a caller that keeps it and saves the look-up."""
        return self._made(timestamp)[1]

    def _made(self, timestamp: bytes) -> _Last:
        if _compiled is not None and self._states is not None:
            return timestamp, functools.partial(_compiled.code, *self.states_at(timestamp)), None
        lead, outer_copy, encode = self._lead_at(timestamp), self._outer, self._encode
        middle = None if self._middle is None else timestamp.join(self._middle)
        tail, parts = timestamp.join(self._tail), self._parts

        # The hot path of receiver and sender: no unneeded call or look-up. Only one function is made, because with a
        # timestamp in milliseconds nearly every delivery needs a new one.
        if parts is not None:

            def of_parts(event_id: bytes, body: bytes) -> str:
                inner, fields = lead(), {"timestamp": timestamp, "id": event_id, "body": body}
                for part in parts:
                    inner.update(part if isinstance(part, bytes) else fields[part])
                outer = outer_copy()
                outer.update(inner.digest())
                return encode(outer)

            return timestamp, of_parts, None
        if middle is None and not tail:

            def of_body(event_id: bytes, body: bytes) -> str:  # noqa: ARG001 - the signature of Code
                inner = lead()
                inner.update(body)
                outer = outer_copy()
                outer.update(inner.digest())
                return encode(outer)

            return timestamp, of_body, lead

        def of_usual(event_id: bytes, body: bytes) -> str:
            inner = lead()
            if middle is not None:
                inner.update(event_id + middle)
            inner.update(body)
            if tail:
                inner.update(tail)
            outer = outer_copy()
            outer.update(inner.digest())
            return encode(outer)

        return timestamp, of_usual, None

    def _lead_at(self, timestamp: bytes) -> Callable[[], _Hash]:
        """The function that copies the hash state of everything before the id or body."""
        if self._constant is not None:
            return self._constant
        lead = self._start.copy()
        lead.update(timestamp.join(self._lead))
        return lead.copy


def _keyed(scheme: SchemeData, secret: Secret) -> tuple[_Hash, _Hash]:
    """The inner and the outer hash after the key (RFC 2104). Raises UsageError for a secret in the wrong form."""
    inner, outer = _padded(scheme, secret)
    return hashlib.new(scheme.digest, inner), hashlib.new(scheme.digest, outer)


def _states(scheme: SchemeData, secret: Secret) -> tuple[bytes, bytes]:
    """As `_keyed`, for the compiled step."""
    assert _compiled is not None  # noqa: S101 - see MessageMac
    inner, outer = _padded(scheme, secret)
    return _compiled.sha256_state(inner), _compiled.sha256_state(outer)


def _padded(scheme: SchemeData, secret: Secret) -> tuple[bytes, bytes]:
    """What the inner and the outer hash begin with: the key, filled up to a block."""
    key = derive_key(scheme, secret)
    block = hashlib.new(scheme.digest)
    if len(key) > block.block_size:
        key = hashlib.new(scheme.digest, key).digest()
    key = key.ljust(block.block_size, b"\0")
    return key.translate(_INNER), key.translate(_OUTER)


def hmac_of(scheme: SchemeData, secret: Secret) -> Callable[[bytes], bytes]:
    """The HMAC of whole messages under one key. Raises UsageError for a secret in the wrong form."""
    inner_hash, outer_hash = _keyed(scheme, secret)
    new_inner, new_outer = inner_hash.copy, outer_hash.copy

    def digest(message: bytes) -> bytes:
        inner, outer = new_inner(), new_outer()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    return digest


def _fixed(parts: list[bytes | str]) -> tuple[bytes, ...]:
    """Take the parts from the front of `parts` that depend on the timestamp only, as pieces to join with the
    timestamp."""
    pieces = [b""]
    while parts and (isinstance(part := parts[0], bytes) or part == "timestamp"):
        if isinstance(part, bytes):
            pieces[-1] += part
        else:
            pieces.append(b"")
        del parts[0]
    return tuple(pieces)


_FORM_WORDS: dict[KeyForm, str] = {
    "hex": "hex",
    "base64": "base64",
    "whsec-or-utf8": "base64 after its whsec_",
    "whsec": "base64 after an optional whsec_",
}


def derive_key(scheme: SchemeData, secret: Secret) -> bytes:
    """The secret as key bytes, by the first form of the scheme that fits. Raises UsageError, which never shows the
    secret."""
    text = secret.reveal()
    for form in (scheme.key, *scheme.further_keys):
        try:
            key = _key_of(form, text)
        except ValueError:
            continue
        if not key:
            raise UsageError(f"the secret decodes to an empty key, which scheme {scheme.name} must not be used with")
        return key
    words = " or ".join(_FORM_WORDS[form] for form in (scheme.key, *scheme.further_keys))
    raise UsageError(f"the secret is not {words}, as scheme {scheme.name} needs")


def _key_of(form: KeyForm, text: str) -> bytes:
    """Raises ValueError."""
    if form == "utf8" or (form == "whsec-or-utf8" and not text.startswith(WHSEC)):
        return text.encode("utf-8", "surrogatepass")
    if form == "hex":
        return bytes.fromhex(text)
    if form == "sha1":
        return hashlib.sha1(text.encode("utf-8", "surrogatepass")).digest()  # noqa: S324 - as the provider does
    return _from_base64(text if form == "base64" else _bare(text))


def _bare(text: str) -> str:
    """The secret without its prefix, which some providers show as "v1,whsec_"."""
    return text.removeprefix("v1,").removeprefix(WHSEC) if text.startswith("v1," + WHSEC) else text.removeprefix(WHSEC)


def _from_base64(text: str) -> bytes:
    """Decode base64; the padding may be missing, as in many dashboards. Raises ValueError."""
    return base64.b64decode(text if "=" in text else text + "=" * (-len(text) % 4), validate=True)


def message_of(scheme: SchemeData, url: str | None, own: OwnHeaders | None = None) -> Compose:
    """The function that makes the message that the scheme signs, as one bytes object; `own` as in `compiled`."""
    return composed(scheme, scheme.signed, url, own)


def composed(
    scheme: SchemeData, parts: Sequence[Field | Part | bytes], url: str | None, own: OwnHeaders | None
) -> Compose:
    """The function that makes a text of these parts, as `message_of` does of the whole message."""
    return compiled([_part(scheme, part, url) for part in parts], scheme.name, url, own)


def url_text(scheme: SchemeData, url: str) -> str:
    """The URL as the scheme signs it: `url_decoded` characters percent-decoded, without user info and fragment."""
    url = url.partition("#")[0]
    start, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    url = f"{start}{separator}{authority.rpartition('@')[2]}{slash}{path}"
    for char in scheme.url_decoded:
        upper = quote(char, safe="")
        url = url.replace(upper, char).replace(upper.lower(), char)
    return url


def _part(scheme: SchemeData, part: Field | Part | bytes, url: str | None) -> bytes | str | Part:
    """A part of the message: bytes if it is equal for every delivery, else the name of the field, or the Part."""
    if isinstance(part, bytes):
        return part
    if isinstance(part, Part):
        if part.source not in ("method", "url"):
            return part
        text = b"POST" if part.source == "method" else _signed_url(scheme, url)
        return functools.reduce(lambda data, name: FILTERS[name](data), part.filters, text)
    if part.value == "method":
        return b"POST"
    return part.value if part.value != "url" else _signed_url(scheme, url)


def _signed_url(scheme: SchemeData, url: str | None) -> bytes:
    if not url:
        raise UsageError(
            f"scheme {scheme.name} signs the URL too: give the URL that the sender uses, as public_url or url"
        )
    return url_text(scheme, url).encode("utf-8", "surrogatepass")


def _base64(state: _Hash) -> str:
    return binascii.b2a_base64(state.digest(), newline=False).decode("ascii")


def _base64url(state: _Hash) -> str:
    return binascii.b2a_base64(state.digest(), newline=False).translate(_URL_SAFE).rstrip(b"=").decode("ascii")


def _upper_hex(state: _Hash) -> str:
    return state.hexdigest().upper()


_ENCODERS: dict[Encoding, Callable[[_Hash], str]] = {
    "HEX": _upper_hex,
    "base64": _base64,
    "base64url": _base64url,
}
