"""What a receiver says of the events that it verified: a line for a person, or a JSON object for a machine.

Decides the wording and what never appears: no secret, no signature, no body beyond its type and its simulation mark.
Refuses to know where lines go.
"""

from __future__ import annotations

import orjson

from loadsim.report.figures import printable

_LONGEST_NAME = 100


def verified_line(body: bytes) -> str:
    """The line of a verified event, in the provider's own wording."""
    event, simulation = _of(body)
    return f"Webhook verified, event: {event} | simulation: {'true' if simulation else 'false'}"


def verified_record(body: bytes, now_s: float, worker: int) -> str:
    """The same as one JSON object: seconds since 1970, what happened, event, simulation, bytes, worker."""
    event, simulation = _of(body)
    fields = {
        "time": round(now_s, 6),
        "message": "webhook verified",
        "event": event,
        "simulation": simulation,
        "bytes": len(body),
        "worker": worker,
    }
    return orjson.dumps(fields).decode()


def _of(body: bytes) -> tuple[str, bool]:
    """The event's name made printable, and whether it says that it is a simulation."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    fields = document if isinstance(document, dict) else {}
    event = printable(str(fields.get("event", "unknown"))[:_LONGEST_NAME])
    return event, fields.get("simulation") is True
