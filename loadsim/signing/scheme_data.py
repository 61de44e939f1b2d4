"""Descriptions of signature schemes as data: what is signed, with which key, and in which headers.

A scheme is a value of `Scheme`; those of known providers are the tables of `schemes.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadsim.signing.fields import Field
from loadsim.signing.message_parts import Part
from loadsim.signing.timestamps import TICK_NS, Unit
from loadsim.signing.tokens import KEY_PAIRS, Token, written

Digest = Literal["sha1", "sha256", "sha512"]
Algorithm = Literal[
    "hmac", "none", "ed25519", "ecdsa-p256", "rsa-sha256", "rsa-sha1",
    "HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA",
]  # fmt: skip
"""The last six are those of tokens (RFC 7518)."""
Encoding = Literal["hex", "HEX", "base64", "base64url", "text"]
KeyForm = Literal["utf8", "whsec", "whsec-or-utf8", "base64", "hex", "sha1"]

KEY_FORMS: dict[KeyForm, str] = {
    "utf8": "the secret verbatim",
    "whsec": "base64-decoded after an optional whsec_",
    "whsec-or-utf8": "base64-decoded after whsec_, without it the secret verbatim",
    "base64": "base64-decoded",
    "hex": "hex-decoded",
    "sha1": "the SHA-1 of the secret",
}
"""How the secret's text becomes the key, in words."""


ALGORITHMS: dict[Algorithm, str] = {
    "hmac": "HMAC",
    "none": "no signature",
    "ed25519": "Ed25519",
    "ecdsa-p256": "ECDSA (P-256, SHA-256)",
    "rsa-sha256": "RSA (PKCS #1 v1.5, SHA-256)",
    "rsa-sha1": "RSA (PKCS #1 v1.5, SHA-1)",
}
"""The algorithms in words, without those of tokens."""
ENCODINGS: dict[Encoding, str] = {
    "hex": "hex",
    "HEX": "upper-case hex",
    "base64": "base64",
    "base64url": "base64url",
    "text": "plain text",
}
"""How a code is written, in words."""


Place = Literal["header", "json", "form"]


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """The header with the signature: `prefix` is before each signature, `separator` between several of them.

    With `separator=None` there is exactly one signature. With `timestamp_prefix` the timestamp is an entry of the same
    header: `t=1700000000,v1=…`; an empty one is a bare timestamp, which stands first.
    """

    name: str
    prefix: bytes = b""
    separator: bytes | None = None
    timestamp_prefix: bytes | None = None
    is_prefix_once: bool = False
    """The prefix stands once before the whole list, not before each signature."""
    further: tuple[str, ...] = ()
    """Headers in the same form for the signatures under further secrets."""
    place: Place = "header"
    """Where `name` is: a header, a field of the JSON body (a path) or of the form-encoded body."""

    def prefixed(self, entries: list[bytes]) -> list[bytes]:
        """The entries of a header's value, each with its prefix also where that stands once before the list."""
        if not self.is_prefix_once:
            return entries
        first = next((number for number, entry in enumerate(entries) if entry.startswith(self.prefix)), len(entries))
        return entries[: first + 1] + [self.prefix + entry for entry in entries[first + 1 :]]

    @property
    def joint(self) -> bytes:
        """What stands before a further signature in a list."""
        return (self.separator or b"") + (b"" if self.is_prefix_once else self.prefix)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Where the time of signing is found, and its form.

    `name` is the name of a header, the prefix of an entry in the signature header, a top-level field of a JSON body, or
    a claim of the token.
    """

    place: Literal["header", "signature", "body", "token"]
    name: str
    unit: Unit = "s"
    copied_to: str | None = None
    """A header that repeats the time in the body; it is not verified."""

    @property
    def tick_ns(self) -> int:
        """Nanoseconds per unit of the text; RFC 3339 is written in milliseconds."""
        return TICK_NS[self.unit]


@dataclass(frozen=True, slots=True)
class CertificatePlace:
    """Where a delivery names the certificate of its key, by URL, and which ones a receiver may take."""

    place: Place
    name: str
    allowed: tuple[str, ...] = ()
    """URLs of the provider's certificates, with * for a label of the host or a step of the path."""
    url: str = ""
    """The URL that a sender writes; empty: that of the certificate that the receiver at the target serves."""


