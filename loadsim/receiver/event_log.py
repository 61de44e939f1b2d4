"""Log lines of verified events: a line for a person, or a JSON object for a machine.

They show the event type and whether it is a simulation; never a secret, a signature or other parts of the body.
"""

from __future__ import annotations

import orjson

from loadsim.report.numbers import printable

_LONGEST_NAME = 100


def verified_line(body: bytes) -> str:
    """The line for a person, in the provider's own wording."""
    event, simulation = _of(body)
    return f"Webhook verified, event: {event} | simulation: {'true' if simulation else 'false'}"


def verified_record(body: bytes, now_s: float, worker: int) -> str:
    """The line as one JSON object: time (seconds since 1970), message, event, simulation, bytes, worker."""
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
    """The event's name in printable form, and whether it is a simulation."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    fields = document if isinstance(document, dict) else {}
    event = printable(str(fields.get("event", "unknown"))[:_LONGEST_NAME])
    return event, fields.get("simulation") is True
