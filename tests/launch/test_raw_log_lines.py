"""The raw log: every event once, in vegeta's fields, also those that never left; nothing half-written."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadsim.launch.raw_log_lines import FILE, RawLog
from loadsim.model import LoadsimError
from loadsim.plan import Plan, quick_scenario
from tests.launch.support import endpoint, loadsim, stored

FIELDS: dict[str, type | tuple[type, ...]] = {
    "attack": str,
    "seq": int,
    "code": int,
    "timestamp": str,
    "latency": int,
    "bytes_out": int,
    "bytes_in": int,
    "error": str,
    "body": (str, type(None)),
    "method": str,
    "url": str,
    "headers": (dict, type(None)),
}
"""vegeta's documented fields of one result, in its order; `latency` in ns, `timestamp` RFC 3339, `body` base64."""


def lines(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    for entry in found:
        assert list(entry)[: len(FIELDS)] == list(FIELDS)
        for name, kind in FIELDS.items():
            assert isinstance(entry[name], kind), (name, entry[name])
        assert 0 <= entry["code"] <= 0xFFFF
        assert entry["latency"] >= 0
    return found


async def test_every_event_stands_in_the_log_once(tmp_path: Path) -> None:
    async with endpoint() as served:
        done = await loadsim("run", served.url, "-r", "400/s", "-n", "300", "-w", "2", "--raw", "-q", cwd=tmp_path)
    assert done.code in (0, 3), done.err
    result = stored(tmp_path)
    (path,) = (tmp_path / "reports").glob(f"*/{FILE}")
    log = lines(path)
    assert sorted(entry["seq"] for entry in log) == list(range(300))
    assert {entry["code"] for entry in log} == {200}
    assert {entry["error"] for entry in log} == {""}
    assert {entry["attack"] for entry in log} == {result.run.id}
    assert sum(entry["bytes_out"] for entry in log) == result.totals.bytes_sent
    service = result.totals.latency_ms["service"].max
    assert max(entry["latency"] for entry in log) / 1e6 == service
    response = result.totals.latency_ms["response"].max
    assert max(entry["response_ns"] for entry in log) / 1e6 == response
    counts = {name: sum(entry["type"] == name for entry in log) for name in result.by_event}
    assert counts == {name: group.sent for name, group in result.by_event.items()}
    started = datetime.fromisoformat(result.run.started_at).timestamp()
    assert all(0 <= datetime.fromisoformat(entry["timestamp"]).timestamp() - started < 60 for entry in log)
    for entry in log:
        assert entry["due_ns"] <= entry["woken_ns"] <= entry["slot_ns"] <= entry["sent_ns"] < entry["done_ns"]
    assert FILE in done.out


async def test_failures_are_named_as_vegeta_names_them(tmp_path: Path) -> None:
    async with endpoint(503) as served:
        await loadsim("run", served.url, "-c", "2", "-n", "20", "--raw", "-q", cwd=tmp_path)
    (path,) = (tmp_path / "reports").glob(f"*/{FILE}")
    assert {(entry["code"], entry["error"]) for entry in lines(path)} == {(503, "503 Service Unavailable")}


DROPPING = """
name = "dropping"
[target]
url = "{url}"
connections = 2
overflow = "drop"
timeout = "1s"
[[phases]]
name = "load"
duration = "500ms"
rate = "100/s"
"""
QUEUEING = DROPPING.replace('overflow = "drop"', "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "expected"), [(DROPPING, {"dropped", "timeout"}), (QUEUEING, {"timeout", "unfinished"})]
)
async def test_events_that_were_never_answered_are_in_the_log(
    tmp_path: Path, scenario: str, expected: set[str]
) -> None:
    async with endpoint(answering=False) as served:
        (tmp_path / "s.toml").write_text(scenario.format(url=served.url), encoding="utf-8")
        await loadsim("run", "s.toml", "--raw", "-q", cwd=tmp_path)
    result = stored(tmp_path)
    (path,) = (tmp_path / "reports").glob(f"*/{FILE}")
    log = lines(path)
    assert sorted(entry["seq"] for entry in log) == list(range(result.totals.planned))
    errors = [entry["error"] for entry in log]
    assert set(errors) == expected
    assert errors.count("dropped") == result.totals.dropped
    assert errors.count("unfinished") == result.totals.unfinished
    assert {entry["code"] for entry in log} == {0}


async def test_without_the_option_there_is_no_log(tmp_path: Path) -> None:
    async with endpoint() as served:
        await loadsim("run", served.url, "-n", "20", "-q", cwd=tmp_path)
    assert list((tmp_path / "reports").glob(f"*/{FILE}")) == []


async def test_a_run_that_never_began_leaves_no_log(tmp_path: Path) -> None:
    done = await loadsim("run", "http://127.0.0.1:9/hook", "-n", "20", "--raw", "-q", cwd=tmp_path)
    assert done.code == 1
    assert list((tmp_path / "reports").iterdir()) == []


def plan() -> Plan:
    url = "http://user:secret@127.0.0.1:9/hook?token=abc"
    return Plan(quick_scenario(url, events=10, known_types=["desktop.app_tracking.captured"]), 1)


ROW = [7, 0, 200, 1_000, 1_001, 1_002, 1_003, 1_004, 1_005, 10, 20, 1, -30, 1_002, 1]


def raw(rows: list[list[int]]) -> bytes:
    return np.array(rows, dtype=np.int64).tobytes()


def test_the_log_shows_no_secret_of_the_target(tmp_path: Path) -> None:
    log = RawLog(tmp_path / "part", plan(), "id")
    log.add(raw([ROW]))
    (entry,) = lines(log.keep(tmp_path))
    assert entry["url"] == "http://***@127.0.0.1:9/hook?token=***"
    assert (entry["receipt_ns"], entry["receipt_exact"]) == (30, False)
    assert entry["timestamp"] == "1970-01-01T00:00:00.000001003Z"
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_full_disk_is_said_once_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "part").symlink_to("/dev/full")
    log = RawLog(tmp_path / "part", plan(), "id")
    for _ in range(100):
        log.add(raw([ROW] * 100))
    with pytest.raises(LoadsimError, match="could not be written completely: No space left on device"):
        log.keep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_without_rights_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LoadsimError, match="the raw log cannot be written: No such file"):
        RawLog(tmp_path / "no" / "such", plan(), "id")
