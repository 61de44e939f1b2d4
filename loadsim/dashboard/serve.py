"""The page's life: a token, a socket, a browser, until it is told to stop.

Decides where it listens and what it says. A run that goes on when it is told to stop ends in order and is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import log as web_log
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from loadsim.addresses import is_loopback
from loadsim.dashboard.app import make_app
from loadsim.dashboard.live import Stand
from loadsim.interrupts import interrupts
from loadsim.model import UsageError

CLOSING_S = 1.0


@dataclass(frozen=True)
class DashboardOptions:
    """Where the page is served. Port 0: a free one."""

    host: str = "127.0.0.1"
    port: int = 8765
    out: Path = Path("reports")
    browser: bool = True


async def serve(options: DashboardOptions, say: Callable[[str], None]) -> None:
    """Serve until an interrupt. Raises UsageError where nothing can listen."""
    listener = _listen(options)
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    app, stand = make_app(options.out, token, f"loadsim_{port}", (options.host,))
    stop = asyncio.Event()
    web_log.server_logger.addFilter(_own_fault)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        url = f"http://{_in_url(options.host)}:{port}/?token={token}"
        with interrupts(lambda: _interrupt(stop, stand, say)):
            say(f"the simulations page is at {url}")
            if not is_loopback(options.host):
                say(f"{options.host} is not loopback: whoever reaches it with this token can send from here, openly")
            say("Ctrl-C stops")
            with _opened(url) if options.browser else contextlib.nullcontext():
                await stop.wait()
                await stand.close()
    finally:
        await runner.cleanup()


def _own_fault(record: logging.LogRecord) -> bool:
    """Whether it tells of one: that somebody sent what is not HTTP is none of ours, and fills no terminal."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def _listen(options: DashboardOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise UsageError(f"cannot listen on {where}: {reason}; choose another port with --port") from None


def _interrupt(stop: asyncio.Event, stand: Stand, say: Callable[[str], None]) -> None:
    """The first one stops in order; another one while a run drains ends that at once."""
    run = stand.run
    going = run is not None and not run.over
    if stop.is_set():
        if run is not None and going:
            run.stop()
        return
    stop.set()
    say("stopping: the run's result is kept (Ctrl-C again ends it at once)" if going else "stopping")


def _in_url(host: str) -> str:
    """A host that a browser can be sent to."""
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"
    return f"[{host}]" if ":" in host else host


@contextlib.contextmanager
def _opened(url: str) -> Iterator[None]:
    """A browser that shows the page, where there is one with windows.

    It is led there by a file that only we can read: an address among a browser's arguments would show its token to
    everybody on the machine.
    """
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        browser = None
    if browser is None or type(browser) is webbrowser.GenericBrowser:  # the latter takes the terminal
        yield
        return
    with tempfile.NamedTemporaryFile("w", prefix="loadsim-", suffix=".html", encoding="utf-8") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={url}"><a href="{url}">loadsim</a>\n')
        file.flush()
        opening = asyncio.get_running_loop().run_in_executor(None, browser.open, Path(file.name).as_uri())
        opening.add_done_callback(lambda done: done.cancelled() or done.exception())
        yield
