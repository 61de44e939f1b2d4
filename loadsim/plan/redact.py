"""What must never be shown: values of telling headers, user info and query values of URLs.

Decides by the name alone, without regard to case. Refuses to guess from values.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_TELLING = re.compile(r"^(?:proxy-)?authorization$|^(?:set-)?cookie$|token|key|secret", re.IGNORECASE)
_URL = re.compile(r"(?s)([^?#]*)(\?[^#]*)?(#.*)?")


def is_telling(name: str) -> bool:
    """True for a header whose value is a credential: Authorization, Cookie, `*token*`, `*key*`, `*secret*`."""
    return _TELLING.search(name.strip()) is not None


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the values of telling ones as `***`."""
    return {name: MASK if is_telling(name) else value for name, value in headers.items()}


def redact_url(url: str) -> str:
    """The URL with user info, query values and fragment as `***`. Takes any text and never raises."""
    base, query, fragment = re.fullmatch(_URL, url).groups()  # type: ignore[union-attr]  # matches any text
    scheme, separator, rest = base.partition("://") if "://" in base else ("", "", base)
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        authority = f"{MASK}@{authority.rpartition('@')[2]}"
    masked = "&".join(_masked_pair(pair) for pair in query[1:].split("&")) if query else ""
    return "".join(
        (scheme, separator, authority, slash, path, f"?{masked}" if query else "", f"#{MASK}" if fragment else "")
    )


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals else (MASK if pair else "")


def redacted(document: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario's document, fit to be stored and shown."""
    shown = copy.deepcopy(dict(document))
    target = shown.get("target")
    if isinstance(target, dict):
        for key in ("url", "public_url", "ledger", "proxy"):
            if isinstance(target.get(key), str):
                target[key] = redact_url(target[key])
        if isinstance(target.get("headers"), dict):
            target["headers"] = redact_headers(target["headers"])
    return shown
