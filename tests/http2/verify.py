"""An ASGI receiver: verifies each event the Trackpilots way, with nothing of loadsim's, and counts the different ones.

Environment: TRACKPILOTS_WEBHOOKS_SECRET_KEY. GET answers the count.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

SECRET = os.environ["TRACKPILOTS_WEBHOOKS_SECRET_KEY"].encode()  # noqa: TID251 - as the receivers in the docs
seen: set[bytes] = set()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The application."""
    if scope["type"] != "http":
        return
    assert scope["http_version"] == "2"
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["method"] == "GET":
        status, said = 200, b"%d" % len(seen)
    else:
        headers = dict(scope["headers"])
        message = headers.get(b"x-webhook-timestamp", b"") + b"." + body
        expected = hmac.new(SECRET, message, hashlib.sha256).hexdigest().encode()
        good = hmac.compare_digest(expected, headers.get(b"x-webhook-signature", b""))
        if good:
            seen.add(headers[b"x-loadsim-id"])
        status, said = (200, b"ok") if good else (401, b"no")
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})
