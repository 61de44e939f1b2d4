"""The points and states of a live run as server-sent events."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

import orjson
from aiohttp import web

from loadsim.dashboard.live_run import LiveRun

PATH = "/load/stream"
HEARTBEAT_S = 15.0


async def stream(request: web.Request, run: LiveRun) -> web.StreamResponse:
    """Every stored point of the run, then each new one; `state` when that changes. It ends with the run.

    A client that lost its connection names the last point that it has, and continues from there.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    async with contextlib.aclosing(_events(run, request.headers.get("Last-Event-ID", ""))) as events:
        with contextlib.suppress(ConnectionResetError):  # the page was closed
            async for event in events:
                await response.write(event)
    return response


async def _events(run: LiveRun, last_id: str) -> AsyncGenerator[bytes, None]:
    number, _, point = last_id.partition("-")
    at = int(point) + 1 if number == str(run.number) and point.isascii() and point.isdigit() else 0
    last_state: bytes | None = None
    while True:
        for index in range(max(at, run.first), run.first + len(run.points)):
            data = orjson.dumps(run.points[index - run.first])
            yield b"event: point\nid: %d-%d\ndata: %s\n\n" % (run.number, index, data)
            at = index + 1
        state = orjson.dumps(run.document())
        if state != last_state:
            yield b"event: state\ndata: %s\n\n" % state
            last_state = state
        if run.over and at == run.first + len(run.points):
            return
        if not await run.changed(HEARTBEAT_S):
            yield b": heartbeat\n\n"
