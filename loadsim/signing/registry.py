"""The signature schemes that are known by name, each one value of `Scheme`."""

from __future__ import annotations

import difflib

from loadsim.model import UsageError
from loadsim.signing.description import Field, Scheme, SignatureHeader, TimestampHeader

_SCHEMES = (
    # No window is documented; 300 s is what providers with the same formula use.
    Scheme(
        name="trackpilots",
        title="Trackpilots",
        signature=SignatureHeader("X-Webhook-Signature"),
        timestamp=TimestampHeader("X-Webhook-Timestamp"),
        signed=(Field.timestamp, b".", Field.body),
        tolerance_s=300,
        default_secret_env="TRACKPILOTS_WEBHOOKS_SECRET_KEY",  # noqa: S106 - a variable's name
    ),
    # github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md (symmetric signatures, v1)
    Scheme(
        name="standard-webhooks",
        title="Standard Webhooks (Svix, OpenAI, Resend and others)",
        signature=SignatureHeader("webhook-signature", prefix=b"v1,", separator=b" "),
        timestamp=TimestampHeader("webhook-timestamp"),
        id_header="webhook-id",
        signed=(Field.id, b".", Field.timestamp, b".", Field.body),
        encoding="base64",
        key="whsec",
        tolerance_s=300,
        default_secret_env="STANDARD_WEBHOOKS_SECRET",  # noqa: S106 - a variable's name
    ),
    # docs.github.com, "Validating webhook deliveries"
    Scheme(
        name="github",
        title="GitHub",
        signature=SignatureHeader("X-Hub-Signature-256", prefix=b"sha256="),
        id_header="X-GitHub-Delivery",
        signed=(Field.body,),
        default_secret_env="GITHUB_WEBHOOK_SECRET",  # noqa: S106 - a variable's name
    ),
)

_BY_NAME = {each.name: each for each in _SCHEMES}


def scheme_names() -> tuple[str, ...]:
    """Every known scheme's name."""
    return tuple(_BY_NAME)


def scheme(name: str) -> Scheme:
    """The scheme of that name. Raises UsageError with the known names, and the nearest one."""
    try:
        return _BY_NAME[name]
    except KeyError:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        known = ", ".join(_BY_NAME)
        raise UsageError(f"unknown signature scheme {name!r}: {hint}known schemes are {known}") from None
