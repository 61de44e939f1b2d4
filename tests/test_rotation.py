"""Secrets that change under load: the gate passes for who rotates, and names who forgets the old one or keeps it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadsim.cases import case_rules, check_cases, retirement_ns
from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.launch.run import Run
from loadsim.measure.result import RunResult
from loadsim.model import Secret
from loadsim.plan import from_document
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ReceiverOptions
from loadsim.report.findings import findings
from loadsim.signing import scheme
from loadsim.studies.load import LoadRequest, run_load

OBJECTIVES = ["success: rate >= 100%", "forged_accepted: count == 0"]
OLD, NEW = Secret("MDEyMzQ1Njc4OTAxMjM0NTY3ODk="), Secret("OTk5OTk5OTk5OTk5OTk5OTk5OTk=")


@contextlib.asynccontextmanager
async def unwatched(run: Run) -> AsyncIterator[None]:
    yield


async def rotated(out: Path, scheme_name: str, mistake: str) -> RunResult:
    """What a rotation comes to against a receiver that makes this mistake."""
    timed = {"rate": "200/s", "duration": "600ms"}
    phases = [
        {"name": "before", "secrets": "old", **timed},
        {"name": "overlap", "secrets": "both", **timed},
        {"name": "settled", **timed, "duration": "2s"},
        {"name": "after", **timed, "shares": {"retired_secret": 0.3}},
    ]
    document = {
        "name": "rotation",
        "target": {"url": "http://127.0.0.1:9/", "scheme": scheme_name, "old_secret_env": "OLD"},
        "objectives": OBJECTIVES,
        "phases": phases,
        "cases": [{"kind": "retired_secret", "share": 0}],
    }
    scenario = from_document(document, "test", known_types=["desktop.app_tracking.captured"], known_cases=case_rules())
    check_cases(scenario, scheme(scheme_name), "test")
    retire_ns = retirement_ns(scenario) if mistake != "keeps the old one" else None
    known = OLD if mistake != "never knew the old one" else None
    async with await start_receiver(
        ReceiverOptions(scheme=scheme_name, retire_ns=retire_ns), NEW, old_secret=known
    ) as receiver:
        document["target"] = {"url": receiver.url, "scheme": scheme_name, "old_secret_env": "OLD"}
        scenario = from_document(
            document, "test", known_types=["desktop.app_tracking.captured"], known_cases=case_rules()
        )
        request = LoadRequest(
            scenario=scenario,
            seed=3,
            objectives=objectives_of(scenario.objectives, vocabulary_of_scenario(scenario)),
            secret=NEW,
            old_secret=OLD,
            headers={},
            out=out,
        )
        return (await run_load(request, unwatched)).result


@pytest.mark.parametrize("scheme_name", ["trackpilots", "standard-webhooks"])
async def test_a_rotation_is_judged(tmp_path: Path, scheme_name: str) -> None:
    mistakes = ("none", "keeps the old one", "never knew the old one")
    # side by side: most of a rotation is waiting for its phases
    results = await asyncio.gather(*(rotated(tmp_path / mistake, scheme_name, mistake) for mistake in mistakes))
    for mistake, result in zip(mistakes, results, strict=True):
        failed = {row.text for row in result.verdict.objectives if not row.passed}
        forged = result.by_case["retired_secret"]
        assert 20 < forged.sent < 60
        assert result.by_phase["after"].refusals_due == forged.sent
        if mistake == "none":
            assert (failed, findings(result)) == (set(), [])
        elif mistake == "keeps the old one":
            assert failed == {"forged_accepted: count == 0"}
            assert forged.forged_accepted == forged.sent
            assert "the old secret still opens the door after its end" in findings(result)[0]
        else:
            assert failed == {"success: rate >= 100%"}
            assert result.by_phase["before"].succeeded == 0
            # A list carries both signatures; without one the secrets take turns.
            overlap = result.by_phase["overlap"]
            assert overlap.succeeded == (overlap.sent if scheme_name == "standard-webhooks" else overlap.sent // 2)
            assert result.by_phase["settled"].success_rate == 1
