"""A page of metrics over HTTP, from a server that may say anything."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from loadsim.plan.watches import Watch, series_of
from loadsim.run.effects.source import GapError
from loadsim.run.watch import metrics_page
from loadsim.run.watch.metrics_page import LARGEST_PAGE, MetricsPage
from loadsim.run.watch.source import Part

pytest.importorskip("prometheus_client")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(
    answer: Answer, *metrics: str, headers: dict[str, str] | None = None, query: str = ""
) -> AsyncIterator[MetricsPage]:
    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics{query}"
    watches = [Watch(name=metric, url=url, metric=metric) for metric in metrics or ("m",)]
    parts = tuple(Part(watch, series) for watch in watches for series in series_of(watch))
    page = MetricsPage(url, dict(headers or {}), parts)
    try:
        yield page
    finally:
        await page.close()
        await runner.cleanup()


async def test_one_request_serves_all_watches_of_a_page() -> None:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(text="a 1\nb 2.5\n")

    async with served(answer, "a", "missing", "b", headers={"Authorization": "Bearer token"}) as page:
        assert await page.read() == [1.0, "the page has no metric missing", 2.5]
    (request,) = asked
    assert request.headers["Authorization"] == "Bearer token"
    assert "text/plain" in request.headers["Accept"]


async def test_compressed_pages_are_read() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"m 3\n"), headers={"Content-Encoding": "gzip"})

    async with served(answer) as page:
        assert await page.read() == [3.0]


async def too_large(request: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(b"#" * (LARGEST_PAGE + 1)), headers={"Content-Encoding": "gzip"})


async def elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPFound("/other")


async def failing(request: web.Request) -> web.Response:
    return web.Response(status=503, text="\x1b[2J::error::no")


async def silent(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (too_large, "it is larger than 8 MiB"),
        (elsewhere, "answered 302"),
        (failing, "answered 503"),
        (silent, "no answer within 0.2 s"),
    ],
)
async def test_what_goes_wrong_is_a_gap(answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if answer is silent:
        monkeypatch.setattr(metrics_page, "TIMEOUT_S", 0.2)
    async with served(answer) as page:
        with pytest.raises(GapError) as caught:
            await page.read()
    assert said in str(caught.value)


async def test_a_closed_port_is_a_gap() -> None:
    async with served(failing) as page:
        pass
    with pytest.raises(GapError, match="cannot be reached: connection refused"):
        await page.read()
    await page.close()


async def test_a_page_without_tls_is_named_so_and_not_as_an_error_of_the_system() -> None:
    async with served(failing) as plain:
        url = plain.place.replace("http:", "https:")
        watch = Watch(name="m", url=url, metric="m")
        page = MetricsPage(url, {}, (Part(watch, series_of(watch)[0]),))
        with pytest.raises(GapError, match="cannot be reached: TLS failed: "):
            await page.read()
        await page.close()


async def test_secrets_are_masked_where_a_page_repeats_them() -> None:
    async def answer(request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return web.Response(text=f'm{{a="{token}"}} 1\nm{{a="{request.query["key"]}"}} 2\n')

    headers = {"Authorization": "Bearer s3cret-token"}
    async with served(answer, headers=headers, query="?key=s3cret-value") as page:
        (said,) = await page.read()
        assert "s3cret" not in page.place
    assert isinstance(said, str)
    assert "2 samples have the metric m: a=***|***" in said
