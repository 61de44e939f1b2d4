"""What is noted of deliveries, in every engine, on a scripted endpoint and clock."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from loadsim.engine.outcome_notes import OutcomeNotes
from loadsim.engine.scripted_endpoint import Reply, Script
from loadsim.measure.event_outcomes import Ending, OutcomeCollector, Outcomes
from loadsim.measure.outcome_columns import Column
from loadsim.model import NS_PER_MS
from loadsim.outcome_codes import UNFINISHED
from loadsim.plan import Scenario
from tests.engine.running import Ran, scenario
from tests.engine.test_engine import after, play

MS = NS_PER_MS


def noted(of: Scenario, script: Script, **options: Any) -> tuple[Ran, Outcomes]:
    notes = OutcomeNotes(np.zeros(8, dtype=np.int64))
    result, _ = play(of, script, logs=[notes], **options)
    collector = OutcomeCollector()
    collector.add(notes.take())
    assert notes.take() == b""
    return result, collector.outcomes()


def test_every_event_is_noted_once_with_its_answer() -> None:
    def script(index: int, now: int) -> Reply:
        return Reply(5 * MS, (200, 401, 503)[index % 3])

    result, outcomes = noted(scenario([{"rate": "1000/s", "duration": "90ms"}], {"connections": 4}), script)
    result.assert_balanced()
    wanted = [(Ending.succeeded, Ending.refused, Ending.answered)[index % 3] for index in range(90)]
    assert outcomes.ending.tolist() == wanted
    assert outcomes.deliveries.tolist() == [1] * 90


def test_what_is_left_at_the_end_is_noted_too() -> None:
    of = scenario([{"rate": "100/s", "duration": "100ms"}], {"connections": 2, "timeout": "50ms"})
    result, outcomes = noted(of, after(3600_000 * MS))
    assert len(result.codes) == 10
    found = Counter(outcomes.ending.tolist())
    unfinished_unsent = 10 - len(outcomes.ending) + found[Ending.none] + found[Ending.unsent]
    assert found[Ending.unanswered] + unfinished_unsent == 10
    never_sent = sum(not sent for sent in result.column(Column.sent))
    assert unfinished_unsent == never_sent
    assert UNFINISHED in result.codes or never_sent == 0


@pytest.mark.parametrize("options", [{"connect_ns": 3600_000 * MS}, {"limit": 0}])
def test_what_never_left_is_no_delivery(options: dict[str, Any]) -> None:
    of = scenario([{"rate": "100/s", "duration": "100ms"}], {"connections": 20, "timeout": "50ms"})
    result, outcomes = noted(of, after(MS), **options)
    assert set(result.outcomes) <= {"connect_timeout", "connect_error", "unfinished"}
    assert outcomes.ending.tolist() == [Ending.unsent] * 10
    assert outcomes.deliveries.tolist() == [0] * 10


@pytest.mark.parametrize("copies", [2, 5])
def test_every_copy_of_a_volley_counts_as_a_delivery(copies: int) -> None:
    cases = [{"kind": "duplicate", "share": 1, "copies": copies}]
    of = scenario([{"rate": "100/s", "duration": "100ms"}], cases=cases)
    _, outcomes = noted(of, after(2 * MS))
    assert outcomes.ending.tolist() == [Ending.succeeded] * 10
    assert outcomes.deliveries.tolist() == [copies + 1] * 10
