"""A load run on the page: told as it goes on, stopped in order, one at a time."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from loadsim.dashboard.live_run import LiveRun, reasons_of
from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import load_result
from loadsim.measure.result_verdict import Validity
from loadsim.plan import RunSpec
from loadsim.plan.scenario import ValidityRules
from tests.builders import refused, run_result
from tests.cli.loopback import serving
from tests.dashboard.support import COOKIE, TOKEN, Client, page
from tests.working_endpoint import Endpoint

QUICK = {"kind": "quick", "model": "connections", "connections": "4", "duration": "1h", "objectives": ""}
PATIENCE_S = 60
WORKS = """
name = "works"
[target]
url = "URL/hooks"
[effects]
url = "URL/effects"
wait = "1h"
[[phases]]
name = "load"
rate = "20/s"
duration = "1s"
"""


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_hidden")


async def taken(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(0.02)  # what a real endpoint takes; nothing waits on it
    return web.Response(text="taken")


async def told(client: Client, last: str = "") -> list[tuple[str, str, Any]]:
    """Everything that the stream says until it ends: kind, id and data."""
    events = []
    headers = {"Cookie": f"{COOKIE}={TOKEN}", **({"Last-Event-ID": last} if last else {})}
    async with client.session.get(f"{client.base}/load/stream", headers=headers) as response:
        assert response.content_type == "text/event-stream"
        for block in (await response.text()).split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if fields:
                events.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return events


async def has(run: LiveRun, events: int) -> None:
    """Wait until so many events of the run are done."""
    while not run.over and (not run.points or run.points[-1]["done"] < events):
        await run.changed(1.0)


async def test_a_run_is_told_stopped_and_kept(tmp_path: Path) -> None:
    with serving(taken) as url:
        async with asyncio.timeout(PATIENCE_S), page(tmp_path / "reports") as client:
            status, begun = await client.post("/load", {**QUICK, "target": url})
            assert (status, begun["run"]["state"]) == (200, "starting")
            assert begun["command"] == f"loadsim run {url} -c 4 -d 1h"
            listening = asyncio.create_task(told(client))
            run = client.slot.run
            assert run is not None
            status, refused = await client.post("/load", {**QUICK, "target": url})
            assert status == 400
            assert "two runs would disturb each other" in refused["error"]
            await has(run, 20)
            status, stopped = await client.post("/load/stop", {})
            assert (status, stopped["run"]["state"]) == (200, "stopping")
            events = await listening
            again = await told(client)
            points = [event_id for _, event_id, _ in events if event_id]
            rest = await told(client, points[-3])
            _, text = await client.get(f"/runs/{events[-1][2]['directory']}")
            assert (await client.post("/load/stop", {}))[0] == 400
    states = [data["state"] for kind, _, data in events if kind == "state"]
    assert states[0] == "starting"
    assert states[-3:] == ["stopping", "judging", "done"]
    assert [event for event in again if event[0] == "point"] == [event for event in events if event[0] == "point"]
    assert [event_id for _, event_id, _ in rest if event_id] == points[-2:], "from where the reader was"
    seen = [data for kind, _, data in events if kind == "point"]
    end = events[-1][2]
    assert (end["outcome"], end["verdict"], end["exit_code"], end["reasons"]) == ("pass", "PASS", 130, [])
    assert "interrupted" in text
    path = tmp_path / "reports" / end["directory"] / "result.json"
    result = load_result(path.read_bytes(), "test")
    totals = result.totals
    assert totals.sent == totals.completed == seen[-1]["done"], "what was under way could end, and is in the last point"
    assert result.run.interrupted
    fresh = [point for point in seen if point["fresh"] and point["done_rate"]]
    assert all(a["at"] < b["at"] for a, b in itertools.pairwise(fresh))


def test_behind_a_verdict_stands_what_it_rests_on() -> None:
    result = run_result(totals=refused(100))
    judged = evaluate(result, objectives_of(["p(50) < 1us"], vocabulary_of(result)), ValidityRules())
    late = msgspec.structs.replace(judged, validity=Validity(False, ["the generator was late"]))
    why, *missed, diagnosis = reasons_of(late)
    assert why == "the generator was late"
    assert missed == ["p(50) < 1us: 4.00 ms", "success: rate >= 99%: 0 %"]
    assert "does not match the secret" in diagnosis


async def test_a_target_that_is_down_is_told_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE_S), page(tmp_path / "reports") as client:
        assert (await client.get("/load/stream", accept="*/*"))[0] == 204
        status, _ = await client.post("/load", {**QUICK, "target": "http://127.0.0.1:1/hooks"})
        assert status == 200
        (*_, (kind, _, end)) = await told(client)
    assert (kind, end["state"], end["directory"]) == ("state", "failed", None)
    assert "127.0.0.1:1" in end["text"]
    assert list((tmp_path / "reports").iterdir()) == []


async def test_stopped_before_the_first_event_nothing_is_sent(tmp_path: Path) -> None:
    came = []

    async def count(request: web.Request) -> web.Response:
        came.append(request.path)
        return web.Response()

    with serving(count) as url:
        async with asyncio.timeout(PATIENCE_S), page(tmp_path / "reports") as client:
            both = await asyncio.gather(*(client.post("/load", {**QUICK, "target": url}) for _ in range(2)))
            assert sorted(status for status, _ in both) == [200, 400], "one at a time, however fast one presses"
            status, _ = await client.post("/load/stop", {})
            assert status == 200
            (*_, (_, _, end)) = await told(client)
    assert (end["state"], came) == ("cancelled", [])
    assert "nothing was sent" in end["text"]


async def test_a_run_waits_for_effects_in_view_until_it_is_told_not_to(tmp_path: Path) -> None:
    endpoint = Endpoint(most=3)
    with serving(endpoint.handle) as url:
        (tmp_path / "works.toml").write_text(WORKS.replace("URL", url), encoding="utf-8")
        async with asyncio.timeout(PATIENCE_S), page(tmp_path / "reports") as client:
            status, begun = await client.post("/load", {"kind": "scenario", "scenario": "works.toml", "target": ""})
            assert (status, begun["run"]["effects"]) == (200, True)
            listening = asyncio.create_task(told(client))
            run = client.slot.run
            assert run is not None
            while run.state != "waiting" or not run.points[-1]["wait"]:
                await run.changed(1.0)
            assert (await client.post("/load/stop", {}))[0] == 200
            events = await listening
    states = [data["state"] for kind, _, data in events if kind == "state"]
    assert states[-3:] == ["waiting", "judging", "done"]
    assert events[-1][2]["exit_code"] == 130
    points = [data for kind, _, data in events if kind == "point"]
    assert [points[-1][name] for name in ("acknowledged", "effects", "backlog")] == [20, 3, 17]
    assert any(re.fullmatch(r"17 left, \d+ s of 3600 s", point["wait"]) for point in points)


async def test_the_end_of_the_page_keeps_what_was_measured(tmp_path: Path) -> None:
    with serving(taken) as url:
        async with asyncio.timeout(PATIENCE_S):
            async with page(tmp_path / "reports") as client:
                await client.post("/load", {**QUICK, "target": url})
                run = client.slot.run
                assert run is not None
                await has(run, 1)
            assert run.state == "done"
    (directory,) = (tmp_path / "reports").iterdir()
    assert (directory / "report.html").exists()


async def test_an_error_of_ours_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(spec: RunSpec, watch: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("loadsim.dashboard.live_run.run_load", broken)
    async with asyncio.timeout(PATIENCE_S), page(tmp_path / "reports") as client:
        await client.post("/load", {**QUICK, "target": "embedded"})
        (*_, (_, _, end)) = await told(client)
        run = client.slot.run
        assert run is not None
        with pytest.raises(ZeroDivisionError):
            await run.task
    assert (end["state"], end["text"]) == ("failed", "internal error of loadsim: ZeroDivisionError")
