"""Signs messages and checks signatures of one algorithm under one key, and writes them as a scheme does.

The codes of HMAC and of a secret that is sent as it is can be made by both sides; a signature of two keys can only be
made with the private one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import TYPE_CHECKING, Protocol

from loadsim.model import Secret, UsageError
from loadsim.signing.mac import hmac_of

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import Encoding, SchemeData

MOST_CHECKED = 4
"""Most signatures of one delivery that are checked with a public key: each costs as much as many HMACs."""


class Algorithm(Protocol):
    """One algorithm under one key. Threads may share it."""

    length: int | None
    """How long every code is; None: that varies."""

    def sign(self, message: bytes) -> str:
        """The code or signature of a message, as it stands in the delivery. Raises UsageError without a private key."""

    def is_among(self, message: bytes, codes: Sequence[bytes]) -> bool:
        """Whether one of `codes`, which a sender may have chosen, belongs to the message."""


def algorithm_of(scheme: SchemeData, secret: Secret) -> Algorithm:
    """The scheme's algorithm under the secret. Raises UsageError for a secret in the wrong form."""
    write = WRITERS[scheme.encoding]
    if scheme.algorithm == "hmac":
        digest = hmac_of(scheme, secret)
        return _Shared(lambda message: write(digest(message)), len(write(digest(b""))))
    if scheme.algorithm == "none":
        text = secret.reveal()
        if scheme.encoding == "text" and not (text.isascii() and text.isprintable() and text.strip() == text):
            raise UsageError(f"scheme {scheme.name} sends the secret itself: it must be printable ASCII")
        sent = write(text.encode("utf-8", "surrogatepass"))
        return _Shared(lambda _: sent, None)
    from loadsim.signing.asymmetric import KeyPair

    keys = KeyPair(scheme.algorithm, secret, scheme.name)
    length = None if keys.size is None else len(write(bytes(keys.size)))
    return _Paired(keys, write, READERS[scheme.encoding], length)


class _Shared:
    """Both sides make the code and compare."""

    def __init__(self, code: Callable[[bytes], str], length: int | None) -> None:
        self.sign, self.length = code, length

    def is_among(self, message: bytes, codes: Sequence[bytes]) -> bool:
        expected = self.sign(message).encode("ascii")
        # All are compared: stopping at the right one would reveal its position.
        return bool(sum(compare_digest(code, expected) for code in codes))


class _Paired:
    def __init__(
        self, keys: Keys, write: Callable[[bytes], str], read: Callable[[bytes], bytes], length: int | None
    ) -> None:
        self._keys, self._write, self._read, self.length = keys, write, read, length

    def sign(self, message: bytes) -> str:
        return self._write(self._keys.sign(message))

    def is_among(self, message: bytes, codes: Sequence[bytes]) -> bool:
        return any(self._is_of(message, code) for code in codes[:MOST_CHECKED])

    def _is_of(self, message: bytes, code: bytes) -> bool:
        try:
            signature = self._read(code)
        except ValueError:
            return False
        # One spelling only: else a signature could be sent again in another one.
        return self._write(signature).encode("ascii") == code and self._keys.verify(message, signature)


class Keys(Protocol):
    """A pair of keys, as in `asymmetric`."""

    def sign(self, message: bytes) -> bytes:
        """Raises UsageError without a private key."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Never raises."""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


WRITERS: dict[Encoding, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "HEX": lambda data: data.hex().upper(),
    "base64": lambda data: binascii.b2a_base64(data, newline=False).decode("ascii"),
    "base64url": _base64url,
    "text": lambda data: data.decode("ascii"),
}
READERS: dict[Encoding, Callable[[bytes], bytes]] = {
    "hex": binascii.unhexlify,
    "HEX": binascii.unhexlify,
    "base64": lambda text: base64.b64decode(text, validate=True),
    "base64url": lambda text: base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)),
}
"""They raise ValueError."""
