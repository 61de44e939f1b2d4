"""aiohttp's ClientSession on uvloop sending signed app-tracking events: one task per connection, one event after the
other. Arguments: URL, seconds, connections. Environment: TRACKPILOTS_WEBHOOKS_SECRET_KEY.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import aiohttp
import uvloop
from signed_event import signed_event  # type: ignore[import-not-found]

SECRET = os.environ["TRACKPILOTS_WEBHOOKS_SECRET_KEY"].encode()  # noqa: TID251 - no secret in argv


async def send(session: aiohttp.ClientSession, url: str, until: float) -> int:
    """Send until the time is over; how many were not answered with 200."""
    failed = 0
    while time.monotonic() < until:
        body, headers = signed_event(SECRET, "aiohttp")
        async with session.post(url, data=body, headers=headers) as response:
            await response.read()
            failed += response.status != 200
    return failed


async def main(url: str, seconds: float, connections: int) -> int:
    """Exit code: 0 when every event was answered with 200."""
    connector = aiohttp.TCPConnector(limit=connections, ssl=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        until = time.monotonic() + seconds
        failed = await asyncio.gather(*(send(session, url, until) for _ in range(connections)))
    return 1 if sum(failed) else 0


if __name__ == "__main__":
    sys.exit(uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))))
