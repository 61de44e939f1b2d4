"""Where a receiver's ledger comes from: a ledger that may be anything, and files of a user's own."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from loadsim.events import EventSource, catalogue
from loadsim.measure.event_outcomes import OutcomeCollector, Outcomes, flags_of, pack
from loadsim.measure.ledger_document import Of, RunLedger, encode_ledger
from loadsim.model import LoadsimError, UsageError
from loadsim.plan import Plan
from loadsim.run import reconcile as module
from loadsim.run.reconcile import Rows, in_order, ledger_at, read_rows, reconciled, settled
from tests.engine.running import scenario

PLAN = Plan(scenario([{"rate": "10/s", "duration": "1s"}]), 1)
TYPES = ("desktop.app_tracking.captured", "desktop.activity_tracking.captured", "github.push", "stripe.charge")


def ledger_with(*accepted: int, incomplete: str = "") -> RunLedger:
    counts = np.array(accepted, dtype=np.uint8)
    return RunLedger("deliveries", counts, counts, incomplete=incomplete)


def sent(*codes: int) -> Outcomes:
    collector = OutcomeCollector()
    rows = [(index, 0, code) for index, code in enumerate(codes)]
    collector.add(pack(np.array(rows, dtype=np.int64).reshape(-1, 3), flags_of([(False, False)])))
    return collector.outcomes()


def script(*readings: RunLedger | str | None) -> Callable[[], Awaitable[RunLedger | None]]:
    """Reads one after the other; a text is raised, the last is read for ever."""
    left = list(readings)

    async def read() -> RunLedger | None:
        reading = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reading, str):
            raise LoadsimError(reading)
        return reading

    return read


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0)


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/ledger", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/ledger?key=hidden"
    finally:
        await runner.cleanup()


async def test_a_ledger_is_read_until_two_readings_agree() -> None:
    found = await settled(script(None, ledger_with(1), ledger_with(1, 1), ledger_with(1, 1)))
    assert found is not None
    assert found.accepted.tolist() == [1, 1]


async def test_one_that_never_settles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    count = iter(range(1, 10**9))

    async def read() -> RunLedger | None:
        return ledger_with(*[1] * (next(count) % 7))

    with pytest.raises(LoadsimError, match="still changed"):
        await settled(read)


@pytest.mark.parametrize(
    ("reading", "codes", "problem"),
    [
        ("http://h/ledger: refused", [200], "http://h/ledger: refused"),
        (None, [200, 401], "no entry for this run"),
        (ledger_with(1, incomplete="a worker was replaced"), [200], "not complete: a worker was replaced"),
    ],
)
async def test_a_ledger_that_cannot_be_trusted_says_why(
    reading: RunLedger | str | None, codes: list[int], problem: str
) -> None:
    found = await reconciled(script(reading), sent(*codes), PLAN, "test", 1)
    assert problem in found.problem
    assert found.lost is None


async def test_a_ledger_that_knows_nothing_is_right_where_nothing_was_acknowledged() -> None:
    found = await reconciled(script(None), sent(401, 401), PLAN, "test", 1)
    assert (found.problem, found.sent, found.refused, found.lost) == ("", 2, 2, 0)


async def test_a_served_ledger() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.query["key"] == "hidden"
        return web.Response(body=encode_ledger(request.query["run"], ledger_with(1, 0)))

    async with serving(handler) as url:
        found = await ledger_at(url, "a run", 2)()
    assert found is not None
    assert found.accepted.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b'{"error":"no such run"}', 'answered 404 {"error":"no such run"}'),
        (302, b"", "answered 302"),
        (500, b"no run at /ledger?key=hidden", "answered 500 no run at /ledger?key=***"),
        (200, b"<html>", "not a ledger"),
        (200, b'{"run":"\xff"}', "not a ledger"),
        (200, b'{"x":' + 5_000 * b"[" + 5_000 * b"]" + b"}", "not a ledger"),
        (200, encode_ledger("another", ledger_with(1)), "of run 'another'"),
    ],
)
async def test_what_is_no_ledger(status: int, body: bytes, reason: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    async with serving(handler) as url:
        with pytest.raises(LoadsimError) as raised:
            await ledger_at(url, "run", 2)()
    assert reason in str(raised.value)
    assert "hidden" not in str(raised.value)


async def test_nobody_there_and_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoadsimError, match=re.escape("http://127.0.0.1:9/ledger: cannot be reached: ")):
        await ledger_at("http://127.0.0.1:9/ledger", "run", 2)()
    monkeypatch.setattr(module, "LEDGER_SPARE", 10)
    monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.2)

    async def long(_: web.Request) -> web.Response:
        return web.Response(body=bytes(10 + 2 * module.LEDGER_EVENT + 1))

    over = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with serving(long) as url:
        with pytest.raises(LoadsimError, match="larger than"):
            await ledger_at(url, "run", 2)()
    async with serving(never) as url:
        with pytest.raises(LoadsimError, match="no answer within"):
            await ledger_at(url, "run", 2)()
        over.set()


def test_when_indexes_tell_an_order() -> None:
    closed = Plan(scenario([{"connections": 2, "duration": "1s"}]), 1)
    mixed = Plan(
        scenario([{"connections": 2, "duration": "1s", "record": False}, {"rate": "1/s", "duration": "1s"}]), 1
    )
    assert in_order(PLAN, 2)
    assert in_order(closed, 1)
    assert not in_order(closed, 2)
    assert not in_order(mixed, 1)


# -- files ----------------------------------------------------------------------------------------------------------


def rows_of(path: Path, field: str, *, types: tuple[str, ...] = TYPES, of: Of = "effects", events: int = 10) -> Rows:
    return read_rows(path, field, run="run", seed=7, types=types, events=events, of=of)


def write_json(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return path


def test_marks_in_lines_of_json_by_name_and_by_path(tmp_path: Path) -> None:
    marks = ["run/3/1", "run/0/1", "run/3/2", "other/1/1", "run/12/1", "run/1/1"]
    nested = write_json(tmp_path / "a.ndjson", *({"request": {"headers": [{"id": mark}]}} for mark in marks))
    named = write_json(tmp_path / "b.jsonl", *({"request.headers.0.id": mark} for mark in marks))
    for path in (nested, named):
        rows = rows_of(path, "request.headers.0.id")
        assert rows.ledger.accepted.tolist() == [1, 1, 0, 2, *[0] * 6]
        assert rows.ledger.first_s is not None
        assert rows.ledger.first_s[[3, 0, 1]].tolist() == [1, 2, 6]
        assert (rows.rows, rows.others, rows.beyond, rows.example) == (6, 1, 1, "other/1/1")
        assert not rows.by_body


def test_a_column_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "received.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["what", "id"], ["a,\nb", "run/1/1"], ["", "run/1/2"], []])
    assert rows_of(path, "id").ledger.accepted.tolist()[:3] == [0, 2, 0]


@pytest.mark.parametrize("name", [kind.name for kind in catalogue()])
def test_every_event_is_known_by_an_id_of_its_own(tmp_path: Path, name: str) -> None:
    source = EventSource(name, 7)
    path = write_json(tmp_path / "ids.ndjson", *({"id": source.event_id(index)} for index in (5, 2)))
    rows = rows_of(path, "id", types=(name,))
    assert rows.ledger.accepted.tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    assert rows.by_body


def test_ids_in_the_body_of_other_providers(tmp_path: Path) -> None:
    bodies = [json.loads(EventSource("stripe.charge.succeeded", 7).body(index, 10**18)) for index in (4, 1)]
    path = write_json(tmp_path / "stripe.ndjson", *bodies)
    rows = rows_of(path, "id", types=("stripe.charge.succeeded",))
    assert rows.ledger.accepted.tolist()[:5] == [0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.txt", "", "its name must end in one of .ndjson"),
        ("a.ndjson", '{"id": "run/1/1"}\n{"id"', "line 2: not JSON"),
        ("a.ndjson", '{"id": "run/1/1"}\n{}', "line 2: it has no id"),
        ("a.ndjson", "[1]", "line 1: it has no id"),
        ("a.ndjson", '{"id": 5}', "line 1: id is not a string"),
        ("a.ndjson", '{"id": "other/1/1"}', "none of 1 row has an id of the run run in id; the first"),
        ("a.csv", "", "it has no column id, and no header line"),
        ("a.csv", "a,b\n1,2", "it has no column id, only a, b"),
        ("a.csv", "a,id\n1", "line 2: it has no id"),
        ("a.csv", "a,id\n1," + "x" * 140_000, "line 2: field larger"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_one_line(tmp_path: Path, name: str, text: str, reason: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=reason) as raised:
        rows_of(path, "id")
    assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="cannot read"):
        rows_of(tmp_path / "absent.csv", "id")


def test_an_endpoint_that_did_nothing_has_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text("", encoding="utf-8")
    assert rows_of(path, "id").ledger.accepted.sum() == 0
