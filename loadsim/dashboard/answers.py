"""What all web servers of the dashboard share: checked requests, failures as answers, the static files.

Request bodies must be JSON, because an HTML form of another site cannot send JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from loadsim.dashboard.guard import Refuse, add_headers, guard
from loadsim.dashboard.pages import Pages, static_file
from loadsim.model import LoadsimError, UsageError
from loadsim.report import plotly_script

LARGEST_BODY = 2_000_000
STATIC = {
    "page.css": "text/css",
    "dashboard.css": "text/css",
    "page.js": "text/javascript",
    "shared.js": "text/javascript",
    "simulations.js": "text/javascript",
    "live.js": "text/javascript",
    "load.js": "text/javascript",
    "run_page.js": "text/javascript",
    "runs.js": "text/javascript",
}


def guarded_app(pages: Pages, token: str, cookie: str, host: str) -> web.Application:
    """An application that serves the static files to whoever has the token. `cookie` is the name of the token's
    cookie, `host` what the page listens on."""
    refuse = _problem(pages)
    app = web.Application(
        client_max_size=LARGEST_BODY, middlewares=[guard(token, cookie, host, refuse), _failures(refuse)]
    )
    app.on_response_prepare.append(add_headers)
    app.add_routes([web.get("/static/plotly.js", _library), web.get("/static/{name}", _static)])
    return app


def json_answer(value: object, status: int = HTTPStatus.OK) -> web.Response:
    """The value as JSON."""
    return web.Response(body=orjson.dumps(value), content_type="application/json", status=status)


def html_answer(text: str) -> web.Response:
    """A page."""
    return web.Response(text=text, content_type="text/html")


async def json_body(request: web.Request) -> dict[str, Any]:
    """The object that a request sends. Raises HTTPException."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="A request must be JSON")
    try:
        document = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise web.HTTPBadRequest(reason="The request is not JSON") from None
    if not isinstance(document, dict):
        raise web.HTTPBadRequest(reason="The request is not a JSON object")
    return document


def _problem(pages: Pages) -> Refuse:
    """Answers a failed request with a page for a browser, or with JSON for a script."""

    def refuse(request: web.Request, status: int, text: str) -> web.Response:
        if "text/html" in request.headers.get("Accept", ""):
            template = (
                "refused.html" if status == HTTPStatus.FORBIDDEN else "problem.html"
            )  # a page with our style sheet would have it refused too
            page = pages.render(template, here=None, status=status, text=text)
            return web.Response(text=page, content_type="text/html", status=status)
        return json_answer({"error": text}, status)

    return refuse


def _failures(refuse: Refuse) -> Any:
    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return refuse(request, HTTPStatus.NOT_FOUND, "There is no such page.")
        except web.HTTPException as error:
            return refuse(request, error.status, f"{error.reason}.")
        except UsageError as error:
            return refuse(request, HTTPStatus.BAD_REQUEST, str(error))
        except LoadsimError as error:
            return refuse(request, HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    return middleware


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in STATIC:
        raise web.HTTPNotFound
    return web.Response(body=static_file(name), content_type=STATIC[name], charset="utf-8")


async def _library(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's handler signature
    script = await asyncio.to_thread(plotly_script.library)
    if script is None:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "private, max-age=86400"}  # large, and the same as long as the package is
    return web.Response(text=script, content_type="text/javascript", headers=headers)
