"""One simulated event as JSON: what was sent, what came back, how long it took.

Values of sensitive headers are masked.
"""

from __future__ import annotations

import datetime

import msgspec

from loadsim import __version__
from loadsim.plan.redact import redact_url
from loadsim.single.result import Simulation

SCHEMA = "loadsim.simulation/1"


class ResponseRow(msgspec.Struct, frozen=True):
    """What the endpoint answered."""

    headers: list[tuple[str, str]]
    """Name and value of each; a name may occur several times."""
    body: str
    """Its beginning, secrets masked."""
    truncated: bool
    """The body was longer than what is kept."""


class ErrorRow(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    kind: str
    """Error kind, such as `refused`."""
    text: str
    """In words, with what to check."""


class SimulationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated event and its outcome. What is not known is None."""

    schema: str = SCHEMA
    version: str
    event: str
    """Event type."""
    endpoint: str | None
    """Its name in loadsim.toml; None: it was given by URL."""
    url: str
    """Redacted."""
    http: str | None
    """The version of HTTP that the event was, or would have been, sent in: `1.1` or `2`; None: the name of the host was
    not resolved."""
    sent_at: str
    """ISO 8601, UTC."""
    delivered: bool
    """Answered 2xx."""
    status: int | None
    """HTTP status of the answer."""
    reason: str | None
    """Its reason phrase."""
    latency_ms: float | None
    """From the start to the last byte of the answer."""
    timings_ms: dict[str, float | None]
    """Of each step: `dns`, `connect`, `tls`, `first_byte` (from the sent request on), `total`."""
    delivery_headers: dict[str, str | tuple[str, ...]]
    """Content type, signature headers, and those that were given; secrets masked."""
    payload: str
    """The body that was sent."""
    response: ResponseRow | None
    """None: there was no answer."""
    error: ErrorRow | None
    """None: there was an answer."""
    diagnosis: str | None
    """The likely cause of a refusal, in words."""
    seed: int | None
    """What the payload was made from; None: from a file."""


def simulation_document(simulation: Simulation, at: datetime.datetime) -> SimulationDocument:
    """The document of a simulation that was sent at this time (UTC)."""
    answer, failure = simulation.answer, simulation.failure
    response = error = None
    if answer is not None:
        body = simulation.concealed(answer.body.decode("utf-8", "replace"))
        response = ResponseRow(simulation.answer_headers(), body, answer.truncated)
    if failure is not None:
        error = ErrorRow(failure.kind.name, simulation.concealed(failure.text))
    return SimulationDocument(
        version=__version__,
        event=simulation.event,
        endpoint=simulation.endpoint,
        url=redact_url(simulation.url),
        http=simulation.http,
        sent_at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        delivered=simulation.delivered,
        status=answer.status if answer else None,
        reason=simulation.concealed(answer.reason) if answer else None,
        latency_ms=simulation.timings.total if answer else None,
        timings_ms=simulation.timings.steps(),
        delivery_headers=simulation.shown_headers(),
        payload=simulation.payload.decode("utf-8", "replace"),
        response=response,
        error=error,
        diagnosis=simulation.advice(),
        seed=simulation.seed,
    )
