"""Effects over real sockets: what both engines hand to the work, and what the admin port tells of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.plan.units import CONSTANT, ServiceTime, parse_service
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions
from tests.receiver.raw_client import PATIENCE_S, SECRET, Reply, exchange, request, until

AT_ONCE = parse_service("1ms")
NEVER = ServiceTime(CONSTANT, 3600 * NS_PER_S)
"""Longer than any test."""


async def get(running: RunningReceiver, **query: str) -> tuple[int, Any]:
    assert running.effects_url is not None
    async with aiohttp.ClientSession() as session, session.get(running.effects_url, params=query) as answer:
        return answer.status, await answer.json()


async def effects_of(running: RunningReceiver, run: str, number: int, limit: int = 2) -> list[dict[str, Any]]:
    """All effects of a run, page by page, once so many have appeared."""
    found: list[dict[str, Any]] = []
    query = {"run": run, "limit": str(limit)}
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < number:
            status, page = await get(running, **query)
            assert status == 200, page
            assert len(page["effects"]) <= limit
            found += page["effects"]
            query["after"] = page["cursor"]
    return found


async def deliver(running: RunningReceiver, delivery_id: str, **changed: Any) -> Reply:
    return await exchange(running.port, request(extra=f"X-Loadsim-Id: {delivery_id}\r\n".encode(), **changed))


@pytest.mark.parametrize("engine", ENGINES)
async def test_every_accepted_delivery_has_its_effect(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, process=AT_ONCE)
    async with await start_receiver(options, SECRET) as running:
        running.register("run")
        sent = [f"run/{index}/{attempt}" for index, attempt in ((0, 1), (1, 1), (1, 2), (5, 1), (6, 1))]
        for delivery_id in sent:
            assert (await deliver(running, delivery_id)).status == 200
        assert (await deliver(running, "run/9/1", headers=b"")).status == 400  # refused: no work
        effects = await effects_of(running, "run", len(sent))
        assert sorted(effect["id"] for effect in effects) == sorted(sent)
        assert [effect["at"] for effect in effects] == sorted(effect["at"] for effect in effects)
        status, page = await get(running, run="run")
        assert (status, len(page["effects"]), page["backlog"]) == (200, len(sent), 0)
        assert all(0 < effect["at"] <= page["now"] and effect["count"] == 1 for effect in effects)
    work = running.stats().work
    assert work is not None
    assert (work.done, work.lost, work.backlog, work.refused) == (len(sent), 0, 0, 0)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_full_queue_pushes_back(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, process=NEVER, process_queue=1)
    async with await start_receiver(options, SECRET) as running:
        running.register("run")
        answers = [await deliver(running, f"run/{index}/1") for index in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 503, 503]
        assert answers[3].headers["retry-after"] == "1"
        ledger = await running.ledger_of("run")
        assert ledger is not None
        assert ledger.accepted.tolist() == [1, 1, 0, 0]
        status, page = await get(running, run="run")
        assert (status, page["effects"], page["backlog"]) == (200, [], 2)
    stats = running.stats()
    assert stats.work is not None
    assert (stats.work.refused, stats.work.backlog, stats.total.status) == (2, 2, {"200": 2, "503": 2})


async def test_an_event_that_is_failed_on_purpose_is_no_work() -> None:
    options = ReceiverOptions(engine="bare", process=AT_ONCE, fail_rate=1.0)
    async with await start_receiver(options, SECRET) as running:
        assert (await deliver(running, "run/1/1")).status == 500
    work = running.stats().work
    assert work is not None
    assert work.done + work.backlog == 0


async def test_bad_requests_are_one_line_each() -> None:
    async with await start_receiver(ReceiverOptions(engine="bare", process=AT_ONCE), SECRET) as running:
        running.register("run")
        for query, expected, words in (
            ({"run": "run", "limit": "0"}, 400, "limit: give 1 to 10,000"),
            ({"run": "run", "limit": "10001"}, 400, "limit: give 1 to 10,000"),
            ({"run": "run", "limit": "x"}, 400, "limit: give 1 to 10,000"),
            ({"run": "run", "limit": ""}, 400, "limit: give 1 to 10,000"),
            ({"run": "run", "after": "x"}, 400, "after: not a cursor of this run"),
            ({"run": "another"}, 404, "this run is not registered"),
            ({}, 404, "this run is not registered"),
        ):
            status, answer = await get(running, **query)
            assert (status, answer["error"][: len(words)]) == (expected, words), query
        async with aiohttp.ClientSession() as session:
            for host, expected in (("rebound.example", 403), ("localhost", 200)):
                headers = {"Host": host}
                async with session.get(f"{running.effects_url}?run=run", headers=headers) as answer:
                    assert answer.status == expected
            async with session.put(f"{running.effects_url}/runs/announced") as answer:
                assert answer.status == 204
        assert (await get(running, run="announced"))[0] == 200


async def test_without_work_there_are_no_effects() -> None:
    async with await start_receiver(ReceiverOptions(engine="bare"), SECRET) as running:
        running.register("run")
        assert running.effects_url is None
        assert running.stats().work is None
        async with aiohttp.ClientSession() as session, session.get(f"{running.admin_url}/effects?run=run") as answer:
            assert (answer.status, "--process" in (await answer.json())["error"]) == (404, True)
    async with await start_receiver(ReceiverOptions(engine="bare", process=AT_ONCE, admin=None), SECRET) as running:
        assert running.effects_url is None


async def test_a_worker_that_ends_loses_what_waited_and_keeps_what_was_done() -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    stays = ServiceTime(CONSTANT, 60 * NS_PER_MS)
    options = ReceiverOptions(engine="bare", process=stays)
    async with await start_receiver(options, SECRET, say=said.put_nowait) as running:
        running.register("run")
        await deliver(running, "run/0/1")
        await effects_of(running, "run", 1)
        work = running.stats().work
        assert work is not None
        assert work.done == 1
        for index in range(1, 200):
            await deliver(running, f"run/{index}/1")
        await until(lambda: bool((work := running.stats().work) and work.backlog))
        os.kill(running.stats().per_worker[0].pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            await said.get()
        await until(lambda: bool((work := running.stats().work) and not work.backlog))
        lost = running.stats().work
        assert lost is not None
        assert lost.lost > 0
        assert (await get(running, run="run"))[1]["effects"][0]["id"] == "run/0/1"


async def test_effects_are_written_to_a_database_and_a_file(tmp_path: Path) -> None:
    db, file = tmp_path / "effects.db", tmp_path / "effects.ndjson"
    options = ReceiverOptions(engine="bare", process=AT_ONCE, repeat=1.0, effects_db=str(db), effects_file=str(file))
    async with await start_receiver(options, SECRET) as running:
        for index in range(3):
            await deliver(running, f"nobody-announced-it/{index}/1")
        await until(lambda: bool((work := running.stats().work) and work.done == 3))
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute("SELECT id, at FROM effects ORDER BY rowid").fetchall()
    assert [name for name, _ in rows] == [f"nobody-announced-it/{index}/1" for index in (0, 0, 1, 1, 2, 2)]
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert lines == [{"id": name, "at": at} for name, at in rows]
