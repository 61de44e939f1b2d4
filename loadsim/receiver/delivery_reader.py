"""What is read from a delivery, beside its signature: the type of its event and its chosen headers."""

from __future__ import annotations

from collections.abc import Mapping

from loadsim.events.capture_file import belongs_to_connection
from loadsim.events.capture_row import type_in_body, usable_type
from loadsim.measure.delivery_ids import HEADER
from loadsim.model import UsageError
from loadsim.receiver.answer_choice import CONTENT_TYPE
from loadsim.receiver.kept_fields import Field, text_of
from loadsim.signing import Scheme

NEVER = frozenset({"authorization", "cookie", "proxy-authorization", HEADER.lower()})
"""Headers, lower case, that no capture has: credentials, and the identity of one delivery."""


class DeliveryReader:
    """Reads from a delivery what its scheme and the user want to know: the type of its event, its chosen headers."""

    def __init__(self, scheme: Scheme, chosen: tuple[str, ...] = ()) -> None:
        """`chosen`: names of further headers. Raises UsageError for one that a capture must not have."""
        templates = [(name.lower(), value) for name, value in scheme.header_templates()]
        self._event_headers = tuple(name for name, value in templates if value == "{event}")
        own = {name for name, value in templates if "{" in value and value != "{event}"}
        own |= scheme.secret_headers() | {name.lower() for name in scheme.signature.further} | NEVER
        for name in chosen:
            if name.lower() in own or belongs_to_connection(name):
                raise UsageError(f"--capture-header {name}: it is of one delivery or connection alone, or a secret")
        self._chosen = frozenset((CONTENT_TYPE, *self._event_headers, *(name.lower() for name in chosen)))

    def headers(self, fields: list[Field]) -> dict[str, str]:
        """The chosen headers, with names as they came. Of repeated ones the values are joined, as in RFC 9110, 5.3."""
        found: dict[str, tuple[str, str]] = {}
        for name, value in fields:
            written = name.decode("latin-1")
            lower = written.lower()
            if lower in self._chosen:
                text = text_of(value.strip(b" \t"))
                first, before = found.get(lower, (written, ""))
                found[lower] = (first, f"{before}, {text}" if before else text)
        return dict(found.values())

    def type(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """The type of the event: as the provider's header says it, else the body; None where neither does."""
        lower = {name.lower(): value for name, value in headers.items()}
        named = next((lower[name] for name in self._event_headers if name in lower), None)
        return usable_type(named) or type_in_body(body, lower.get(CONTENT_TYPE, ""))
