"""One simulated event as JSON: what was sent, what came back, how long it took.

Values of sensitive headers are masked.
"""

from __future__ import annotations

from typing import Any

from loadsim.plan.redact import redact_url
from loadsim.single.result import Simulation


def simulation_document(simulation: Simulation) -> dict[str, Any]:
    """A simulation as one JSON-able object; what is not known is None."""
    answer, failure = simulation.answer, simulation.failure
    return {
        "event": simulation.event,
        "endpoint": simulation.endpoint,
        "url": redact_url(simulation.url),
        "delivered": simulation.delivered,
        "status": answer.status if answer else None,
        "reason": simulation.concealed(answer.reason) if answer else None,
        "latency_ms": simulation.timings.total if answer else None,
        "timings_ms": simulation.timings.steps(),
        "delivery_headers": simulation.shown_headers(),
        "payload": simulation.payload.decode("utf-8", "replace"),
        "response": {
            "headers": [[name, value] for name, value in simulation.answer_headers()],
            "body": simulation.concealed(answer.body.decode("utf-8", "replace")),
            "truncated": answer.truncated,
        }
        if answer
        else None,
        "error": {"kind": failure.kind.name, "text": simulation.concealed(failure.text)} if failure else None,
        "diagnosis": simulation.advice(),
        "seed": simulation.seed,
    }
