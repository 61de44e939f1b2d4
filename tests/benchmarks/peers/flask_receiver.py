"""Flask that verifies with the official library (`standardwebhooks`), for gunicorn. The secret is in BENCH_SECRET."""

import os

from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["BENCH_SECRET"])
app = Flask(__name__)


@app.post("/webhooks/trackpilots")
def receive():
    """Take one webhook; the library parses the body too."""
    try:
        WEBHOOK.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        return {"error": "Invalid signature"}, 401
    return {"received": True}
