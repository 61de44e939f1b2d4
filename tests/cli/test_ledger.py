"""A run and the ledger that it is told of: who is told what, and when."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path

import pytest
from aiohttp import web

from tests.conftest import slow_but

from .loopback import Handler, serving
from .running import Run

VARIABLE = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
LOST = "lost: count == 0"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "whsec_x")
    return Run(monkeypatch, capsys)


def foreign(status: int, came: list[str]) -> Handler:
    """An endpoint that keeps a ledger of its own, and answers so to who registers a run there."""
    accepted: dict[str, bytearray] = {}
    lock = threading.Lock()

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        with lock:
            came.append(f"{request.method} {request.raw_path}")
        if request.method == "PUT":
            return web.Response(status=status)
        if request.method == "GET":
            run = request.query["run"]
            kept = base64.b64encode(accepted.get(run, b"")).decode()
            return web.json_response({"schema": "loadsim.ledger/1", "run": run, "of": "effects", "accepted": kept})
        name, index, _ = request.headers["X-Loadsim-Id"].split("/")
        counts = accepted.setdefault(name, bytearray())
        counts.extend(bytes(max(0, int(index) + 1 - len(counts))))
        counts[int(index)] += 1
        return web.Response()

    return handler


def result_in(directory: Path) -> dict[str, object]:
    (found,) = directory.glob("reports/*/result.json")
    result: dict[str, object] = json.loads(found.read_bytes())
    return result


@pytest.mark.parametrize("status", slow_but([204, 404], [204, 200, 404, 405, 501, 403, 500]))
def test_a_run_is_registered_before_its_first_event(status: int, run: Run, tmp_path: Path) -> None:
    came: list[str] = []
    with serving(foreign(status, came)) as url:
        ran = run("run", f"{url}/hooks", "-c", "2", "-n", "10", "--ledger", f"{url}/books/?key=k", "--objective", LOST)
    run_id = result_in(tmp_path)["run"]["id"]  # type: ignore[index]
    assert came[0] == f"PUT /books/runs/{run_id}?key=k"
    assert sum(line.startswith("PUT") for line in came) == 1
    assert [line for line in came if line.startswith("POST")] == ["POST /hooks"] * 10
    assert ran.code == 0, ran.err
    assert ("could not be registered at the ledger" in ran.err) == (status in (403, 500))
    assert "key=k" not in ran.err


def test_a_ledger_that_is_not_there_is_told_of_at_once_and_makes_the_gate_invalid(run: Run) -> None:
    came: list[str] = []
    with serving(foreign(200, came)) as url:
        ran = run("run", f"{url}/hooks", "-c", "1", "-n", "3", "--ledger", "http://127.0.0.1:9/l", "--objective", LOST)
    assert ran.code == 3
    assert "the run could not be registered at the ledger: http://127.0.0.1:9/l: " in ran.err


def test_a_run_without_a_ledger_tells_nobody(run: Run) -> None:
    came: list[str] = []
    with serving(foreign(204, came)) as url:
        assert run("run", f"{url}/hooks", "-c", "1", "-n", "3").code == 0
    assert came == ["POST /hooks"] * 3


@pytest.mark.slow
def test_the_embedded_receiver_knows_its_run(run: Run, tmp_path: Path) -> None:
    ran = run("run", "embedded", "-c", "2", "-n", "50", "--objective", LOST, "--objective", "duplicated: count == 0")
    assert ran.code == 0, ran.err
    joined = result_in(tmp_path)["reconciliation"]
    assert isinstance(joined, dict)
    assert (joined["delivered"], joined["lost"], joined.get("problem", "")) == (50, 0, "")
