"""JSON Web Tokens (RFC 7519) as schemes describe them: the algorithm, the header, and the claims as templates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadsim.signing.fields import Field
from loadsim.signing.message_parts import Part

Shared = Literal["HS256", "HS384", "HS512"]
Paired = Literal["RS256", "ES256", "EdDSA"]
KEY_PAIRS: dict[str, Literal["rsa-sha256", "ecdsa-p256", "ed25519"]] = {
    "RS256": "rsa-sha256",
    "ES256": "ecdsa-p256",
    "EdDSA": "ed25519",
}
"""The key pair that an algorithm of tokens needs."""
TIMES = ("iat", "nbf", "exp")
"""The claims that say when a token was made and is valid; the first that a token has is its timestamp."""
ALWAYS_CHECKED = ("iss", "aud")
_OF_URL = ("", "method", "url", "path", "query")
TokenValue = str | int | bool


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: a fixed value, a time, or a text made of parts of the delivery."""

    name: str
    value: TokenValue | None = None
    """The fixed value; None: it is made."""
    offset_s: int | None = None
    """Of a time: seconds after the moment of signing."""
    parts: tuple[Field | Part | bytes, ...] = ()
    is_checked: bool = False
    """Whether a receiver compares it; times are judged in any case."""

    @property
    def template(self) -> str:
        """As a table has it."""
        if self.offset_s is not None:
            return f"{{timestamp{self.offset_s:+d}}}" if self.offset_s else "{timestamp}"
        if self.value is not None:
            return str(self.value) if isinstance(self.value, str) else repr(self.value).lower()
        return "".join(map(written, self.parts))


@dataclass(frozen=True, slots=True)
class Token:
    """What a token holds. The header has `alg` and `typ` too."""

    algorithm: Shared | Paired
    claims: tuple[Claim, ...]
    header: tuple[tuple[str, TokenValue], ...] = ()

    @property
    def times(self) -> tuple[Claim, ...]:
        """The claims that are times, the timestamp first."""
        found = {claim.name: claim for claim in self.claims if claim.offset_s is not None and claim.name in TIMES}
        return tuple(found[name] for name in TIMES if name in found)

    @property
    def parts(self) -> tuple[Field | Part | bytes, ...]:
        """The parts of the delivery that the checked claims hold."""
        return tuple(part for claim in self.claims if claim.is_checked for part in claim.parts)

    @property
    def holds_id(self) -> bool:
        """Whether a claim holds the event's id."""
        return any(source_of(part) == "id" for claim in self.claims for part in claim.parts)

    @property
    def is_of_time_alone(self) -> bool:
        """Whether all deliveries of one moment to one URL have the same token."""
        return all(source_of(part) in _OF_URL for claim in self.claims for part in claim.parts)

    @property
    def words(self) -> str:
        """The token in words, such as `JWT (ES256) with iat = {timestamp}`."""
        return f"JWT ({self.algorithm}) with {', '.join(f'{each.name} = {each.template}' for each in self.claims)}"


def written(part: Field | Part | bytes) -> str:
    """A part as it stands in a template."""
    if isinstance(part, bytes):
        return part.decode("utf-8", "replace")
    return f"{{{part if isinstance(part, Part) else part.value}}}"


def source_of(part: Field | Part | bytes) -> str:
    """Where a part comes from, such as `body` or `json`; of literal text it is empty."""
    if isinstance(part, bytes):
        return ""
    return part.source if isinstance(part, Part) else part.value
