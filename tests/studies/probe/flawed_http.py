"""Small aiohttp receivers, each with one mistake that is made in the field: what a probe must name.

They check the Trackpilots scheme with a few lines of their own; `read` is what they make of the body before they do.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

SECRET = "tests-only"


def receiver(
    read: Callable[[bytes], bytes] = lambda body: body,
    *,
    oldest_s: float = 300,
    newest_s: float = 300,
    ahead_s: float = 0,
    verifies: bool = True,
    dated: bool = True,
    secret: str = SECRET,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler. `ahead_s` is how wrong its clock is, and `dated` whether it tells it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        status, text = _decision(request, body)
        headers = {"Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + ahead_s))}
        response = web.json_response({"said": text}, status=status, headers=headers if dated else None)
        if not dated:
            response.headers["Date"] = ""
        return response

    def _decision(request: web.Request, body: bytes) -> tuple[int, str]:
        signature = request.headers.get("X-Webhook-Signature", "")
        timestamp = request.headers.get("X-Webhook-Timestamp", "")
        if not verifies:
            return 200, "thanks"
        message = timestamp.encode() + b"." + read(body)
        if not hmac.compare_digest(hmac.digest(secret.encode(), message, hashlib.sha256).hex(), signature):
            return 401, "no"
        age_s = time.time() + ahead_s - int(timestamp)
        return (200, "thanks") if -newest_s <= age_s <= oldest_s else (401, "no")

    return handle
