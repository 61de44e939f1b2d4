"""Effects over HTTP, from a server that may say anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from loadsim.run.effects.http_source import LARGEST_PAGE, HttpSource
from loadsim.run.effects.source import MOST_ROWS, GapError

RUN = "20261129-run"
Answer = Callable[[web.Request], web.StreamResponse]


@asynccontextmanager
async def served(answer: Answer, headers: dict[str, str] | None = None, query: str = "") -> AsyncIterator[HttpSource]:
    async def handler(request: web.Request) -> web.StreamResponse:
        return answer(request)

    app = web.Application()
    app.router.add_get("/effects", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    source = HttpSource(f"http://127.0.0.1:{port}/effects{query}", dict(headers or {}), RUN)
    try:
        yield source
    finally:
        await source.close()
        await runner.cleanup()


def page(**more: Any) -> Answer:
    return lambda _: web.json_response({"cursor": "c", "effects": [], "now": 5.0, **more})


async def test_pages_follow_each_other_by_their_cursors() -> None:
    asked: list[dict[str, str]] = []

    def answer(request: web.Request) -> web.StreamResponse:
        asked.append(dict(request.query))
        after = int(request.query.get("after", "0"))
        rows = [{"id": f"{RUN}/{index}/1", "at": 100 + index} for index in range(after, min(after + 1000, 1500))]
        return web.json_response({"cursor": str(after + len(rows)), "effects": rows, "now": 200.5, "backlog": 7})

    async with served(answer) as source:
        first, second, third = [await source.read() for _ in range(3)]
    assert asked == [
        {"run": RUN, "limit": str(MOST_ROWS)},
        {"run": RUN, "limit": str(MOST_ROWS), "after": "1000"},
        {"run": RUN, "limit": str(MOST_ROWS), "after": "1500"},
    ]
    assert (len(first.ids), len(second.ids), len(third.ids)) == (1000, 500, 0)
    assert (first.more, second.more, third.more) == (True, False, False)
    assert first.at_ns[:2].tolist() == [100 * 10**9, 101 * 10**9]
    assert first.told_ns == 200_500_000_000
    assert first.backlog == 7


async def test_times_are_seconds_or_dates_and_may_be_left_out() -> None:
    rows = [{"id": "a", "at": "1970-01-01T00:00:02Z"}, {"id": "b", "at": 3.5, "count": 4}, {"id": "c"}]
    rows.append({"id": "none", "count": 0})
    async with served(page(effects=rows, now="1970-01-01T01:00:00.25+01:00")) as source:
        reading = await source.read()
    assert reading.ids == [b"a", b"b", b"c"]
    assert reading.at_ns.tolist() == [2 * 10**9, 3_500_000_000, 0]
    assert reading.times.tolist() == [1, 4, 1]
    assert reading.told_ns == 250_000_000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: web.Response(status=503, text="busy\nnow"), "answered 503 busy now"),
        (lambda _: web.Response(text="<html>"), "not a page of effects"),
        (page(effects=None), "not a page of effects"),
        (lambda _: web.json_response({"effects": []}), "not a page of effects"),
        (page(cursor="x" * 257), "cursor is longer than 256 bytes"),
        (page(effects=[{"id": "a", "at": "soon"}]), "'soon' is no time"),
        (page(effects=[{"id": "a", "at": -1}]), "is no time"),
        (page(now=1e300), "is no time"),
        (page(effects=[{"id": "a", "count": -1}]), "is no count"),
        (lambda _: web.Response(body=b" " * (LARGEST_PAGE + 1)), "larger than 1 MiB"),
        (lambda _: web.Response(status=302, headers={"Location": "/elsewhere"}), "answered 302"),
    ],
)
async def test_what_is_no_page_is_a_gap_in_one_line(answer: Answer, reason: str) -> None:
    async with served(answer) as source:
        with pytest.raises(GapError, match=reason) as error:
            await source.read()
    assert "\n" not in str(error.value)


async def test_a_gap_loses_nothing() -> None:
    """After a failed reading the next one asks from the same place."""
    asked = []

    def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.query.get("after"))
        if len(asked) == 2:
            return web.Response(status=500)
        return web.json_response({"cursor": str(len(asked)), "effects": []})

    async with served(answer) as source:
        await source.read()
        with pytest.raises(GapError):
            await source.read()
        await source.read()
    assert asked == [None, "1", "1"]


async def test_an_endpoint_that_is_not_there_is_a_gap() -> None:
    source = HttpSource("http://127.0.0.1:1/effects", {}, RUN)
    with pytest.raises(GapError, match="cannot be reached: connection refused"):
        await source.read()
    await source.close()


async def test_credentials_are_sent_and_never_said() -> None:
    seen = []

    def answer(request: web.Request) -> web.StreamResponse:
        seen.append((request.headers["X-Reader"], request.query["auth"]))
        return web.Response(status=403, text=f"no: {request.headers['X-Reader']} {request.query['auth']}")

    async with served(answer, {"X-Reader": "hunter2-hunter2"}, "?auth=token-token-token") as source:
        assert "token-token" not in source.place
        with pytest.raises(GapError) as error:
            await source.read()
    assert seen == [("hunter2-hunter2", "token-token-token")]
    assert "hunter2" not in str(error.value)
    assert "token-token" not in str(error.value)
