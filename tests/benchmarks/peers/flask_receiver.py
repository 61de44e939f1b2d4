"""Flask that verifies with the official library (`standardwebhooks`), for gunicorn. The secret is in BENCH_SECRET."""

from __future__ import annotations

import os

from flask import Flask, request  # type: ignore[import-not-found, unused-ignore]
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["BENCH_SECRET"])  # noqa: TID251 - given by the benchmark
app = Flask(__name__)


@app.post("/webhooks/trackpilots")  # type: ignore[untyped-decorator, unused-ignore]
def receive() -> tuple[dict[str, object], int]:
    """Take one webhook; the library parses the body too."""
    try:
        WEBHOOK.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        return {"error": "Invalid signature"}, 401
    return {"received": True}, 200
