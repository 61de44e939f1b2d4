"""Secrets that change under load: the gate passes for who rotates, and names who forgets the old one or keeps it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from loadsim.cases import case_rules, check_cases
from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.result import RunResult
from loadsim.model import Secret
from loadsim.plan import RunSpec, Scenario, from_document
from loadsim.receiver.secret_rotation import Rotating
from loadsim.report.findings import findings
from loadsim.run.run_store_judge import run_load
from loadsim.signing import Checker, scheme
from tests.conftest import slow_but

OBJECTIVES = ["success: rate >= 100%", "forged_accepted: count == 0"]
OLD, NEW = Secret("MDEyMzQ1Njc4OTAxMjM0NTY3ODk="), Secret("OTk5OTk5OTk5OTk5OTk5OTk5OTk=")


@contextlib.asynccontextmanager
async def unwatched(run: Run) -> AsyncIterator[None]:
    yield


@contextlib.asynccontextmanager
async def rotating(scheme_name: str, mistake: str, retired_from: int) -> AsyncIterator[str]:
    """The URL of a receiver that makes this mistake. The old secret ends with an event, not at an instant."""
    index = 0
    new, old = (scheme(scheme_name).verifier(secret) for secret in (NEW, OLD))
    until = None if mistake == "keeps the old one" else retired_from
    checker: Checker = new if mistake == "never knew the old one" else Rotating(new, old, lambda: index, until)

    async def take(request: web.BaseRequest) -> web.Response:
        nonlocal index
        body = await request.read()
        index = int(request.headers["X-Loadsim-Id"].split("/")[1])
        rejection = checker.verify(request.headers, body, time.time())
        return web.Response(status=200 if rejection is None else rejection.status)

    runner = web.ServerRunner(web.Server(take, access_log=None), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    finally:
        await runner.cleanup()


def rotation(scheme_name: str, url: str) -> Scenario:
    timed = {"rate": "400/s", "duration": "250ms"}
    document = {
        "name": "rotation",
        "target": {"url": url, "scheme": scheme_name, "old_secret_env": "OLD", "timeout": "1h"},
        "objectives": OBJECTIVES,
        "validity": {"lag": "1h"},
        "phases": [
            {"name": "before", "secrets": "old", **timed},
            {"name": "overlap", "secrets": "both", **timed},
            {"name": "settled", **timed},
            {"name": "after", **timed, "shares": {"retired_secret": 0.3}},
        ],
        "cases": [{"kind": "retired_secret", "share": 0}],
    }
    scenario = from_document(document, "test", known_types=["desktop.app_tracking.captured"], known_cases=case_rules())
    check_cases(scenario, scheme(scheme_name), "test")
    return scenario


async def rotated(out: Path, scheme_name: str, mistake: str) -> RunResult:
    """What a rotation comes to against a receiver that makes this mistake."""
    async with rotating(scheme_name, mistake, retired_from=300) as url:
        scenario = rotation(scheme_name, url)
        spec = RunSpec(
            scenario=scenario,
            seed=3,
            objectives=objectives_of(scenario.objectives, vocabulary_of_scenario(scenario)),
            secret=NEW,
            old_secret=OLD,
            out=out,
        )
        return (await run_load(spec, unwatched)).result


MISTAKES = ("none", "keeps the old one", "never knew the old one")


@pytest.mark.parametrize("scheme_name", slow_but(["trackpilots"], ["trackpilots", "standard-webhooks"]))
@pytest.mark.parametrize("mistake", slow_but(list(MISTAKES)[:1], MISTAKES))
async def test_a_rotation_is_judged(tmp_path: Path, scheme_name: str, mistake: str) -> None:
    result = await rotated(tmp_path, scheme_name, mistake)
    failed = {row.text for row in result.verdict.objectives if not row.passed}
    forged = result.by_case["retired_secret"]
    assert 10 < forged.sent < 60
    assert result.by_phase["after"].refusals_due == forged.sent
    if mistake == "none":
        assert (failed, findings(result)) == (set(), [])
    elif mistake == "keeps the old one":
        assert failed == {"forged_accepted: count == 0"}
        assert forged.forged_accepted == forged.sent
        assert "the old secret is still accepted after its end" in findings(result)[0]
    else:
        assert failed == {"success: rate >= 100%"}
        assert result.by_phase["before"].succeeded == 0
        # A list carries both signatures; without one the secrets take turns.
        overlap = result.by_phase["overlap"]
        assert overlap.succeeded == (overlap.sent if scheme_name == "standard-webhooks" else overlap.sent // 2)
        assert result.by_phase["settled"].success_rate == 1
