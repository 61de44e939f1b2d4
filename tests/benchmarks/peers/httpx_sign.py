"""httpx over HTTP/2 sending signed app-tracking events: one task per event in flight, one event after the other, all on
one connection. Arguments: URL, seconds, events in flight, certificate. Environment: TRACKPILOTS_WEBHOOKS_SECRET_KEY.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import time

import httpx
import uvloop
from signed_event import signed_event  # type: ignore[import-not-found]

SECRET = os.environ["TRACKPILOTS_WEBHOOKS_SECRET_KEY"].encode()  # noqa: TID251 - no secret in argv


async def send(client: httpx.AsyncClient, url: str, until: float) -> int:
    """Send until the time is over; how many were not answered with 200."""
    failed = 0
    while time.monotonic() < until:
        body, headers = signed_event(SECRET, "httpx")
        response = await client.post(url, content=body, headers=headers)
        failed += response.status_code != 200
    return failed


async def main(url: str, seconds: float, in_flight: int, certificate: str) -> int:
    """Exit code: 0 when every event was answered with 200."""
    trust = ssl.create_default_context(cafile=certificate)
    async with httpx.AsyncClient(http1=False, http2=True, verify=trust, timeout=30) as client:
        until = time.monotonic() + seconds
        failed = await asyncio.gather(*(send(client, url, until) for _ in range(in_flight)))
    return 1 if sum(failed) else 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
