"""FastAPI that verifies with the official library (`standardwebhooks`), for uvicorn. The secret is in BENCH_SECRET."""

import os

from fastapi import FastAPI, HTTPException, Request  # type: ignore[import-not-found, unused-ignore]
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["BENCH_SECRET"])  # noqa: TID251 - given by the benchmark
app = FastAPI()


@app.post("/webhooks/trackpilots")  # type: ignore[untyped-decorator, unused-ignore]
async def receive(request: Request) -> dict[str, bool]:
    """Take one webhook; the library parses the body too."""
    body = await request.body()
    try:
        WEBHOOK.verify(body, dict(request.headers))
    except WebhookVerificationError:
        raise HTTPException(401, "Invalid signature") from None
    return {"received": True}
