"""Key pairs: Ed25519 (RFC 8032), ECDSA on P-256 (FIPS 186-5) and RSA with PKCS #1 v1.5 (RFC 8017).

With `certificates` the only file of `signing` that uses the package `cryptography`, which is an extra.
"""

from __future__ import annotations

import base64
import binascii
import functools
from typing import TYPE_CHECKING, Any

from loadsim.extras import install
from loadsim.model import Secret, UsageError

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import Algorithm

SEED_BYTES = 32
SEED_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
"""Prefixes of Ed25519 keys in base64, by Standard Webhooks."""
LEAST_RSA_BITS = 2048
_PEM = "-----BEGIN "
_NAMES = {"ed25519": "an Ed25519 key", "ecdsa-p256": "an ECDSA key on P-256", "rsa-sha256": "an RSA key"}
_NAMES["rsa-sha1"] = _NAMES["rsa-sha256"]


class KeyPair:
    """The keys of one algorithm, from the secret's text: a private key, or a public one that only verifies.

    The text is PEM; an Ed25519 key may also be its 32 bytes in hex or base64, with `whsk_` (private, the default) or
    `whpk_` (public) before it.
    """

    def __init__(self, algorithm: Algorithm, secret: Secret, scheme_name: str) -> None:
        """Raises UsageError, which never shows the secret."""
        self._algorithm, self._name = algorithm, scheme_name
        found = _loaded(algorithm, secret.reveal(), scheme_name)
        self._private = found if hasattr(found, "public_key") else None
        self.public = found.public_key() if self._private is not None else found
        if not _fits(algorithm, self.public):
            raise UsageError(f"the key is not {_NAMES[algorithm]}, as scheme {scheme_name} needs")
        self._arguments = _arguments(algorithm)
        self.size: int | None = {"ed25519": 64, "ecdsa-p256": None}.get(algorithm, 0)
        """Bytes of a signature; None: that varies."""
        if self.size == 0:
            self.size = (self.public.key_size + 7) // 8

    @property
    def is_private(self) -> bool:
        """Whether it can sign."""
        return self._private is not None

    @property
    def private(self) -> Any:
        """The private key. Raises UsageError for a public one."""
        if self._private is None:
            raise UsageError(f"the key is a public one: scheme {self._name} needs the private key to sign")
        return self._private

    def sign(self, message: bytes) -> bytes:
        """The signature; of ECDSA in DER. Raises UsageError for a public key."""
        signature: bytes = self.private.sign(message, *self._arguments)
        return signature

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature belongs to the message. Never raises."""
        from cryptography.exceptions import InvalidSignature

        if self._algorithm == "ecdsa-p256" and not _is_der(signature):
            return False
        try:
            self.public.verify(signature, message, *self._arguments)
        except (InvalidSignature, ValueError):
            return False
        return True

    def public_text(self, form: str) -> str:
        """The public key as providers show it: "pem", or its bytes in "hex" or "base64" (of Ed25519 the raw 32, of
        others DER)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        if form == "pem":
            pem: bytes = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return pem.decode()
        is_raw = self._algorithm == "ed25519"
        data: bytes = self.public.public_bytes(
            Encoding.Raw if is_raw else Encoding.DER, PublicFormat.Raw if is_raw else PublicFormat.SubjectPublicKeyInfo
        )
        return data.hex() if form == "hex" else base64.b64encode(data).decode()


def new_private_key(algorithm: Algorithm, scheme_name: str) -> str:
    """A new private key in PEM, from the system's random numbers."""
    serialization = _library(scheme_name)
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    key: Any
    if algorithm == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif algorithm == "ecdsa-p256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(65_537, LEAST_RSA_BITS)
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def _library(scheme_name: str) -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ModuleNotFoundError:
        raise UsageError(
            f"scheme {scheme_name} signs with a key pair, which needs the package cryptography: {install('asymmetric')}"
        ) from None
    return serialization


@functools.lru_cache(maxsize=32)  # an RSA key is checked when it is read, which takes long
def _loaded(algorithm: Algorithm, text: str, scheme_name: str) -> Any:
    serialization = _library(scheme_name)
    text = text.strip()
    try:
        if text.startswith(_PEM):
            if "PRIVATE KEY-----" in text:
                return serialization.load_pem_private_key(text.encode(), None)
            return serialization.load_pem_public_key(text.encode())
        if algorithm == "ed25519":
            return _raw_ed25519(text)
        der = base64.b64decode(text, validate=True)  # as SendGrid shows its public key
        try:
            return serialization.load_der_public_key(der)
        except ValueError:
            return serialization.load_der_private_key(der, None)
    except (ValueError, TypeError, _unsupported()):
        raise UsageError(
            f"the key cannot be read: scheme {scheme_name} needs {_NAMES[algorithm]} in PEM, without a pass phrase"
        ) from None


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm


def _raw_ed25519(text: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    bare = text.removeprefix(PUBLIC_PREFIX).removeprefix(SEED_PREFIX)
    try:
        data = binascii.unhexlify(bare)
    except ValueError:
        data = base64.b64decode(bare, validate=True)
    if text.startswith(PUBLIC_PREFIX):
        return Ed25519PublicKey.from_public_bytes(data)
    # Standard Webhooks' libraries write the seed followed by the public key: 64 bytes.
    return Ed25519PrivateKey.from_private_bytes(data[:SEED_BYTES] if len(data) == 2 * SEED_BYTES else data)


def _fits(algorithm: Algorithm, public: Any) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if algorithm == "ed25519":
        return isinstance(public, ed25519.Ed25519PublicKey)
    if algorithm == "ecdsa-p256":
        return isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)
    return isinstance(public, rsa.RSAPublicKey) and public.key_size >= LEAST_RSA_BITS


def _arguments(algorithm: Algorithm) -> tuple[Any, ...]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    if algorithm == "ed25519":
        return ()
    if algorithm == "ecdsa-p256":
        return (ec.ECDSA(hashes.SHA256()),)
    return (padding.PKCS1v15(), hashes.SHA256() if algorithm == "rsa-sha256" else hashes.SHA1())  # noqa: S303


def _is_der(signature: bytes) -> bool:
    """Whether it is r and s in DER in their one spelling, nothing behind, and neither zero."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    try:
        r, s = decode_dss_signature(signature)
        return r > 0 and s > 0 and encode_dss_signature(r, s) == signature
    except ValueError:
        return False
