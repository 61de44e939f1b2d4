"""Starts the dashboard's server, opens a browser, and serves until an interrupt.

A load run that is in progress at the interrupt ends in order, and its result is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loadsim.dashboard.app import make_app
from loadsim.dashboard.listening import cookie_name, listen, page_url, served
from loadsim.dashboard.run_slot import RunSlot
from loadsim.graphical_browser import graphical_browser
from loadsim.host_checks import is_loopback
from loadsim.signals import interrupts


@dataclass(frozen=True)
class DashboardOptions:
    """Where the dashboard listens and stores results. Port 0 means any free port."""

    host: str = "127.0.0.1"
    port: int = 8765
    out: Path = Path("reports")
    browser: bool = True


async def serve(options: DashboardOptions, say: Callable[[str], None]) -> None:
    """Serve until an interrupt. Raises UsageError where the address cannot be listened on."""
    listener = listen(options.host, options.port, "--port")
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    app, slot = make_app(options.out, token, cookie_name(port), options.host)
    stop = asyncio.Event()
    url = page_url(options.host, port, token)
    async with served(app, listener):
        with interrupts(lambda: _interrupt(stop, slot, say)):
            say(f"the simulations page is at {url}")
            if not is_loopback(options.host):
                say(f"{options.host} is not loopback: anyone with this token can send events from here; not encrypted")
            say("press Ctrl-C to stop")
            with _opened(url) if options.browser else contextlib.nullcontext():
                await stop.wait()
                await slot.close()


def _interrupt(stop: asyncio.Event, slot: RunSlot, say: Callable[[str], None]) -> None:
    """The first interrupt stops in order. Another one, while a run drains, ends the run at once."""
    run = slot.run
    in_progress = run is not None and not run.over
    if stop.is_set():
        if run is not None and in_progress:
            run.stop()
        return
    stop.set()
    say("stopping: the run's result will be stored (Ctrl-C again ends it at once)" if in_progress else "stopping")


@contextlib.contextmanager
def _opened(url: str) -> Iterator[None]:
    """Open the page in a graphical browser, if there is one.

    The browser gets the URL from a file that only this user can read. On the browser's command line, every user of
    the machine could see the token.
    """
    browser = graphical_browser()
    if browser is None:
        yield
        return
    with tempfile.NamedTemporaryFile("w", prefix="loadsim-", suffix=".html", encoding="utf-8") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={url}"><a href="{url}">loadsim</a>\n')
        file.flush()
        opening = asyncio.get_running_loop().run_in_executor(None, browser.open, Path(file.name).as_uri())
        opening.add_done_callback(lambda done: done.cancelled() or done.exception())
        yield
