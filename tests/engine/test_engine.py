"""The engine on a scripted endpoint, pacer and clock: exact to the nanosecond, and no real time passes."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from loadsim.cases import RequestMaker
from loadsim.engine.arrivals import USERS_AT_ONCE
from loadsim.engine.raw_log_rows import WIDTH, RawRows
from loadsim.engine.scripted_endpoint import (
    START_NS,
    Reply,
    Script,
    ScriptedConnection,
    ScriptedPacer,
    ScriptedTransport,
    VirtualLoop,
)
from loadsim.engine.transport_interface import Made
from loadsim.error_kinds import ErrorKind
from loadsim.measure.outcome_columns import Column
from loadsim.model import NS_PER_MS, NS_PER_S, SignedRequest
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED
from loadsim.plan import Plan, Scenario
from tests.engine.running import KeepingRecorder, Ran, build, ran, scenario

MS = NS_PER_MS
S = NS_PER_S


def play(
    of: Scenario,
    script: Script,
    *,
    misses: Iterable[int] = (),
    connect_ns: int = 0,
    limit: int | None = None,
    stops: dict[int, bool] | None = None,
    wall: Callable[[], int] | None = None,
    pacer: type[ScriptedPacer] = ScriptedPacer,
    transport: type[ScriptedTransport] = ScriptedTransport,
    **options: Any,
) -> tuple[Ran, ScriptedTransport]:
    """Run a scenario on virtual time. `stops`: ns since the start -> drain. `wall`: a wall clock of its own."""
    loop = VirtualLoop()
    endpoint = transport(loop, script, connect_ns=connect_ns, limit=limit)

    async def go() -> Ran:
        engine, recorder, policies = build(
            of,
            endpoint,
            pacer(loop, misses),
            start_ns=START_NS,
            clock=loop.now_ns,
            wall=wall or loop.now_ns,
            **options,
        )
        for instant, drain in (stops or {}).items():
            # entered a millisecond before, so that of two timers for one instant this one comes second
            stop = functools.partial(engine.stop, drain=drain)
            loop.at_ns(START_NS + instant - MS, loop.at_ns, START_NS + instant, stop)
        end = await engine.run(START_NS)
        return ran(engine, recorder, policies, (end - START_NS) / S)

    try:
        result = loop.run_until_complete(go())
    finally:
        loop.close()
    result.assert_balanced()
    return result, endpoint


def after(ns: int, code: int = 200, *, keep: bool = True) -> Script:
    return lambda _, __: Reply(ns, code, keep)


def dues(of: Scenario) -> list[int]:
    plan = Plan(of, 1)
    phases = [phase.number for phase in plan.phases if phase.model == "open"]
    return [due for number in phases for block in plan.blocks(number) for due in block.due]


STEADY = {"rate": "1000/s", "duration": "1s"}


def test_every_event_is_due_when_the_plan_says_and_none_is_early() -> None:
    of = scenario([STEADY])
    result, _ = play(of, after(MS), misses=[0, -300_000, -1, 40_000, -900_000, 7 * MS, -50 * MS])
    due, woken, sent = (result.column(column) for column in (Column.due, Column.woken, Column.sent))
    assert sorted(due) == [START_NS + instant for instant in dues(of)]
    assert all(at >= planned for at, planned in zip(woken, due, strict=True))
    assert all(at >= planned for at, planned in zip(sent, due, strict=True))
    assert max(at - planned for at, planned in zip(woken, due, strict=True)) == 7 * MS
    assert len(result.codes) == 1000


@pytest.mark.parametrize("phase", [STEADY, {"connections": 5, "events": 500}])
def test_steps_of_the_wall_clock_change_nothing_that_is_measured(phase: dict[str, Any]) -> None:
    steps = itertools.cycle([0, 3600 * S, -86_400 * S, 7 * MS])
    stepped, _ = play(scenario([phase]), after(30 * MS), wall=lambda: 1_800_000_000 * S + next(steps))
    steady, _ = play(scenario([phase]), after(30 * MS), wall=lambda: 1_800_000_000 * S)
    measured = [column for column in Column if column != Column.bytes_sent]  # a date may be a digit longer
    assert (stepped.rows[:, measured] == steady.rows[:, measured]).all()
    assert stepped.took_s == steady.took_s


def test_steps_of_a_fold_leave_time_between_them_for_what_they_made_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that is two thirds busy makes good what one step did before it takes the next: lag does not add up."""
    step_ns, event_ns = 150_000, 33_000
    steps: list[int] = []
    take_step = KeepingRecorder.step

    class Busy(ScriptedTransport):
        def __init__(self, loop: VirtualLoop, script: Script, **options: Any) -> None:
            super().__init__(loop, script, **options)
            self._spend = loop.spend

            def step(recorder: KeepingRecorder) -> None:
                take_step(recorder)
                steps.append(loop.now_ns())
                loop.spend(step_ns)

            monkeypatch.setattr(KeepingRecorder, "step", step)

        def send_all(self, made: Iterable[Made], attempt: int = 1) -> None:
            given = list(made)
            super().send_all(given, attempt)
            self._spend(event_ns * len(given))

    of = scenario([{"rate": "20000/s", "duration": "500ms"}], {"connections": 64})
    result, _ = play(of, after(MS), transport=Busy)
    assert len(steps) > 10
    assert (
        max(woken - due for woken, due in zip(result.column(Column.woken), result.column(Column.due), strict=True))
        < 250_000
    )


