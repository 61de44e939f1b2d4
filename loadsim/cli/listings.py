"""What the commands that list events and signature schemes print with `--json`."""

from __future__ import annotations

import msgspec


class EventRow(msgspec.Struct, frozen=True):
    """One event type."""

    name: str
    """What loadsim calls it."""
    topic: str
    """What its provider calls it."""
    scheme: str
    """Name of the signature scheme that its provider uses."""
    description: str
    """When it is sent."""


class EventList(msgspec.Struct, frozen=True, kw_only=True):
    """What `loadsim events --json` prints."""

    schema: str = "loadsim.events/1"
    events: tuple[EventRow, ...]
    """By provider."""


class SchemeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One signature scheme."""

    name: str
    """What loadsim calls it."""
    title: str
    """Name of the provider."""
    headers: dict[str, str]
    """Name → what it holds."""
    retry_headers: dict[str, str]
    """Further headers of a retry: name → what it holds."""
    formula: str
    """How the signature is made."""
    key: str
    """What the key is, in words."""
    timestamp: str
    """Where the time of signing is, in words."""
    tolerance_s: float | None
    """Largest age and lead of the timestamp; None: there is no window."""
    separator: str | None
    """Between several signatures; None: there is one only."""
    secret_env: str
    """The environment variable that holds the secret unless another is named."""
    events: tuple[str, ...]
    """Its event types."""
    confirmed: str | None
    """The library of the provider, or the published signatures, that accept what is sent; None: not confirmed."""
    documentation: str | None = None
    """The provider's page, and when it was read; None: none is named."""


class SchemeList(msgspec.Struct, frozen=True, kw_only=True):
    """What `loadsim schemes --json` prints; with `show`, one scheme."""

    schema: str = "loadsim.schemes/1"
    schemes: tuple[SchemeRow, ...]
    """In the order of the list."""


class VerificationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `loadsim schemes verify --json` prints."""

    schema: str = "loadsim.verification/1"
    scheme: str
    verified: bool
    """Whether the delivery is genuine."""
    rejection: str | None
    """Kind of refusal, such as `wrong_signature`; None: it was verified."""
    findings: tuple[str, ...]
    """In words: the cause first, where it was found."""
