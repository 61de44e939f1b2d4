"""The receiver's own page for machines: `GET /stats` and `GET /healthz`, on a port apart from the webhooks.

Decides the paths and that answers are JSON. Refuses to know how the figures come about.
"""

from __future__ import annotations

import socket

import msgspec
from aiohttp import web

from loadsim.receiver.supervisor import Supervisor


class Admin:
    """Serves the books of `supervisor` on `listener`, a listening socket."""

    def __init__(self, supervisor: Supervisor, listener: socket.socket) -> None:
        self._supervisor = supervisor
        self._listener = listener
        self.address: tuple[str, int] = listener.getsockname()[:2]
        app = web.Application()
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Begin to answer."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        """Close every connection and the listener."""
        await self._runner.cleanup()
        self._listener.close()

    async def _stats(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's handler signature
        return web.Response(body=msgspec.json.encode(self._supervisor.stats()), content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response({"status": "ok"})
