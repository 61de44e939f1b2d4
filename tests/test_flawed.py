"""Forged and awkward load against receivers with known flaws: each is found and named, and a sound one is clean."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadsim.cases import case_rules, check_cases
from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.result import RunResult
from loadsim.model import Secret
from loadsim.plan import RunSpec, from_document
from loadsim.report.findings import findings
from loadsim.report.reconciliation import has_findings
from loadsim.run.reconcile import reconciled_with_file
from loadsim.run.run_store_judge import run_load
from loadsim.signing import scheme
from tests.flawed import Flaw, Receiver
from tests.report.rendering import render_text

SECRET = "tests-only"
TYPES = ("desktop.activity_tracking.captured", "desktop.app_tracking.captured")
OBJECTIVES = (
    "forged_accepted: count == 0",
    "refused_badly: count == 0",
    "success: rate >= 100%",
    "lost: count == 0",
    "duplicated: count == 0",
)
CASES = {
    "wrong_secret": 0.08,
    "tampered_body": 0.05,
    "missing_signature": 0.03,
    "missing_timestamp": 0.03,
    "malformed_signature": 0.03,
    "non_ascii_signature": 0.03,
    "stale_timestamp": 0.03,
    "future_timestamp": 0.03,
    "reserialised_body": 0.03,
    "spaced_body": 0.03,
    "malformed_json": 0.03,
    "tampered_replay": 0.03,
    "empty_key": 0.03,
    "documentation_key": 0.03,
    "body_over_limit": 0.001,
    "body_at_limit": 0.001,
}
COPIES = 5
"""How often a duplicate comes at the same time; it comes once more afterwards."""
MANY = 40_000
FEW = MANY // 8
FEW_AND_MANY = pytest.mark.parametrize("events", [FEW, pytest.param(MANY, marks=(pytest.mark.slow, pytest.mark.long))])
"""What is found in many is found in few; the many are what the receiver is said to have been tried with."""


def phase_of(events: int) -> dict[str, str]:
    """So many events, many at a time: each is in service for a few milliseconds."""
    return {"rate": "10000/s", "duration": f"{events // 10}ms"}


@contextlib.asynccontextmanager
async def unwatched(run: Run) -> AsyncIterator[None]:
    yield


async def result_against(
    tmp_path: Path,
    flaws: Collection[Flaw],
    *,
    cases: Mapping[str, float] = CASES,
    phase: Mapping[str, str] | None = None,
    **of_receiver: Any,
) -> tuple[RunResult, Receiver]:
    async with Receiver(SECRET, flaws, **of_receiver) as receiver:
        document = {
            "name": "flawed",
            # a receiver on a busy machine may need many times as long as the phase lasts, and is given the time
            "target": {"url": receiver.url, "connections": 64, "ledger": receiver.ledger_url, "timeout": "1h"},
            "outcomes": True,
            "objectives": list(OBJECTIVES),
            "phases": [{"name": "load", **(phase or phase_of(FEW))}],
            "cases": [{"kind": kind, "share": share} for kind, share in cases.items()],
            # What other processes do to this one's lag is not what is tested here.
            "validity": {"lag": "1h"},
        }
        scenario = from_document(document, "test", known_types=TYPES, known_cases=case_rules())
        check_cases(scenario, scheme("trackpilots"), "test")
        spec = RunSpec(
            scenario=scenario,
            seed=5,
            objectives=objectives_of(scenario.objectives, vocabulary_of_scenario(scenario)),
            secret=Secret(SECRET),
            out=tmp_path,
            outcomes=scenario.outcomes,
        )
        outcome = await run_load(spec, unwatched)
    return outcome.result, receiver


def violations(result: RunResult) -> dict[str, int]:
    """How many events of which case came out otherwise than was owed to them; cases without are left out."""
    found = {
        name: case.failed if case.forged_accepted is None else case.forged_accepted + (case.refused_badly or 0)
        for name, case in result.by_case.items()
    }
    return {name: number for name, number in found.items() if number}


def failed(result: RunResult) -> set[str]:
    return {row.text for row in result.verdict.objectives if row.passed is False}


@FEW_AND_MANY
async def test_nothing_is_found_against_a_sound_receiver(tmp_path: Path, events: int) -> None:
    cases = {**CASES, "duplicate": 0.001}
    result, receiver = await result_against(tmp_path, (), cases=cases, phase=phase_of(events))
    assert violations(result) == {}
    assert findings(result) == []
    # A busy machine may make the run INVALID; what was found of the endpoint stands all the same.
    assert all(row.passed for row in result.verdict.objectives)
    assert receiver.effects == result.totals.succeeded
    found = result.reconciliation
    assert found is not None
    assert found.sent == found.delivered == result.totals.succeeded
    assert (found.lost, found.duplicated, found.forged_accepted, found.unacknowledged, found.never_sent) == (0,) * 5
    assert found.examples == {}
    due = result.totals.refusals_due
    assert due is not None
    assert due > 0.3 * events
    assert result.totals.forged_accepted_upper == pytest.approx(3 / due)
    assert sum(case.sent for case in result.by_case.values()) == events == result.totals.sent + due


@pytest.mark.slow
async def test_a_receiver_that_fails_open_under_load_is_found(tmp_path: Path) -> None:
    result, _ = await result_against(tmp_path, (Flaw.fails_open,))
    assert failed(result) == {"forged_accepted: count == 0"}
    accepted = result.totals.forged_accepted
    assert accepted is not None
    assert accepted > 5
    assert sum(violations(result).values()) == accepted
    assert result.totals.refused_badly == 0
    assert [line[:45] for line in findings(result)] == ["forged events are accepted some of the time: "]


@pytest.mark.slow
async def test_a_receiver_that_reserialises_is_found_both_ways(tmp_path: Path) -> None:
    result, _ = await result_against(tmp_path, (Flaw.reserialises,))
    assert failed(result) == {"forged_accepted: count == 0", "success: rate >= 100%"}
    found = violations(result)
    assert set(found) == {"reserialised_body", "spaced_body", "body_at_limit"}
    assert all(found[name] == result.by_case[name].sent for name in found)
    report = render_text(result, width=120)
    assert "By case" in report
    assert f"{found['reserialised_body']} accepted" in report
    assert [line.partition(":")[0] for line in findings(result)] == [
        "reserialised_body",
        "spaced_body",
        "body_at_limit",
    ]
    assert "parsed and serialised again before it is verified" in findings(result)[0]


@pytest.mark.slow
async def test_a_receiver_that_takes_any_future_time_is_found(tmp_path: Path) -> None:
    result, _ = await result_against(tmp_path, (Flaw.any_future,))
    assert failed(result) == {"forged_accepted: count == 0"}
    assert violations(result) == {"future_timestamp": result.by_case["future_timestamp"].sent}
    assert "any future timestamp is accepted" in findings(result)[0]


@FEW_AND_MANY
async def test_every_flaw_is_found_beside_the_others(tmp_path: Path, events: int) -> None:
    cases = {**CASES, "duplicate": 0.004}
    periods = {"forged_period": events // 100, "lost_period": events // 10}
    result, receiver = await result_against(tmp_path, tuple(Flaw), cases=cases, phase=phase_of(events), **periods)
    assert sum(case.sent for case in result.by_case.values()) == events
    assert failed(result) == set(OBJECTIVES) - {"refused_badly: count == 0"}
    named = [re.sub(r"^[\d,]+ events? ", "", line.partition(":")[0].partition(" (")[0]) for line in findings(result)]
    assert named == [
        "future_timestamp",
        "reserialised_body",
        "spaced_body",
        "body_at_limit",
        "forged events are accepted some of the time",
        "answered 2xx, but not in the receiver's ledger",
        "in the receiver's ledger more often than expected",
    ]
    found = result.reconciliation
    assert found is not None
    # Copies that a busy machine delivers one after the other find a receiver that remembers.
    assert found.duplicated is not None
    assert 0 < found.duplicated <= result.by_case["duplicate"].sent
    assert found.lost is not None
    assert found.lost == found.acknowledged_not_received
    assert found.lost > 0
    accepted = result.totals.forged_accepted
    assert accepted is not None
    assert found.forged_accepted is not None
    # what the receiver lost beyond the genuine events may have been forged ones that it had accepted
    assert 0 <= accepted - found.forged_accepted <= receiver.lost - found.lost


@pytest.mark.slow
@pytest.mark.parametrize("flaws", [(), (Flaw.not_idempotent,)])
async def test_copies_at_the_same_time_find_who_looks_before_and_remembers_after(
    tmp_path: Path, flaws: tuple[Flaw, ...]
) -> None:
    # The receiver is done with no copy before all five have come: however late they do, they are in service together.
    result, receiver = await result_against(
        tmp_path,
        flaws,
        cases={"duplicate": 0.9, "wrong_secret": 0.1},
        phase={"rate": "250/s", "duration": "400ms"},
        together=COPIES,
    )
    found = result.duplicates
    assert found is not None
    assert found.events == result.by_case["duplicate"].sent > 50
    assert found.first.status == {"200": found.events}
    assert found.same_time.deliveries == (COPIES - 1) * found.events
    assert found.afterwards.deliveries == found.events
    forged = result.totals.refusals_due
    assert forged == 100 - found.events
    assert result.totals.sent == found.events
    assert result.totals.attempts == (COPIES + 1) * found.events == len(receiver.deliveries) - forged
    assert found.spread_p50_ms is not None
    # What comes when the event is committed has no effect; what comes at the same time has one in the flawed receiver.
    assert receiver.effects == (COPIES if flaws else 1) * found.events
    assert "Duplicates" in render_text(result)
    # The same from the receiver's own file as from its ledger.
    directory = tmp_path / result.run.id
    file = tmp_path / "done.ndjson"
    file.write_text(receiver.rows(), encoding="utf-8")
    joined, notes = reconciled_with_file(result, directory, file, "event", of="effects")
    assert notes == []
    assert joined.duplicated == (found.events if flaws else 0)
    assert has_findings(joined) == bool(flaws)
    ledger = result.reconciliation
    assert ledger is not None
    # A file has an order, which this ledger leaves out.
    assert ledger == msgspec.structs.replace(joined, source=ledger.source, reordered=None, reorder_extent=None)
