"""Access control of the dashboard: which requests are accepted, and the security headers of every answer.

A request needs the token. It comes once, in the URL, and becomes a cookie that no script can read and no other site
can send. The Host header is checked against DNS rebinding (only our own names and IP addresses are accepted), the
Origin header against requests from other sites.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from loadsim.host_checks import answers_to

TOKEN = "token"  # noqa: S105 - the parameter's name
SAFE = frozenset({"GET", "HEAD"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Scripts come from here alone. Inline styles are allowed: the chart library writes them into its elements."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Refuse = Callable[[web.Request, int, str], web.StreamResponse]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_CONTINUE_PAGE = (
    '<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">'
    '<title>loadsim</title><p><a href="/">Continue to loadsim</a></p></html>\n'
)


def host_names(host: str) -> frozenset[str]:
    """The names that a page listening on `host` answers to, beside localhost and IP addresses."""
    return frozenset({host.lower()})


def guard(token: str, cookie: str, host: str, refuse: Refuse) -> Middleware:
    """Middleware that accepts requests with the token. `host` is the address or name that the page listens on.

    `refuse` makes the answer to a refused request from a status and a sentence.
    """
    known = host_names(host)

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
                return refuse(
                    request,
                    HTTPStatus.FORBIDDEN,
                    "This token belongs to another page of loadsim, or to an earlier start of this one.",
                )
            return _set_cookie(request, cookie, token)
        if not _same(request.cookies.get(cookie, ""), token):
            text = "Open the address that loadsim printed when it started: it holds the token."
            return refuse(request, HTTPStatus.FORBIDDEN, text)
        return await handler(request)

    return middleware


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """The headers of every answer; a signal, so that streams have them too."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")


def _set_cookie(request: web.Request, cookie: str, token: str) -> web.Response:
    """Set the cookie, and lead to the address without the token.

    After a link from elsewhere (such as the file that opened the browser) a page does this in place of a redirect:
    a browser does not send a SameSite=Strict cookie along a redirect that another site started.
    """
    if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})
    else:
        response = web.Response(text=_CONTINUE_PAGE, content_type="text/html")
    response.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
    return response


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())
