"""Where a page listens, how long it is served, and the address that is printed for it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator

from aiohttp import log as web_log
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from loadsim.model import UsageError

CLOSING_S = 1.0


def listen(host: str, port: int, option: str) -> socket.socket:
    """A listening socket; port 0 is any free one. Raises UsageError, which names the option that sets the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise UsageError(f"cannot listen on {host}:{port}: {reason}; choose another port with {option}") from None


@contextlib.asynccontextmanager
async def served(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """The application, served as long as the context lasts; then requests in progress have CLOSING_S to end."""
    web_log.server_logger.addFilter(_not_client_error)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


def page_url(host: str, port: int, token: str) -> str:
    """The address with the token, for a browser on this machine."""
    return f"http://{_in_url(host)}:{port}/?token={token}"


def cookie_name(port: int) -> str:
    """The name of the token's cookie: a browser sends the same cookies to every port of a host."""
    return f"loadsim_{port}"


def _not_client_error(record: logging.LogRecord) -> bool:
    """Whether to log the record. Requests that are not HTTP are not logged: they could fill the terminal."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def _in_url(host: str) -> str:
    """The host as it stands in a URL that a browser can open."""
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"
    return f"[{host}]" if ":" in host else host
