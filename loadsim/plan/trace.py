"""`[trace]` of a scenario: the header `traceparent` (W3C Trace Context) on every delivery."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from loadsim.plan.receiver_behaviour import Percent
from loadsim.plan.typed_document import DocumentError

PLACE = "{trace_id}"
"""What a link must have: the place of the trace id."""
HEADERS = frozenset({"traceparent", "tracestate"})
"""Headers, lower case, that a trace has one of for each delivery."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Send the header `traceparent` (W3C Trace Context) with every delivery. Without this table none is sent, as
    providers send none."""

    sampled: Percent = 0.01
    """The share of deliveries with the flag `sampled`, which asks the endpoint to record their trace. For example
    `"100%"`."""
    link: str | None = None
    """The page of a trace in your tracing system: reports link each event that they name to it. For example
    `"https://tracing.example.test/trace/{trace_id}"`."""

    def page_of(self, trace_id: str) -> str | None:
        """The page of a trace; None without a link."""
        return None if self.link is None else self.link.replace(PLACE, trace_id)


def check_trace(trace: Trace, headers: Mapping[str, object]) -> None:
    """Rules of `[trace]`. `headers`: those of the target."""
    for name in headers:
        if name.lower() in HEADERS:
            raise DocumentError(f"target.headers.{name}", "[trace] (--trace) makes its own for each event: keep one")
    if trace.link is not None:
        check_link(trace.link)


def check_link(link: str) -> None:
    """An absolute http or https URL with the place of a trace id. The message never repeats it."""
    try:
        parts = urlsplit(link)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or not link.isprintable() or any(char in ' "<>`' for char in link):
        raise DocumentError(
            "trace.link", "needs a URL without user name, such as https://example.test/trace/{trace_id}"
        )
    if PLACE not in link:
        raise DocumentError("trace.link", f"has no {PLACE}, where the id of a trace is put in")
