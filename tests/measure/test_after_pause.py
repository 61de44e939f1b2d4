"""The first events after a pause are told apart from the others of their phase."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.after_pause import LEAST_EVENTS, after_pause
from loadsim.measure.result import RunResult
from loadsim.measure.strata import StratumNames
from loadsim.model import NS_PER_MS, NS_PER_S
from tests.measure.rows import answered
from tests.measure.runs import built

PAUSE_NS, AGAIN_NS = 4 * NS_PER_S, 5 * NS_PER_S
NAMES = StratumNames(
    phases=("before", "idle", "again"),
    types=("a",),
    cases=("genuine",),
    recorded=(True, True, True),
    durations_ns=(2 * NS_PER_S, PAUSE_NS, AGAIN_NS),
    expects=("accept",),
)
BEGIN_NS = 2 * NS_PER_S + PAUSE_NS


def row(due_ns: int, took_ms: int, code: int = 200, phase: int = 2) -> list[int]:
    return answered(due_ns, took_ms * NS_PER_MS, stratum=phase, code=code)


def run_of(rows: list[list[int]]) -> RunResult:
    return built([row(0, 10, phase=0), *rows], NAMES)


def test_cold_starts_stand_in_the_first_second() -> None:
    cold = [row(BEGIN_NS + n * 50 * NS_PER_MS, 800, 503 if n == 0 else 200) for n in range(20)]
    warm = [row(BEGIN_NS + n * 50 * NS_PER_MS, 10) for n in range(20, 100)]
    found = after_pause(run_of([*cold, *warm]), "again", PAUSE_NS, BEGIN_NS, BEGIN_NS + AGAIN_NS)
    assert found is not None
    assert (found.phase, found.pause_s, found.t_s, found.first_s) == ("again", 4.0, 6.0, 1.0)
    assert (found.first.count, found.first.succeeded) == (20, 19)
    assert (found.rest.count, found.rest.succeeded) == (80, 80)
    assert (round(found.first.p50_ms or 0), round(found.first.max_ms or 0)) == (800, 800)
    assert (round(found.rest.p50_ms or 0), round(found.rest.max_ms or 0)) == (10, 10)


@given(st.lists(st.integers(0, AGAIN_NS // NS_PER_MS - 1), min_size=1, max_size=60, unique=True))
def test_every_event_of_the_phase_is_on_one_side_and_few_are_waited_for(due_ms: list[int]) -> None:
    rows = [row(BEGIN_NS + ms * NS_PER_MS, 5) for ms in sorted(due_ms)]
    found = after_pause(run_of(rows), "again", PAUSE_NS, BEGIN_NS, BEGIN_NS + AGAIN_NS)
    assert found is not None
    assert found.first.count + found.rest.count == len(due_ms)
    assert found.first.count == sum(ms < 1000 * found.first_s for ms in due_ms)
    assert found.first.count >= min(LEAST_EVENTS, len(due_ms))


def test_a_phase_in_which_nothing_was_due_has_none() -> None:
    assert after_pause(run_of([]), "again", PAUSE_NS, BEGIN_NS, None) is None
