"""What every arrival process keeps to: a new one is checked by being in `PROCESSES`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loadsim.model import UsageError
from loadsim.plan import Plan, Scenario
from loadsim.plan.arrivals import PROCESSES, Place
from loadsim.plan.random_draws import BLOCK
from tests.plan.support import S, scenario_of

PACE = tuple(ms * 1_000_000 for ms in (0, 3, 4, 4, 44, 51, 151))
DURATION_NS = 4 * S
RATES: tuple[dict[str, Any], ...] = ({"rate": "3000/s"}, {"from": "0/s", "to": "5000/s"}, {"rate": "1/h"})


def phases_of(name: str) -> list[dict[str, Any]]:
    """Phases with this process, by every kind of rate where it has one."""
    base = {"duration": "4s", "arrivals": name}
    return [{**base, **rate} for rate in RATES] if PROCESSES[name].has_rate else [base]


def _scenario(phase: dict[str, Any]) -> Scenario:
    return scenario_of(phase, events=[{"type": "mine", "payloads": "capture.ndjson"}])


@pytest.mark.parametrize("name", PROCESSES)
def test_due_times_rise_inside_the_phase_and_are_as_many_as_counted(name: str) -> None:
    process = PROCESSES[name]
    for table in phases_of(name):
        (phase,) = _scenario(table).phases
        place = Place(7, 0, 5, PACE)
        count = process.count(phase, place)
        for known in (count, None):
            blocks = list(process.blocks(phase, place, known))
            assert all(len(block) <= BLOCK for block in blocks)
            due = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int64)
            assert len(due) == count
            assert (np.diff(due) >= 0).all()
            assert not len(due) or (due[0] >= 0 and due[-1] < DURATION_NS)
        if process.has_rate:
            assert abs(process.mean(phase) - count) <= (8 * count**0.5 + 8 if process.random else 0)


@pytest.mark.parametrize("name", PROCESSES)
def test_the_bound_on_a_stretch_holds_wherever_it_lies(name: str) -> None:
    process = PROCESSES[name]
    for table in phases_of(name):
        (phase,) = _scenario(table).phases
        place = Place(7, 0, 0, PACE)
        due = np.concatenate([np.zeros(0, dtype=np.int64), *process.blocks(phase, place, None)])
        for span in (1, 1_000_000, S // 3, 2 * S):
            most = process.most(phase, span)
            if most is None:
                continue
            found = np.searchsorted(due, due + span) - np.arange(len(due))
            assert not len(due) or found.max() <= most


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("shards", [1, 3])
def test_shards_divide_what_is_due(name: str, shards: int) -> None:
    for table in phases_of(name):
        plan = Plan(_scenario(table), 7, PACE)
        found = [
            pair
            for shard in range(shards)
            for block in plan.blocks(0, shard, shards)
            for pair in zip(block.index, block.due, strict=True)
        ]
        assert [index for index, _ in sorted(found)] == list(range(len(found)))
        assert [due for _, due in sorted(found)] == sorted(due for _, due in found)
        assert plan.count(0) == len(found)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_says_what_it_is(name: str) -> None:
    (phase,) = _scenario(phases_of(name)[0]).phases
    words = PROCESSES[name].words(phase, "3000/s")
    assert words == "as recorded" if not PROCESSES[name].has_rate else words.startswith("3000/s")
    assert name == "constant" or name in words


def test_an_unknown_process_is_one_line() -> None:
    with pytest.raises(UsageError, match=f'arrivals: "posson" is not one of {", ".join(sorted(PROCESSES))}$'):
        _scenario({"rate": "1/s", "duration": "1s", "arrivals": "posson"})