def test_between_bursts_rows_are_folded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wake-up for each burst: with a step at each, rows would pile up, and be folded while answers come."""
    folded: list[int] = []
    fold = KeepingRecorder.fold

    def noted(recorder: KeepingRecorder) -> None:
        folded.append(recorder.waiting)
        fold(recorder)

    monkeypatch.setattr(KeepingRecorder, "fold", noted)
    burst, bursts = 1500, 8
    phase = {"rate": f"{burst}/s", "duration": f"{bursts}s", "arrivals": "burst"}
    result, _ = play(scenario([phase], {"connections": burst}), after(MS))
    assert len(result.codes) == burst * bursts
    assert max(folded) == 2 * burst
    assert sum(folded) == burst * bursts


def test_a_stall_shows_in_response_and_not_in_service() -> None:
    """One connection, 1 ms of service, 100 events/s; the endpoint stands still from 0.2 s to 0.7 s."""
    of = scenario([{"rate": "100/s", "duration": "1s"}], {"connections": 1, "timeout": "5s"})
    stall, end = START_NS + 200 * MS, START_NS + 700 * MS
    result, _ = play(of, lambda _, now: Reply(max(MS, end - now) if now >= stall else MS))
    service = [done - sent for done, sent in zip(result.column(Column.done), result.column(Column.sent), strict=True)]
    response = [done - due for done, due in zip(result.column(Column.done), result.column(Column.due), strict=True)]
    wait = [slot - woken for slot, woken in zip(result.column(Column.slot), result.column(Column.woken), strict=True)]
    assert sorted(service)[-2:] == [MS, 500 * MS]
    # those that were due while it stood still waited for its end and for those before them: 1 ms each, 10 ms apart
    assert sum(took > 10 * MS for took in response) > 50
    assert max(wait) == 490 * MS
    assert 490 * MS < result.engine.saturated_ns() < 600 * MS


def test_queue_waits_and_drop_drops() -> None:
    phases = [{"rate": "100/s", "duration": "100ms"}]
    of = scenario(phases, {"connections": 2})
    queued, _ = play(of, after(25 * MS))
    assert Counter(queued.outcomes) == {"200": 10}
    dropping = scenario(phases, {"connections": 2, "overflow": "drop"})
    dropped, transport = play(dropping, after(25 * MS))
    assert Counter(dropped.outcomes) == {"200": 7, "dropped": 3}
    assert len(transport.sent) == 7
    rows = dropped.rows[dropped.rows[:, Column.code] == DROPPED]
    assert not rows[:, [Column.slot, Column.sent, Column.first_byte, Column.bytes_sent]].any()


def test_a_closed_phase_keeps_its_users_busy_back_to_back() -> None:
    result, transport = play(scenario([{"connections": 3, "duration": "1s"}]), after(10 * MS))
    assert result.engine.connection_counts.opened == 3
    assert result.planned == 3 * 100
    by_connection: dict[int, list[int]] = {}
    for sent in transport.sent:
        by_connection.setdefault(sent.connection, []).append(sent.at_ns)
    for instants in by_connection.values():
        assert instants == list(range(START_NS, START_NS + S, 10 * MS))
    assert result.column(Column.due) == [done - 10 * MS for done in result.column(Column.done)]


def in_flight_at(transport: ScriptedTransport, took_ns: int, instant: int) -> int:
    return sum(sent.at_ns <= START_NS + instant < sent.at_ns + took_ns for sent in transport.sent)


def test_closed_phases_of_different_size_follow_each_other() -> None:
    phases: list[dict[str, Any]] = [{"connections": many, "duration": "1s"} for many in (2, 8, 3)]
    result, transport = play(scenario(phases), after(10 * MS))
    assert [in_flight_at(transport, 10 * MS, at * MS) for at in (500, 1500, 2500)] == [2, 8, 3]
    assert result.engine.connection_counts.open_peak == 8
    assert result.engine.connection_counts.open_count == 3
    assert len({sent.index for sent in transport.sent}) == result.planned


def test_closed_and_open_phases_in_turn() -> None:
    phases: list[dict[str, Any]] = [
        {"connections": 4, "duration": "1s", "record": False},
        {"rate": "100/s", "duration": "1s"},
        {"connections": 2, "duration": "1s", "record": False},
        {"rate": "50/s", "duration": "1s"},
    ]
    of = scenario(phases, {"connections": 16})
    result, transport = play(of, after(10 * MS))
    by_phase = Counter(result.engine._plan.unpack(stratum)[0] for stratum in result.column(Column.stratum))
    assert by_phase == {0: 400, 1: 100, 2: 200, 3: 50}
    open_dues = [due - START_NS for due, s in zip(result.column(Column.due), result.column(Column.stratum), strict=True)
                 if s in (1, 3)]  # fmt: skip
    assert sorted(open_dues) == dues(of)
    assert len({sent.index for sent in transport.sent}) == 750


def test_users_queue_for_their_first_connection_even_where_events_are_dropped() -> None:
    """The open warm-up still holds every connection when the users of the closed phase begin."""
    phases: list[dict[str, Any]] = [
        {"rate": "10/s", "duration": "100ms", "record": False},
        {"connections": 1, "duration": "1s"},
    ]
    of = scenario(phases, {"connections": 1, "overflow": "drop"})
    result, _ = play(of, lambda index, _: Reply(500 * MS if index == 0 else 10 * MS))
    assert DROPPED not in result.codes
    assert result.planned == 1 + 60


def test_a_closed_phase_ends_after_its_events() -> None:
    result, transport = play(scenario([{"connections": 4, "events": 10}]), after(10 * MS))
    assert (result.planned, result.took_s) == (10, 0.03)
    assert sorted(sent.index for sent in transport.sent) == list(range(10))
    assert result.engine.stopped_ns == 30 * MS


def test_many_users_start_some_at_a_time_so_that_the_loop_gets_its_turn() -> None:
    users = 3 * USERS_AT_ONCE + 1
    turns: list[int] = []

    class Counting(ScriptedPacer):
        def arm(self, due_ns: int, following_ns: int = 0) -> None:
            turns.append(due_ns)
            super().arm(due_ns, following_ns)

    result, _ = play(scenario([{"connections": users, "duration": "1s"}]), after(300 * MS), pacer=Counting)
    assert result.engine.connection_counts.open_peak == users
    assert turns[1:4] == [START_NS] * 3  # the second to the fourth batch
    assert result.engine.shortage == ""


def test_users_that_could_not_start_before_their_phase_ended_are_told() -> None:
    users = 3 * USERS_AT_ONCE
    phase = {"connections": users, "duration": "20ms"}
    result, _ = play(scenario([phase]), after(MS), misses=[0, 5 * MS, 60 * MS])
    assert result.engine.connection_counts.open_peak == 2 * USERS_AT_ONCE
    assert (
        result.engine.shortage == f"only {2 * USERS_AT_ONCE:,} of {users:,} users could start before their phase ended"
    )


def test_no_answer_of_a_run_that_ends_with_its_events_is_late() -> None:
    result, _ = play(scenario([{"connections": 3, "events": 20}]), after(20 * MS))
    assert (result.planned, result.late) == (20, 0)


def test_fewer_events_than_users() -> None:
    result, _ = play(scenario([{"connections": 8, "events": 3}]), after(10 * MS))
    assert result.outcomes == ["200"] * 3


def test_stop_with_drain_lets_what_is_under_way_end() -> None:
    of = scenario([{"rate": "100/s", "duration": "10s"}], {"connections": 1})
    result, _ = play(of, after(20 * MS), stops={105 * MS: True})
    assert result.planned == 11
    assert set(result.outcomes) == {"200"}
    assert result.engine.stopped_ns == 105 * MS
    assert result.late == 6, "by then 5 were answered"


def test_stop_without_drain_counts_the_rest_as_unfinished() -> None:
    of = scenario([{"rate": "100/s", "duration": "10s"}], {"connections": 1})
    result, _ = play(of, after(20 * MS), stops={105 * MS: False})
    assert Counter(result.outcomes) == {"200": 5, "unfinished": 6}
    assert result.took_s == pytest.approx(0.105)
    rows = result.rows[result.rows[:, Column.code] == UNFINISHED]
    assert set(rows[:, Column.done].tolist()) == {START_NS + 105 * MS}
    assert sum(row[Column.slot] > 0 for row in rows) == 1


def test_a_second_stop_cuts_the_drain_short() -> None:
    of = scenario([{"connections": 2, "duration": "10s"}], {"timeout": "60s"})
    result, _ = play(of, after(5 * S), stops={100 * MS: True, 200 * MS: False})
    assert result.outcomes == ["unfinished", "unfinished"]
    assert result.took_s == pytest.approx(0.2)


def test_what_never_ends_times_out() -> None:
    of = scenario([{"rate": "10/s", "duration": "1s"}], {"timeout": "400ms"})
    result, _ = play(of, lambda _, __: None)
    assert result.outcomes == ["timeout"] * 10
    assert result.took_s == pytest.approx(1.3, abs=0.01)
    for slot, done in zip(result.column(Column.slot), result.column(Column.done), strict=True):
        assert 400 * MS <= done - slot <= 410 * MS


def test_what_still_queues_when_the_drain_ends_is_unfinished() -> None:
    of = scenario([{"rate": "10/s", "duration": "1s"}], {"timeout": "400ms", "connections": 1})
    result, transport = play(of, lambda _, __: None)
    assert Counter(result.outcomes) == {"timeout": 3, "unfinished": 7}
    assert len(transport.sent) == 4
    assert result.took_s == pytest.approx(1.4)


def test_time_out_while_connecting_has_its_own_name() -> None:
    of = scenario([{"connections": 2, "events": 4}], {"timeout": "100ms"})
    result, transport = play(of, after(MS), connect_ns=10 * S)
    assert result.outcomes == ["connect_timeout"] * 4
    assert transport.sent == []


def test_a_connection_carries_so_many_requests_and_no_more() -> None:
    of = scenario([{"connections": 2, "events": 20}], {"reuse": 3})
    result, transport = play(of, after(MS))
    assert set(Counter(sent.connection for sent in transport.sent).values()) <= {3, 2, 1}
    assert max(Counter(sent.connection for sent in transport.sent).values()) == 3
    assert result.engine.connection_counts.open_peak == 2
    assert len(result.handshakes) == result.engine.connection_counts.opened


def test_a_connection_that_may_not_be_reused_is_not() -> None:
    of = scenario([{"connections": 1, "events": 5}])
    result, transport = play(of, after(MS, 503, keep=False))
    assert [sent.connection for sent in transport.sent] == [0, 1, 2, 3, 4]
    assert result.outcomes == ["503"] * 5


def test_without_descriptors_events_wait_for_those_there_are() -> None:
    of = scenario([{"rate": "100/s", "duration": "100ms"}], {"connections": 8})
    result, _ = play(of, after(30 * MS), limit=2)
    assert result.outcomes == ["200"] * 10
    assert result.engine.limit_reached == "no descriptor is left"
    assert result.engine.connection_counts.open_peak == 2


def test_without_descriptors_they_are_not_asked_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ScriptedTransport] = []
    really = ScriptedTransport.open

    def counted(self: ScriptedTransport) -> ScriptedConnection:
        asked.append(self)
        return really(self)

    monkeypatch.setattr(ScriptedTransport, "open", counted)
    result, _ = play(scenario([{"connections": 500, "events": 1000}]), after(MS), limit=3)
    assert result.outcomes == ["200"] * 1000
    assert len(asked) == 4


@pytest.mark.parametrize("phase", [{"rate": "100/s", "duration": "100ms"}, {"connections": 4, "events": 10}])
def test_without_any_descriptor_every_event_is_an_error(phase: dict[str, Any]) -> None:
    result, _ = play(scenario([phase]), after(MS), limit=0)
    assert result.outcomes == ["connect_error"] * 10
    assert result.engine.limit_reached


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize(
    "phases",
    [
        [{"rate": "300/s", "duration": "1s", "arrivals": "poisson"}, {"from": "0/s", "to": "400/s", "duration": "1s"}],
        [{"rate": "100/s", "duration": "1s", "arrivals": "burst", "record": False}, {"connections": 6, "events": 100}],
        [{"connections": 3, "events": 50, "duration": "1s"}, {"connections": 9, "events": 80, "duration": "1s"}],
    ],
)
def test_the_shards_together_fire_the_plan_and_nothing_else(phases: list[dict[str, Any]], shards: int) -> None:
    events: list[dict[str, Any]] = [
        {"type": "desktop.app_tracking.captured"},
        {"type": "desktop.activity_tracking.captured", "weight": 3},
    ]
    of = scenario(phases, events=events)
    plan = Plan(of, 1)
    indexes: list[int] = []
    planned = [0] * plan.strata
    for shard in range(shards):
        result, transport = play(of, after(MS), shard=shard, shards=shards)
        indexes += [sent.index for sent in transport.sent]
        planned = [a + b for a, b in zip(planned, result.engine.planned, strict=True)]
        assert Counter(result.column(Column.stratum)) == {s: n for s, n in enumerate(result.engine.planned) if n}
    assert len(set(indexes)) == len(indexes) == sum(planned)
    kinds = Counter(plan.kind_of(index) for index in indexes)
    assert kinds == Counter({
        kind: sum(planned[plan.stratum(phase.number, *kind)] for phase in plan.phases) for kind in kinds
    })  # fmt: skip
    for phase in plan.phases:
        if phase.model == "open":
            mine = {index for block in plan.blocks(phase.number) for index in block.index}
            assert mine <= set(indexes)


def test_the_same_seed_and_epoch_give_the_same_bytes() -> None:
    of = scenario([{"rate": "50/s", "duration": "1s"}])

    def bodies(late: int, **options: Any) -> dict[int, SignedRequest]:
        _, transport = play(of, after(MS), misses=[late] * 60, **options)
        return {sent.index: sent.request for sent in transport.sent}

    epoch = 1_700_000_000 * S
    assert bodies(0, epoch_ns=epoch) == bodies(3 * MS, epoch_ns=epoch)
    assert bodies(0, epoch_ns=epoch) != bodies(0, epoch_ns=epoch, seed=2)
    assert bodies(0) != bodies(3 * MS)


def test_errors_keep_a_user_going() -> None:
    of = scenario([{"connections": 2, "events": 6}])
    result, _ = play(of, after(MS, ERROR_BASE + ErrorKind.reset))
    assert result.outcomes == ["reset"] * 6
    assert result.engine.connection_counts.opened == 6
    assert [sample.error for sample in result.samples] == ["as scripted"] * 3


@pytest.mark.parametrize("phase", [{"rate": "100/s", "duration": "100ms"}, {"connections": 2, "events": 10}])
def test_an_event_that_cannot_be_made_is_our_fault_and_only_its_own(phase: dict[str, Any]) -> None:
    of = scenario([phase])
    loop = VirtualLoop()
    transport = ScriptedTransport(loop, after(MS))

    async def go() -> Ran:
        engine, recorder, policies = build(of, transport, ScriptedPacer(loop), start_ns=START_NS, clock=loop.now_ns)
        making = engine._requests
        (make,) = making._makers

        def broken(index: int, now_ns: int) -> SignedRequest:
            if index % 2:
                raise RuntimeError("broken")
            return make(index, now_ns)

        def broken_all(indexes: Sequence[int], events: object, now_ns: int) -> list[SignedRequest]:
            return [broken(index, now_ns) for index in indexes]

        making._makers, making._make_all = [broken], broken_all
        return ran(engine, recorder, policies, await engine.run(START_NS))

    try:
        result = loop.run_until_complete(go())
    finally:
        loop.close()
    assert Counter(result.outcomes) == {"200": 5, "internal": 5}
    assert result.engine.in_flight == 0


def test_a_stop_at_the_instant_of_a_sweep_times_nothing_out() -> None:
    """Sweeps are a hundredth of the timeout and 5 µs a connection apart: at 10 ms, then at 20.01 ms."""
    of = scenario([{"connections": 2, "duration": "10s"}])
    result, _ = play(of, after(5 * S), stops={20_010_000: False})
    assert result.outcomes == ["unfinished"] * 2


@pytest.mark.parametrize("code", [200, 503, ERROR_BASE + ErrorKind.reset])
@pytest.mark.parametrize(("over", "late"), [(-1000, False), (0, False), (1000, True), (3 * MS, True)])
def test_the_timeout_is_exact_whenever_the_sweep_comes(over: int, late: bool, code: int) -> None:
    """Sweeps are 4 ms apart here; what ends between two of them, and after the timeout, has timed out."""
    of = scenario([{"connections": 1, "events": 3}], {"timeout": "400ms"})
    result, _ = play(of, lambda *_: Reply(400 * MS + over, code))
    expected = ERROR_BASE + ErrorKind.timeout if late else code
    assert result.codes == [expected] * 3
    assert all(row[Column.done] - row[Column.slot] <= 400 * MS + max(0, over) for row in result.rows)


def test_an_answer_in_time_keeps_its_connection_and_a_late_one_does_not() -> None:
    of = scenario([{"connections": 1, "events": 4}], {"timeout": "400ms"})
    _, transport = play(of, lambda index, _: Reply(400 * MS + (index == 1) * 1000))
    assert [sent.connection for sent in transport.sent] == [0, 0, 1, 1]


def test_late_answers_are_failures_to_every_engine() -> None:
    """What stands beside the plain engine sees the timeout, too: here it is retried."""
    retry = {"schedule": ["100ms"]}
    of = scenario([{"rate": "1/s", "duration": "1s"}], {"timeout": "400ms"}, retry=retry)
    result, transport = play(of, lambda *_: Reply(400 * MS + 1000))
    assert result.outcomes == ["timeout"]
    assert [sent.attempt for sent in transport.sent] == [1, 2]


def test_the_raw_rows_of_a_late_answer_say_timeout() -> None:
    of = scenario([{"connections": 1, "events": 2}], {"timeout": "400ms"})
    raw = RawRows(0)
    play(of, lambda *_: Reply(400 * MS + 1000), logs=[raw])
    rows = np.frombuffer(raw.take(), dtype=np.int64).reshape(-1, WIDTH)
    assert rows[:, Column.code].tolist() == [ERROR_BASE + ErrorKind.timeout] * 2


def test_a_connection_that_is_made_too_late_carries_nothing() -> None:
    of = scenario([{"connections": 1, "events": 2}], {"timeout": "400ms"})
    result, transport = play(of, lambda *_: Reply(MS), connect_ns=400 * MS + 1000)
    assert result.outcomes == ["connect_timeout"] * 2
    assert transport.sent == []


@pytest.mark.parametrize(("drain", "took_ms"), [("0s", 100), ("200ms", 300), (None, 1100)])
def test_the_drain_ends_what_is_under_way(drain: str | None, took_ms: int) -> None:
    """By the timeout, unless the target says how long."""
    target = {"timeout": "1s"} if drain is None else {"timeout": "5s", "drain": drain}
    result, _ = play(scenario([{"rate": "100/s", "duration": "100ms"}], target), lambda *_: None)
    ends = {"unfinished", "timeout"} if drain is None else {"unfinished"}
    assert set(result.outcomes) <= ends
    assert result.took_s * 1000 == pytest.approx(took_ms, abs=15)


def test_the_drain_may_be_longer_than_the_timeout_while_events_queue() -> None:
    """One connection, ten events of 90 ms each: all are answered."""
    of = scenario([{"rate": "100/s", "duration": "100ms"}], {"timeout": "100ms", "drain": "1s", "connections": 1})
    result, _ = play(of, after(90 * MS))
    assert result.codes == [200] * 10


@pytest.mark.parametrize("is_slow", [True, False])
def test_the_first_of_a_burst_does_not_wait_for_the_signature_of_the_last_where_signing_is_slow(
    is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight events at once, each of which takes 1 ms to sign. With quick signatures a batch is signed, then sent."""
    monkeypatch.setattr(RequestMaker, "signs_slowly", is_slow)
    of = scenario([{"rate": "8/s", "duration": "2s", "arrivals": "burst"}])
    loop = VirtualLoop()
    transport = ScriptedTransport(loop, after(30 * MS))

    async def go() -> Ran:
        engine, recorder, policies = build(of, transport, ScriptedPacer(loop), start_ns=START_NS, clock=loop.now_ns)
        making = engine._requests
        (make,) = making._makers

        def slow(index: int, now_ns: int) -> SignedRequest:
            loop._leaping.now_ns += MS
            return make(index, now_ns)

        def slow_all(indexes: Sequence[int], events: object, now_ns: int) -> list[SignedRequest]:
            return [slow(index, now_ns) for index in indexes]

        making._makers, making._make_all = [slow], slow_all
        return ran(engine, recorder, policies, await engine.run(START_NS))

    try:
        result = loop.run_until_complete(go())
    finally:
        loop.close()
    instants = zip(result.column(Column.sent), result.column(Column.due), strict=True)
    waited = sorted(sent - due for sent, due in instants if due > START_NS)  # the first burst opens its connections
    assert waited == ([number * MS for number in range(1, 9)] if is_slow else [8 * MS] * 8)
