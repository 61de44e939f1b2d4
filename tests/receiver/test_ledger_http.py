"""The ledger over real sockets: what both engines note, and what the admin port tells of it."""

from __future__ import annotations

import asyncio
import os
import signal

import aiohttp
import numpy as np
import pytest

from loadsim.measure.ledger_document import RunLedger, decode_ledger
from loadsim.receiver import supervisor
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions
from loadsim.receiver.run_register import RUNS
from tests.receiver.raw_client import PATIENCE_S, SECRET, exchange, request

HOSTILE = (
    b"X-Loadsim-Id: \r\n",
    b"X-Loadsim-Id: run/99999999999999999999/1\r\n",
    b"X-Loadsim-Id: run/-1/1\r\n",
    b"X-Loadsim-Id: run/1e3/1\r\n",
    b"X-Loadsim-Id: run/7/1/1\r\n",
    b"X-Loadsim-Id: run/\xb2/1\r\n",
    b"X-Loadsim-Id: run/7\r\n /1\r\n",
    b"X-Loadsim-Id: x\r\n run/7/1\r\n",
    b"X-Loadsim-Id: run/7/1\r\nX-Loadsim-Id: run/8/1\r\n",
    b"X-Loadsim-Id: " + b"run/" * 3_000 + b"7/1\r\n",
    b"X-Loadsim-Id: run/5000/1\r\n",
)


async def register(running: RunningReceiver, run: str) -> None:
    async with aiohttp.ClientSession() as session, session.put(f"{running.admin_url}/ledger/runs/{run}") as answer:
        assert answer.status == 204


