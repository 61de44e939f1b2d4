"""The page of a run of the command line: it shows that run, to whoever has the token, and can do nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from loadsim.dashboard.run_page import run_with_page
from loadsim.launch.run_lifecycle import Run
from loadsim.model import LoadsimError
from loadsim.run.options import RunOptions
from loadsim.run.spec_of_options import compose
from tests.cli.loopback import serving

PATIENCE_S = 240


class Endpoint:
    """It accepts events, but for the time in which it holds its answers back."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(0.02)  # what a real endpoint takes; nothing waits on it
        await asyncio.to_thread(self.free.wait, PATIENCE_S)
        return web.Response(text="taken")


class Started:
    """A run in progress, its page and what it said."""

    def __init__(self, out: Path, url: str) -> None:
        self.said: list[str] = []
        self.run: Run
        self._going = asyncio.Event()
        options = RunOptions(connections=2, duration="1h", timeout="1m", out=str(out), default_objectives=False)
        spec = compose(url, options)
        self.ended = asyncio.create_task(run_with_page(spec, self._watch, 0, self.said.append))

    @contextlib.asynccontextmanager
    async def _watch(self, run: Run) -> AsyncIterator[None]:
        self.run = run
        run.say = self.said.append
        self._going.set()
        yield

    async def address(self) -> tuple[str, str]:
        """The address of the page and its token, once there is a run."""
        waits = [self.ended, asyncio.create_task(self._going.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        found = re.fullmatch(r"the run is shown at (http://127\.0\.0\.1:\d+)/\?token=(\S+)", self.said[0])
        assert found
        return found[1], found[2]


@pytest.fixture(autouse=True)
def _secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_hidden")


async def streamed(session: aiohttp.ClientSession, base: str) -> AsyncIterator[tuple[str, Any]]:
    """The events of the page's stream, until it ends."""
    kind = ""
    async with session.get(f"{base}/load/stream") as response:
        async for line in response.content:
            name, _, value = line.decode().strip().partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)


async def test_the_page_shows_the_run_until_its_verdict(tmp_path: Path) -> None:
    endpoint = Endpoint()
    with serving(endpoint.answer) as url:
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as own:
            started = Started(tmp_path / "results", url)
            base, token = await started.address()
            async with own.get(f"{base}/?token={token}") as response:
                assert (response.status, str(response.url)) == (200, f"{base}/"), "the token leaves the address"
                text = await response.text()
            seen = []
            async for kind, data in streamed(own, base):
                seen.append((kind, data))
                if kind == "point" and data["done"] >= 20 and not started.run.interrupted:
                    endpoint.free.clear()
                    started.run.interrupt()  # as Ctrl-C
                if kind == "state" and data["state"] == "stopping":
                    endpoint.free.set()
            outcome = await started.ended
    assert 'id="live"' in text
    assert "<form" not in text
    assert "<button" not in text
    assert "whsec_hidden" not in text
    states = [data["state"] for kind, data in seen if kind == "state"]
    assert states[-3:] == ["stopping", "judging", "done"]
    end = seen[-1][1]
    assert (end["outcome"], end["exit_code"]) == (outcome.result.verdict.outcome, 130)
    assert end["report"] == str(outcome.directory / "report.html")
    assert end["lag"] == outcome.result.limits.lag_p99_ms
    assert [data for kind, data in seen if kind == "point"][-1]["done"] == outcome.result.totals.sent
    with pytest.raises(aiohttp.ClientConnectorError):
        async with aiohttp.request("GET", base):
            pass


async def test_it_shows_nothing_to_others_and_nothing_else_to_anybody(tmp_path: Path) -> None:
    with serving(Endpoint().answer) as url:
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            started = Started(tmp_path / "results", url)
            base, token = await started.address()
            cookie = {"Cookie": f"loadsim_{base.rsplit(':', 1)[1]}={token}"}

            async def status(method: str, path: str, **headers: str) -> int:
                async with session.request(method, base + path, headers=headers, allow_redirects=False) as answer:
                    return answer.status

            assert [await status("GET", path) for path in ("/", "/load/stream", "/static/live.js")] == [403] * 3
            assert await status("GET", "/?token=wrong") == 403
            assert await status("GET", "/", **cookie, Host="rebound.example") == 403
            assert await status("GET", "/", **cookie, Origin="http://other.example") == 403
            assert await status("GET", "/", **cookie) == 200
            assert [await status("GET", path, **cookie) for path in ("/load", "/runs", "/compare")] == [404] * 3
            own = cookie | {"Origin": base}
            assert [await status("POST", path, **own) for path in ("/load", "/load/stop", "/simulations")] == [404] * 3
            assert await status("POST", "/", **own) == 405
            started.run.interrupt()
            await started.ended


async def test_a_run_that_cannot_begin_fails_as_without_a_page(tmp_path: Path) -> None:
    started = Started(tmp_path / "results", "http://127.0.0.1:1/hooks")
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(LoadsimError, match=r"127\.0\.0\.1:1"):
            await started.ended
