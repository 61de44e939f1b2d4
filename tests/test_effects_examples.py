"""The endpoints of `docs/effects.md`: each accepts signed events, works later, and shows every effect once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.documents import FILES
from tests.receiver.raw_client import PATH, PATIENCE_S
from tests.signing.provider_libraries import NODE
from tests.test_library_use import BODY, KEY, application, library, signed

SECRET_ENV = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
EVENTS = 7
Endpoint = Callable[[Path], AbstractAsyncContextManager[int]]
"""Serves an example as long as the context; the port."""


@asynccontextmanager
async def served_by_aiohttp(_directory: Path) -> AsyncIterator[int]:
    runner = web.AppRunner(application("aiohttp_effects.py").make_app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def served_by_flask(_directory: Path) -> AsyncIterator[int]:
    library("flask")
    app = application("flask_effects.py").app
    server = library("werkzeug.serving").make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@asynccontextmanager
async def served_by_express(directory: Path) -> AsyncIterator[int]:
    if not (NODE / "node_modules" / "express").is_dir():
        if os.environ.get("LOADSIM_REQUIRE") == "all":  # noqa: TID251 - as in conftest
            pytest.fail("needs the packages of tests/signing/node: npm install there", pytrace=False)
        pytest.skip("needs the packages of tests/signing/node: npm install there")
    (directory / "node_modules").symlink_to(NODE / "node_modules")
    for name in ("express_effects.mjs", "verify_webhook.mjs"):
        (directory / name).write_text(FILES[name].text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        "node",
        "express_effects.mjs",
        cwd=directory,
        env={**os.environ, "PORT": "0", SECRET_ENV: KEY},  # noqa: TID251 - handed on
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield int((await process.stdout.readline()).split()[-1])
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    "endpoint",
    [
        served_by_aiohttp,
        served_by_flask,
        pytest.param(served_by_express, marks=pytest.mark.needs("node")),
    ],
)
async def test_an_endpoint_shows_the_effect_of_every_event_once(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_ENV, KEY)
    monkeypatch.setitem(sys.modules, "verify_webhook", application("verify_webhook.py"))
    sent = [f"run/{index}/1" for index in range(EVENTS)]
    async with endpoint(tmp_path) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        for delivery_id in (*sent, "another-run/0/1", None):
            named = {} if delivery_id is None else {"X-Loadsim-Id": delivery_id}
            async with session.post(PATH, data=BODY, headers={**signed(), **named}) as answer:
                assert answer.status == 202
        async with session.post(PATH, data=BODY, headers={**signed(key="other"), "X-Loadsim-Id": "run/99/1"}) as answer:
            assert answer.status == 401
        effects, query = [], {"run": "run", "limit": "2"}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with session.get("/effects", params=query) as answer:
                    assert answer.status == 200
                    page = await answer.json()
                effects += page["effects"]
                assert len(page["effects"]) <= 2
                assert all(effect["at"] <= page["now"] for effect in effects)
                if not page["backlog"] and page["cursor"] == query.get("after"):
                    break
                query["after"] = page["cursor"]
    assert [effect["id"] for effect in effects] == sent
    assert [effect["at"] for effect in effects] == sorted(effect["at"] for effect in effects)