async def ledger_of(running: RunningReceiver, run: str, arrivals: int) -> RunLedger:
    """The ledger over HTTP, once so many deliveries were entered."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE_S):
        while True:
            async with session.get(f"{running.admin_url}/ledger", params={"run": run}) as answer:
                if answer.status == 200:
                    ledger = decode_ledger(await answer.read(), run)
                    if int(ledger.arrivals.sum()) >= arrivals:
                        return ledger


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_came_is_told_and_hostile_marks_are_harmless(engine: Engine) -> None:
    options = ReceiverOptions(engine=engine, ledger_limit=5_000, max_body=1_000)
    async with await start_receiver(options, SECRET) as running:
        await register(running, "run")
        for hostile in HOSTILE:
            await exchange(running.port, request(extra=hostile))
        for index, attempts in ((1, 1), (3, 2)):
            for attempt in range(1, attempts + 1):
                delivery_id = b"X-Loadsim-ID: run/%d/%d\r\n" % (index, attempt)
                assert (await exchange(running.port, request(extra=delivery_id))).status == 200
        for index in (0, 2, 999_999):
            delivery_id = b"X-Loadsim-Id: run/%d/1\r\n" % index
            assert (await exchange(running.port, request(headers=b"", extra=delivery_id))).status == 400
        large = request(b'"' + b"x" * 2_000 + b'"', extra=b"X-Loadsim-Id: run/4/1\r\n")
        assert (await exchange(running.port, large)).status == 413
        ledger = await ledger_of(running, "run", 3)
        assert ledger.arrivals.tolist() == [0, 1, 0, 2]
        assert ledger.accepted.tolist() == [0, 1, 0, 2]
        assert ledger.first_s is not None
        assert (np.diff(ledger.first_s[[1, 3]]) > 0).all()
        assert "1 came of others" in ledger.incomplete  # the accepted one alone
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{running.admin_url}/ledger") as answer:
                listed = await answer.json()
            async with session.get(f"{running.admin_url}/ledger", params={"run": "other"}) as answer:
                assert (answer.status, (await answer.json())["error"][:26]) == (404, "this run is not registered")
        assert listed["runs"] == ["run"]
        assert listed["refused"]["malformed"] >= 6


async def test_workers_add_up_and_failures_on_purpose_are_not_accepted() -> None:
    options = ReceiverOptions(engine="bare", workers=2, fail_rate=1.0, ledger_limit=5_000)
    async with await start_receiver(options, SECRET) as running:
        await register(running, "failing")
        sent = 0
        async with asyncio.timeout(PATIENCE_S):
            while any(worker.counts.received == 0 for worker in running.stats().per_worker):
                await exchange(running.port, request(extra=b"X-Loadsim-Id: failing/0/1\r\n"))
                sent += 1
        ledger = await ledger_of(running, "failing", sent)
        assert (ledger.arrivals.tolist(), ledger.accepted.tolist()) == ([sent], [0])
    options = ReceiverOptions(engine="bare", workers=2, ledger_limit=5_000)
    sent = 0
    async with await start_receiver(options, SECRET) as running:
        await register(running, "run")
        async with asyncio.timeout(PATIENCE_S):
            while any(worker.counts.received < 2 for worker in running.stats().per_worker):
                delivery_id = b"X-Loadsim-Id: run/%d/1\r\n" % (sent % 3)
                assert (await exchange(running.port, request(extra=delivery_id))).status == 200
                sent += 1
        ledger = await ledger_of(running, "run", sent)
        assert int(ledger.accepted.sum()) == sent


async def test_books_of_a_killed_worker_stay_and_say_what_they_may_lack() -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    options = ReceiverOptions(engine="bare", ledger_limit=5_000)
    async with await start_receiver(options, SECRET, say=said.put_nowait) as running:
        await register(running, "run")
        assert (await exchange(running.port, request(extra=b"X-Loadsim-Id: run/1/1\r\n"))).status == 200
        assert (await ledger_of(running, "run", 1)).incomplete == ""
        os.kill(running.stats().per_worker[0].pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            await said.get()
        assert (await exchange(running.port, request(extra=b"X-Loadsim-Id: run/1/2\r\n"))).status == 200
        ledger = await ledger_of(running, "run", 2)
    assert ledger.accepted.tolist() == [0, 2]
    assert "workers of the receiver replaced" in ledger.incomplete


async def test_books_of_a_stopped_worker_are_not_whole_until_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PATIENCE_S", 0.5)
    options = ReceiverOptions(engine="bare", ledger_limit=5_000)
    async with await start_receiver(options, SECRET) as running:
        await register(running, "run")
        await register(running, "another")
        pid = running.stats().per_worker[0].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            for run in ("run", "another"):
                books = await running.ledger_of(run)
                assert books is not None
                assert books.incomplete == "worker 0 of the receiver has not entered what came for 0.5 s"
        finally:
            os.kill(pid, signal.SIGCONT)
        monkeypatch.setattr(supervisor, "PATIENCE_S", PATIENCE_S)
        assert (await exchange(running.port, request(extra=b"X-Loadsim-Id: run/1/1\r\n"))).status == 200
        books = await running.ledger_of("run")
        assert books is not None
        assert (books.accepted.tolist(), books.incomplete) == ([0, 1], ""), "what was answered is there at once"


async def test_without_a_ledger_none_is_told_of() -> None:
    async with await start_receiver(ReceiverOptions(ledger_limit=0), SECRET) as running:
        assert (await exchange(running.port, request(extra=b"X-Loadsim-Id: run/1/1\r\n"))).status == 200
        async with aiohttp.ClientSession() as session, session.get(f"{running.admin_url}/ledger?run=run") as answer:
            assert (answer.status, await answer.json()) == (404, {"error": "the receiver keeps no ledger"})
        async with aiohttp.ClientSession() as session, session.put(f"{running.admin_url}/ledger/runs/run") as answer:
            assert answer.status == 404


async def test_neither_forgeries_nor_replays_take_anything_from_an_honest_run() -> None:
    """What anybody can send who has no secret, and what somebody can who recorded one genuine delivery."""
    options = ReceiverOptions(engine="bare", ledger_limit=5_000)
    async with await start_receiver(options, SECRET) as running:
        await register(running, "honest")
        for number in range(2 * RUNS):
            replayed = b"X-Loadsim-Id: invented-%d/1/1\r\n" % number
            assert (await exchange(running.port, request(extra=replayed))).status == 200
            forged = b"X-Loadsim-Id: honest/%d/1\r\n" % (4_000_000_000 + number)
            assert (await exchange(running.port, request(headers=b"", extra=forged))).status == 400
        await register(running, "later")
        for run in (b"honest", b"later"):
            assert (await exchange(running.port, request(extra=b"X-Loadsim-Id: %b/1/1\r\n" % run))).status == 200
        for name in ("honest", "later"):
            ledger = await ledger_of(running, name, 1)
            assert (ledger.accepted.tolist(), ledger.incomplete) == ([0, 1], "")
        async with aiohttp.ClientSession() as session, session.get(f"{running.admin_url}/ledger") as answer:
            assert (await answer.json())["runs"] == ["later", "honest"]


async def test_the_admin_port_answers_to_its_own_names_alone() -> None:
    options = ReceiverOptions(engine="bare", admin_names=("Receiver.test",))
    async with await start_receiver(options, SECRET) as running, aiohttp.ClientSession() as session:
        for host, status in (
            ("127.0.0.1:8081", 200),
            ("[::1]:8081", 200),
            ("localhost", 200),
            ("receiver.test:8081", 200),
            ("RECEIVER.TEST", 200),
            ("rebound.example", 403),
            ("127.0.0.1.example", 403),
            ("a@127.0.0.1", 403),
            ("", 403),
        ):
            for method, path in (("GET", "/stats"), ("GET", "/ledger"), ("GET", "/healthz"), ("PUT", "/ledger/runs/x")):
                made = session.request(method, f"{running.admin_url}{path}", headers={"Host": host})
                async with made as answer:
                    wanted = 204 if status == 200 and method == "PUT" else status
                    assert answer.status == wanted, (host, path)
        async with session.put(f"{running.admin_url}/ledger/runs/a%20b") as answer:
            assert answer.status == 400
