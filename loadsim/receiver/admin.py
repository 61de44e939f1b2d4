"""The receiver's own page for machines, on a port apart from webhooks: `GET /stats`, `GET /ledger`, `GET /healthz`, and
`PUT /ledger/runs/ID`, by which a load run says that it begins.

Decides the paths, that answers are JSON, and that a request must name a host that is ours (see `addresses`). Refuses to
know how the figures come about.
"""

from __future__ import annotations

import socket
from collections.abc import Collection

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from loadsim.addresses import answers_to
from loadsim.measure.ledger import encode_ledger
from loadsim.model import LoadsimError
from loadsim.receiver.ledger import RUNS
from loadsim.receiver.supervisor import Supervisor

NOT_REGISTERED = (
    f"this run is not registered: PUT /ledger/runs/ID before its first event; the {RUNS} that came last have a place"
)


class Admin:
    """Serves the figures of `supervisor` on `listener`, a listening socket. `names`: the host names that are ours."""

    def __init__(self, supervisor: Supervisor, listener: socket.socket, names: Collection[str] = ()) -> None:
        self._supervisor = supervisor
        self._listener = listener
        self.address: tuple[str, int] = listener.getsockname()[:2]
        app = web.Application(middlewares=[_for_our_names({name.lower() for name in names})])
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/ledger", self._ledger)
        app.router.add_put("/ledger/runs/{run}", self._register)
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

    async def _register(self, request: web.Request) -> web.Response:
        """Note what comes of a run from now on."""
        try:
            self._supervisor.register(request.match_info["run"])
        except LoadsimError as error:
            return web.json_response({"error": str(error)}, status=404)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(status=204)

    async def _ledger(self, request: web.Request) -> web.Response:
        """`?run=ID`: what came of a run, see `measure.ledger`. Without: which runs there are."""
        run = request.query.get("run")
        try:
            if run is None:
                runs, refusals = self._supervisor.runs()
                body = msgspec.json.encode({"runs": runs, "refused": refusals})
                return web.Response(body=body, content_type="application/json")
            books = self._supervisor.books(run)
        except LoadsimError as error:
            return web.json_response({"error": str(error)}, status=404)
        if books is None:
            return web.json_response({"error": NOT_REGISTERED}, status=404)
        return web.Response(body=encode_ledger(run, books), content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response({"status": "ok"})


def _for_our_names(names: Collection[str]) -> Middleware:
    """Refuses a request that names another host: a web page whose name was made to point here."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = {request.host, request.headers.get("Host", request.host)}  # of an absolute URL, and of the header
        if not all(answers_to(host, names) for host in hosts):
            text = "this port does not answer to that host name: use an address, or loadsim receive --admin-name NAME"
            return web.json_response({"error": text}, status=403)
        return await handler(request)

    return middleware
