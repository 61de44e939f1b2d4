"""Who may use the page: whoever has the token, from a page of our own, under a name that is ours.

Decides what is let in and which headers every answer carries. Refuses to know what the pages do. The token comes once,
in the URL, and becomes a cookie that no script can read and no other site can send. The Host header is checked against
DNS rebinding (a name that somebody else's DNS made ours is not in the list, and an address cannot be rebound), the
Origin header against posts from other sites.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from loadsim.addresses import answers_to

TOKEN = "token"  # noqa: S105 - the parameter's name
SAFE = frozenset({"GET", "HEAD"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Scripts from here alone; the chart library writes styles into its elements."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Refuse = Callable[[web.Request, int, str], web.StreamResponse]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_GO_ON = (
    '<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">'
    '<title>loadsim</title><p><a href="/">Go on to loadsim</a></p></html>\n'
)


def guard(token: str, cookie: str, names: Collection[str], refuse: Refuse) -> Middleware:
    """Let in what has the token. `names`: the host names that are ours beside localhost and addresses.

    `refuse` draws the answer to a request that is not let in: a status and a sentence.
    """
    known = {name.lower() for name in names}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = {request.host, request.headers.get("Host", request.host)}  # of an absolute URL, and of the header
        if not all(answers_to(host, known) for host in hosts):
            return refuse(request, HTTPStatus.FORBIDDEN, "This page does not answer to that host name.")
        origin = request.headers.get("Origin")
        if origin != f"http://{request.host}" and (origin is not None or request.method not in SAFE):
            return refuse(request, HTTPStatus.FORBIDDEN, "This came from another site and was refused.")
        given = request.query.get(TOKEN)
        if given is not None and request.method in SAFE:
            if not _same(given, token):
                return refuse(request, HTTPStatus.FORBIDDEN, "That token is not the one of this dashboard.")
            return _admit(request, cookie, token)
        if not _same(request.cookies.get(cookie, ""), token):
            text = 'Open the address that "loadsim dashboard" printed when it started: it holds the token.'
            return refuse(request, HTTPStatus.FORBIDDEN, text)
        return await handler(request)

    return middleware


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """The headers of every answer; a signal, so that streams have them too."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")


def _admit(request: web.Request, cookie: str, token: str) -> web.Response:
    """Give the cookie, and lead on to an address without the token.

    Who follows a link from elsewhere (a file that opened the browser) is led on by a page of ours: a cookie that is
    strict about sites would not travel with a redirect that another site began.
    """
    if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})
    else:
        response = web.Response(text=_GO_ON, content_type="text/html")
    response.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
    return response


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())
