"""The receiver's HTTP interface for programs, on a port apart from webhooks. All answers are JSON.

`GET /stats`, `GET /ledger`, `GET /effects`, `GET /healthz`, and `PUT /ledger/runs/ID` or `PUT /effects/runs/ID`, with
which a load run announces its begin. A request must name one of our host names (see `addresses`).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from loadsim.host_checks import answers_to
from loadsim.measure.ledger_document import encode_ledger
from loadsim.model import LoadsimError
from loadsim.receiver.effects_memory import MOST_ROWS, USUAL_ROWS, EffectsLostError
from loadsim.receiver.run_register import RUNS
from loadsim.receiver.supervisor import Supervisor

NOT_REGISTERED = (
    f"this run is not registered: PUT /ledger/runs/ID before its first event; the last {RUNS} runs are kept"
)


class Admin:
    """Serves what `supervisor` counted on `listener`, a listening socket. `names`: our host names."""

    def __init__(self, supervisor: Supervisor, listener: socket.socket, names: Collection[str] = ()) -> None:
        self._supervisor = supervisor
        self._listener = listener
        self.address: tuple[str, int] = listener.getsockname()[:2]
        app = web.Application(middlewares=[_for_our_names({name.lower() for name in names})])
        app.router.add_get("/stats", self._stats)
        app.router.add_get("/ledger", self._ledger)
        app.router.add_get("/effects", self._effects)
        for path in ("/ledger/runs/{run}", "/effects/runs/{run}"):
            app.router.add_put(path, self._register)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Begin to serve."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        """Close every connection and the listener."""
        await self._runner.cleanup()
        self._listener.close()

    async def _stats(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's handler signature
        return web.Response(body=msgspec.json.encode(self._supervisor.stats()), content_type="application/json")

    async def _register(self, request: web.Request) -> web.Response:
        """Keep a ledger of a run from now on."""
        try:
            self._supervisor.register(request.match_info["run"])
        except LoadsimError as error:
            return web.json_response({"error": str(error)}, status=404)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(status=204)

    async def _ledger(self, request: web.Request) -> web.Response:
        """With `?run=ID` the ledger of a run, see `measure.ledger_document`. Without it the list of runs."""
        run = request.query.get("run")
        try:
            if run is None:
                runs, refusals = self._supervisor.runs()
                body = msgspec.json.encode({"runs": runs, "refused": refusals})
                return web.Response(body=body, content_type="application/json")
            ledger = await self._supervisor.ledger_of(run)
        except LoadsimError as error:
            return web.json_response({"error": str(error)}, status=404)
        if ledger is None:
            return web.json_response({"error": NOT_REGISTERED}, status=404)
        return web.Response(body=encode_ledger(run, ledger), content_type="application/json")

    async def _effects(self, request: web.Request) -> web.Response:
        """`?run=ID&after=CURSOR&limit=1000`: a page of the effects of a run, in order of time."""
        try:
            limit = _limit(request.query.get("limit", str(USUAL_ROWS)))
            page = self._supervisor.effects_of(request.query.get("run", ""), request.query.get("after"), limit)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        except LoadsimError as error:
            return web.json_response({"error": str(error)}, status=404)
        except EffectsLostError as error:
            return web.json_response({"error": str(error)}, status=507)
        if page is None:
            return web.json_response({"error": NOT_REGISTERED}, status=404)
        return web.Response(body=msgspec.json.encode(page), content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response({"status": "ok"})


def _limit(text: str) -> int:
    """The rows of a page. Raises ValueError."""
    limit = int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else 0
    if not 1 <= limit <= MOST_ROWS:
        raise ValueError(f"limit: give 1 to {MOST_ROWS:,}")
    return limit


def _for_our_names(names: Collection[str]) -> Middleware:
    """Refuses a request that names another host: a web page whose name was made to resolve to this address."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = {request.host, request.headers.get("Host", request.host)}  # of an absolute URL, and of the header
        if not all(answers_to(host, names) for host in hosts):
            text = "this port does not answer to that host name: use an address, or loadsim receive --admin-name NAME"
            return web.json_response({"error": text}, status=403)
        return await handler(request)

    return middleware