@dataclass(frozen=True, slots=True)
class NamedAlgorithm:
    """Where a delivery names its algorithm, and the value there; a receiver refuses any other."""

    place: Place
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SchemeData:
    """A provider's signature scheme: the encoded code or signature over `signed`, sent in headers or in the body.

    `tolerance_s` is how far the timestamp may be from now in both directions; None: there is no window. `id_headers`
    carry the event's id; the first is verified only if `signed` contains the id. `constants` are sent with every
    delivery; in their values `{event}` stands for the provider's name of the event. `url_decoded` are the characters
    that the provider percent-decodes in the URL before signing.
    """

    name: str
    title: str
    signature: SignatureHeader
    signed: tuple[Field | Part | bytes, ...]
    default_secret_env: str
    timestamp: Timestamp | None = None
    id_headers: tuple[str, ...] = ()
    constants: tuple[tuple[str, str], ...] = ()
    digest: Digest = "sha256"
    encoding: Encoding = "hex"
    key: KeyForm = "utf8"
    further_keys: tuple[KeyForm, ...] = ()
    """Further forms of the key, in order: a sender takes the first that fits, a receiver tries all."""
    algorithm: Algorithm = "hmac"
    token: Token | None = None
    """The token that stands in place of a signature; `signed` are then the parts that its checked claims hold."""
    tolerance_s: int | None = None
    url_decoded: str = ""
    like: str | None = None
    """The scheme that this one is a variant of."""
    retry_headers: tuple[tuple[str, str], ...] = ()
    """Sent with further attempts only; see `signing.retry_marks` for their fields."""
    retry_reasons: tuple[tuple[str, str], ...] = ()
    """The provider's words for the outcome of the attempt before, by entry of `retry_marks.REASONS`."""
    confirmed: str = ""
    """The library of the provider, or the published signatures, that accept what is sent; empty: none is known."""
    certificate: CertificatePlace | None = None
    named_algorithm: NamedAlgorithm | None = None
    documentation: str = ""
    """The provider's page, and when it was read; empty: see the comment of its table."""
    attempt_field: str | None = None
    """A field of the body that counts further attempts, 0 in the first."""
    accepts: SchemeData | None = None
    """This scheme with the header names of another one. A receiver accepts these too; a sender never writes them."""

    @property
    def pair(self) -> Algorithm | None:
        """The algorithm of the key pair that signs; None: both sides have the same secret."""
        if self.token is not None:
            return KEY_PAIRS.get(self.token.algorithm)
        return None if self.algorithm in ("hmac", "none") else self.algorithm

    @property
    def is_hmac(self) -> bool:
        """Whether it is an HMAC under the secret, of a message or of a token."""
        return self.algorithm != "none" and self.pair is None

    @property
    def signs_id(self) -> bool:
        """Whether the event's id is part of what is signed."""
        return self._signs("id")

    @property
    def signs_url(self) -> bool:
        """Whether the URL, or a part of it, is part of what is signed."""
        return self._signs("url", "path", "query")

    @property
    def signs_query(self) -> bool:
        """Whether values of the URL's query are part of what is signed."""
        return self._signs("query")

    def _signs(self, *sources: str) -> bool:
        return any(
            (part.value if isinstance(part, Field) else part.source) in sources
            for part in self.signed
            if not isinstance(part, bytes)
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the message beside the usual fields."""
        return tuple(part for part in self.signed if isinstance(part, Part))

    @property
    def is_usual(self) -> bool:
        """Whether it is an HMAC over the usual fields, sent in a header: the form with a fast path."""
        return self.algorithm == "hmac" and self.signature.place == "header" and not self.parts

    @property
    def covers_body(self) -> bool:
        """Whether every byte of the body is signed."""
        return any(part is Field.body or (isinstance(part, Part) and part.source == "body") for part in self.signed)

    @staticmethod
    def is_of_body(part: Field | Part | bytes) -> bool:
        """Whether a part of a message depends on the body."""
        return part is Field.body or (isinstance(part, Part) and part.is_of_body)

    @property
    def formula(self) -> str:
        """The computation in words: `HMAC-SHA256 of {timestamp}.{body} in hex`."""
        if self.token is not None:
            return self.token.words
        written = ENCODINGS[self.encoding]
        if self.algorithm == "none":
            return "the secret itself" if self.encoding == "text" else f"the secret itself in {written}"
        name = f"HMAC-{self.digest.upper()}" if self.algorithm == "hmac" else ALGORITHMS[self.algorithm]
        message = self.signed_text.replace("\n", "\\n")
        return f"{name} of {message} in {written}"

    @property
    def key_words(self) -> str:
        """How the secret becomes the key, in words."""
        if self.algorithm == "none":
            return "none: the secret is sent"
        if self.pair is not None:
            return "the private key (PEM); a receiver needs the public one only"
        return ", or ".join(KEY_FORMS[key] for key in (self.key, *self.further_keys))

    @property
    def signed_text(self) -> str:
        """The signed message as a template, such as `{timestamp}.{body}`."""
        return "".join(map(written, self.signed))

    def header_names(self) -> tuple[str, ...]:
        """The headers that a receiver must read, lower case: signature, then timestamp and id if they are needed, then
        others that are signed."""
        names = [self.signature.name] if self.signature.place == "header" else []
        if self.timestamp is not None and self.timestamp.place == "header":
            names.append(self.timestamp.name)
        if self.signs_id:
            names.append(self.id_headers[0])
        names += [part.name for part in self.parts if part.source == "header"]
        names += [each.name for each in (self.certificate, self.named_algorithm) if each and each.place == "header"]
        return tuple(dict.fromkeys(name.lower() for name in names))

    def secret_headers(self) -> frozenset[str]:
        """The headers that hold the secret itself, lower case: they must never be shown."""
        signature = self.signature
        if self.algorithm != "none" or signature.place != "header":
            return frozenset()
        return frozenset(name.lower() for name in (signature.name, *signature.further))

    def header_templates(self) -> tuple[tuple[str, str], ...]:
        """Every header that is sent, in order, as (name, value with fields in braces).

        Where the signature stands in the body, the last is its place there, as in `json:PATH`.
        """
        pairs = list(self.constants)
        if self.timestamp is not None and self.timestamp.place == "header":
            pairs.append((self.timestamp.name, "{timestamp}"))
        if self.timestamp is not None and self.timestamp.copied_to is not None:
            pairs.append((self.timestamp.copied_to, "{timestamp}"))
        pairs += [(name, "{id}") for name in self.id_headers]
        if self.certificate is not None and self.certificate.place != "header":
            pairs.append((f"{self.certificate.place}:{self.certificate.name}", "{certificate-url}"))
        signature = self.signature
        field = "secret" if self.algorithm == "none" else "signatures" if signature.is_prefix_once else "signature"
        if self.token is not None:
            field = "jwt"
        value = signature.prefix.decode() + f"{{{field}}}"
        if signature.timestamp_prefix is not None:
            separator = (signature.separator or b"").decode()
            value = f"{signature.timestamp_prefix.decode()}{{timestamp}}{separator}{value}"
        where = "" if signature.place == "header" else f"{signature.place}:"
        return (*pairs, *((where + name, value) for name in (signature.name, *signature.further)))
