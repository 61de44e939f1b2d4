"""A routed aiohttp application as its documentation has it, which does the work of the companion receiver.

Verifies with loadsim's own verifier, then parses, then answers: what is compared is HTTP, not signatures.
Arguments: the port, the scheme. The secret stands in BENCH_SECRET.
"""

import os
import sys
import time

import orjson
import uvloop
from aiohttp import web

from loadsim.model import Secret
from loadsim.signing import scheme

VERIFIER = scheme(sys.argv[2]).verifier(Secret(os.environ["BENCH_SECRET"]))  # noqa: TID251 - given by the benchmark
counts = {"verified": 0, "refused": 0}


async def receive(request: web.Request) -> web.Response:
    """Take one webhook."""
    body = await request.read()
    rejection = VERIFIER.verify(request.headers, body, time.time())
    if rejection is not None:
        counts["refused"] += 1
        return web.json_response({"error": rejection.text}, status=rejection.status)
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return web.json_response({"error": "Invalid JSON"}, status=400)
    counts["verified"] += 1
    return web.json_response({"received": True})


def main() -> None:
    """Serve until killed."""
    app = web.Application()
    app.router.add_post("/webhooks/trackpilots", receive)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
