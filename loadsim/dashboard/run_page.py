"""The live page of a run that was started on the command line, served by its parent process while it lasts.

It shows this run alone and changes nothing: there is no route that starts, stops or sends.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from aiohttp import web

from loadsim.dashboard.answers import guarded_app, html_answer
from loadsim.dashboard.listening import cookie_name, listen, page_url, served
from loadsim.dashboard.live_run import LiveRun
from loadsim.dashboard.live_stream import PATH, stream
from loadsim.dashboard.pages import Pages
from loadsim.plan import RunSpec
from loadsim.run.run_store_judge import LoadOutcome, Watch

HOST = "127.0.0.1"


async def run_with_page(spec: RunSpec, watch: Watch, port: int, say: Callable[[str], None]) -> LoadOutcome:
    """`run_load`, shown on a page at this port of 127.0.0.1; 0 is any free port. Raises LoadsimError as it does, and
    UsageError before the run where the port is taken."""
    with listen(HOST, port, "--live") as listener:
        bound = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        run = LiveRun(1, spec)
        async with served(_app(run, token, cookie_name(bound)), listener):
            say(f"the run is shown at {page_url(HOST, bound, token)}")
            return await run.execute(watch)


def _app(run: LiveRun, token: str, cookie: str) -> web.Application:
    pages = Pages(sections=())
    app = guarded_app(pages, token, cookie, HOST)

    async def page(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's handler signature
        return html_answer(pages.render("run_page.html", here=None, run=run.document(), name=run.name))

    async def points(request: web.Request) -> web.StreamResponse:
        return await stream(request, run)

    app.add_routes([web.get("/", page), web.get(PATH, points)])
    return app
