"""The page served in this process, for tests that need no browser."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from loadsim.dashboard.app import make_app
from loadsim.dashboard.run_slot import RunSlot

TOKEN, COOKIE = "a-token-of-this-test", "loadsim_test"


class Client:
    """What a browser of the user's would send to the page."""

    def __init__(self, session: aiohttp.ClientSession, port: int, slot: RunSlot) -> None:
        self.session = session
        self.host = f"127.0.0.1:{port}"
        self.base = f"http://{self.host}"
        self.slot = slot

    async def get(self, path: str, accept: str = "text/html", **headers: str) -> tuple[int, str]:
        """Status and text of a page."""
        given = {"Cookie": f"{COOKIE}={TOKEN}", "Accept": accept, **headers}
        async with self.session.get(
            URL(self.base + path, encoded=True), headers=given, allow_redirects=False
        ) as response:
            return response.status, await response.text()

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """Status and document of an action."""
        given = {"Cookie": f"{COOKIE}={TOKEN}", "Origin": self.base, **headers}
        async with self.session.post(f"{self.base}{path}", json=body, headers=given) as response:
            return response.status, await response.json()


@contextlib.asynccontextmanager
async def page(out: Path) -> AsyncIterator[Client]:
    """The page on a free port, over the results in `out`."""
    app, slot = make_app(out, TOKEN, COOKIE, "ours.example")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Client(session, runner.addresses[0][1], slot)
    finally:
        await slot.close()
        await runner.cleanup()
