"""The receiver's own page for machines: `GET /stats`, `GET /ledger` and `GET /healthz`, on a port apart from webhooks.

Decides the paths and that answers are JSON. Refuses to know how the figures come about.
"""

from __future__ import annotations

import socket

import msgspec
from aiohttp import web

from loadsim.measure.ledger import encode_ledger
from loadsim.model import LoadsimError
from loadsim.receiver.ledger import RUNS
from loadsim.receiver.supervisor import Supervisor


class Admin:
    """Serves the books of `supervisor` on `listener`, a listening socket."""

    def __init__(self, supervisor: Supervisor, listener: socket.socket) -> None:
        self._supervisor = supervisor
        self._listener = listener
        self.address: tuple[str, int] = listener.getsockname()[:2]
        app = web.Application()
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/ledger", self._ledger)
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

    async def _ledger(self, request: web.Request) -> web.Response:
        """`?run=ID`: the books of a run, see `measure.ledger`. Without: which runs there are."""
        run = request.query.get("run")
        try:
            runs, refusals = self._supervisor.runs()
            if run is None:
                body = msgspec.json.encode({"runs": runs, "refused": refusals})
                return web.Response(body=body, content_type="application/json")
            books = await self._supervisor.books(run)
        except LoadsimError as error:
            return web.json_response({"error": str(error)}, status=404)
        if books is None:
            full = f": it has the books of {RUNS} other runs, and room for no more" if len(runs) >= RUNS else ""
            return web.json_response({"error": f"no event of this run was accepted here{full}"}, status=404)
        return web.Response(body=encode_ledger(run, books), content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response({"status": "ok"})
