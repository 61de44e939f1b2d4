"""Volleys on a scripted endpoint and clock: identical, at one instant, on different connections, one event each."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from loadsim.engine.recorder import BITE
from loadsim.engine.scripted_endpoint import START_NS, Reply, Script, ScriptedTransport, SentRequest
from loadsim.error_kinds import ErrorKind
from loadsim.measure.outcome_columns import Column
from loadsim.measure.volleys import VolleyCounts, duplicates_of
from loadsim.model import NS_PER_MS
from loadsim.outcome_codes import ERROR_BASE
from loadsim.plan import Scenario
from tests.engine.running import KeepingRecorder, Ran, scenario
from tests.engine.test_engine import after, play

MS = NS_PER_MS
TIMEOUT = ERROR_BASE + ErrorKind.timeout


def duplicated(
    rate: str = "100/s", duration: str = "100ms", *, share: float = 1, copies: int = 5, **target: Any
) -> Scenario:
    cases = [{"kind": "duplicate", "share": share, "copies": copies}]
    return scenario([{"rate": rate, "duration": duration}], {"timeout": "1s", **target}, cases=cases)


def volleyed(of: Scenario, script: Script, **options: Any) -> tuple[Ran, ScriptedTransport, VolleyCounts]:
    result, transport = play(of, script, **options)
    assert result.policies.volleys is not None
    return result, transport, result.policies.volleys.counts


def by_index(transport: ScriptedTransport) -> dict[int, list[SentRequest]]:
    found: dict[int, list[SentRequest]] = {}
    for sent in transport.sent:
        found.setdefault(sent.index, []).append(sent)
    return found


@pytest.mark.parametrize("connect_ns", [0, 3 * MS])
def test_copies_are_identical_and_leave_at_one_instant_on_different_connections(connect_ns: int) -> None:
    result, transport, counts = volleyed(duplicated(), after(2 * MS), connect_ns=connect_ns)
    assert result.planned == len(result.codes) == counts.events == 10
    for copies in by_index(transport).values():
        assert len(copies) == 6
        assert len({copy.request for copy in copies}) == 1
        at_once, again = copies[:5], copies[5]
        assert len({copy.at_ns for copy in at_once}) == 1
        assert len({copy.connection for copy in at_once}) == 5
        assert again.at_ns == at_once[0].at_ns + 2 * MS
    assert len({copies[0].request for copies in by_index(transport).values()}) == 10


def test_first_same_time_and_committed_are_told_apart() -> None:
    seen: Counter[int] = Counter()

    def idempotent(index: int, now: int) -> Reply:
        seen[index] += 1
        return {1: Reply(5 * MS, 201), 6: Reply(1 * MS, 200)}.get(seen[index], Reply(6 * MS, 409))

    result, _, counts = volleyed(duplicated(), idempotent)
    assert result.codes == [201] * 10
    assert counts.codes == [{201: 10}, {409: 40}, {200: 10}]
    found = duplicates_of([counts, VolleyCounts()])
    assert found is not None
    assert (found.events, found.spread_max_ms) == (10, 0)
    assert found.same_time.status == {"409": 40}
    assert found.first.p50_ms == pytest.approx(5, rel=0.001)
    assert found.afterwards.p50_ms == pytest.approx(1, rel=0.001)


def test_an_event_is_accepted_when_any_copy_is_and_takes_as_long_as_that_one() -> None:
    seen: Counter[int] = Counter()

    def busy(index: int, now: int) -> Reply:
        seen[index] += 1
        return Reply(8 * MS, 200) if seen[index] == 3 else Reply(1 * MS, 409)

    result, _, _ = volleyed(duplicated(), busy)
    assert result.codes == [200] * 10
    assert [done - due for done, due in zip(result.column(Column.done), result.column(Column.due), strict=True)] == [
        8 * MS
    ] * 10


def test_volleys_and_single_events_share_the_pool_and_every_event_ends_once() -> None:
    of = duplicated("2000/s", "500ms", share=0.3, connections=7)
    result, transport, counts = volleyed(of, after(2 * MS), connect_ns=MS)
    assert result.planned == len(result.codes) == 1000
    assert result.engine.connection_counts.open_peak <= 7
    assert 250 < counts.events < 350
    sizes = Counter(len(copies) for copies in by_index(transport).values())
    assert sizes == {6: counts.events, 1: 1000 - counts.events}
    assert sum(counts.extra.values()) == 5 * counts.events
    for copies in by_index(transport).values():
        assert len({copy.at_ns for copy in copies[:5]}) == 1


def test_connections_that_close_are_replaced() -> None:
    result, transport, counts = volleyed(duplicated(connections=6), after(2 * MS, keep=False))
    assert result.codes == [200] * 10
    assert {len(copies) for copies in by_index(transport).values()} == {5}
    assert counts.codes[2] == {}


def test_copies_that_time_out_leave_the_event_to_the_others() -> None:
    seen: Counter[int] = Counter()

    def hangs(index: int, now: int) -> Reply | None:
        seen[index] += 1
        return None if seen[index] == 2 else Reply(MS, 200)

    result, _, counts = volleyed(duplicated(timeout="50ms"), hangs)
    assert result.codes == [200] * 10
    assert counts.codes[1] == {200: 30, TIMEOUT: 10}


def test_an_event_of_which_no_copy_is_answered_is_an_error_once() -> None:
    result, _, counts = volleyed(duplicated(timeout="50ms"), lambda _, __: None)
    assert result.outcomes == ["timeout"] * 10
    assert counts.events == 10


def test_what_is_under_way_at_the_end_is_unfinished_once() -> None:
    result, _, _ = volleyed(duplicated(timeout="5s", connections=12), lambda _, __: None, stops={95 * MS: False})
    assert result.outcomes == ["unfinished"] * 10
    assert result.engine.queued == 0


def test_a_descriptor_limit_ends_the_event_and_not_the_run() -> None:
    result, _, _ = volleyed(duplicated(copies=3), after(MS), limit=0)
    assert result.outcomes == ["connect_error"] * 10


def test_the_run_starts_where_the_script_does() -> None:
    result, transport, _ = volleyed(duplicated(), after(MS))
    assert min(sent.at_ns for sent in transport.sent) == START_NS == min(result.column(Column.due))


def test_deliveries_beside_the_outcomes_are_folded_in_steps_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event is six deliveries: far more of them wait than rows."""
    folded: list[int] = []
    fold, step = KeepingRecorder.fold, KeepingRecorder.step
    steps = itertools.count()

    def whole(recorder: KeepingRecorder) -> None:
        folded.append(recorder.waiting)
        fold(recorder)

    def stepped(recorder: KeepingRecorder) -> None:
        next(steps)
        step(recorder)

    monkeypatch.setattr(KeepingRecorder, "fold", whole)
    monkeypatch.setattr(KeepingRecorder, "step", stepped)
    result, _, counts = volleyed(duplicated("5000/s", "300ms"), after(MS))
    assert len(result.codes) == counts.events == 1500
    assert next(steps) > 5
    assert len(folded) == 1  # at the end of the run
    assert folded[0] < BITE
