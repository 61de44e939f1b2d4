"""Objectives that are followed while a run goes on: from the frames of shards to windows, and to the end of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadsim.engine.messages import Frame, Ready
from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.judge.window_objectives import course_of
from loadsim.launch.collect import Collector
from loadsim.launch.objective_watch import ObjectiveWatch
from loadsim.launch.result_of_frames import stratum_names
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result_verdict import Aborted
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import UNFINISHED
from loadsim.plan import ObjectiveRule, Plan
from tests.launch.support import balanced, endpoint, loadsim, stored
from tests.measure.rows import MS, answered, tallied
from tests.plan.support import TYPES, scenario_of

S = NS_PER_S
MIX = [{"type": name} for name in TYPES[:2]]
STEADY = ({"name": "x", "duration": "10s", "rate": "20/s"},)
HALF = 500 * MS


class Fake:
    """A run whose frames are made by hand. 20 events per second fall due: 10 s of them, unless phases say otherwise."""

    def __init__(
        self, *rules: str | ObjectiveRule, shards: int = 1, phases: list[dict[str, Any]] | None = None
    ) -> None:
        phases = phases or [{"name": "x", "duration": "10s", "rate": "20/s"}]
        scenario = scenario_of(*phases, events=MIX)
        self.plan = Plan(scenario, 1)
        objectives = objectives_of(rules, vocabulary_of_scenario(scenario))
        self.watch = ObjectiveWatch(self.plan, stratum_names(self.plan), objectives)
        self.collector = Collector(self.plan.strata, shards, on_cells=self.watch.add)
        self._seen: dict[int, list[int]] = {}
        for shard in range(shards):
            self.collector.ready(shard, Ready("host", 1, "0", 100, False), 0)

    def frame(self, rows: list[list[int]], elapsed_s: float, *, in_flight: int = 0, shard: int = 0) -> Aborted | None:
        """One shard's frame of what ended since its last one."""
        ends = [self.plan.phases[self.plan.unpack(stratum)[0]].end_ns for stratum in range(self.plan.strata)]
        delta = tallied(rows, self.plan.strata, [end or -1 for end in ends])
        seen = self._seen.setdefault(shard, [0] * self.plan.strata)
        for row in rows:
            seen[row[Column.stratum]] += 1
        counters = delta.counter_rows().copy()
        counters[:, 4] = seen
        delta = type(delta)(delta.keys, delta.counts, delta.moments, counters.tobytes())
        state = self.collector.states[shard]
        frame = Frame(
            seq=state.frames + 1, elapsed_ns=round(elapsed_s * S), planned=list(seen), ended=sum(seen),
            in_flight=in_flight, queued=0, connections=1, connections_peak=1, opened=1, saturated_ns=0,
            limit_reached="", cpu_s=0.0, rss_bytes=0, tally=delta, samples=[],
        )  # fmt: skip
        self.collector.frame(shard, frame, 0)
        return self.watch.check(self.collector)


def test_answers_that_come_too_late_are_in_no_rate() -> None:
    """Of phase a (2 s) 30 events are answered in time and 10 in the next phase: 15/s, not 20/s."""
    phases = [{"name": "a", "duration": "2s", "rate": "20/s"}, {"name": "b", "duration": "8s", "rate": "20/s"}]
    run = Fake(abort("events{phase:a}: rate <= 15/s"), abort("events{phase:a}: rate >= 16/s"), phases=phases)
    assert run.frame(second(0), 1) is None
    assert run.frame(second(1)[:10], 2, in_flight=10) is None
    late = [answered(1_500 * MS + 50 * MS * number, 600 * MS) for number in range(10)]
    ended = run.frame(late, 3)
    assert ended is not None
    assert (ended.objective, ended.why) == ("events{phase:a}: rate >= 16/s", "rate of events is 15/s")


def test_rates_are_by_the_clocks_of_the_shards() -> None:
    """A look between two frames, or late, sees no other rate."""
    run = Fake("p(99) < 1s")
    for number in (1, 2, 3):
        run.frame(second(number - 1, code=503), number)
        for look in (number + 0.01, number + 0.7, number + 0.95):
            seen = run.collector.progress(look)
            assert (seen.rate_planned, seen.rate_sent, seen.rate_done) == (20, 20, 20)
            assert seen.rates == (20,) * number
            assert seen.failures == (("503", 20 * number),)


def second(start_s: float, *, slow: int = 0, code: int = 200, stratum: int = 0, n: int = 20) -> list[list[int]]:
    """Events that were due in one second, `slow` of them answered after half a second."""
    dues = [round((start_s + number / n) * S) for number in range(n)]
    return [answered(due, HALF if number < slow else MS, code=code, stratum=stratum) for number, due in enumerate(dues)]


def abort(text: str) -> ObjectiveRule:
    return ObjectiveRule(objective=text, abort=True)


def test_a_run_ends_when_the_last_chance_is_gone_and_not_an_event_earlier() -> None:
    run = Fake(abort("p(90) < 100ms"))  # of 200 events 20 may be slow
    assert run.frame(second(0, slow=20), 1.6) is None
    found = run.frame(second(2, slow=1), 3)
    assert found is not None
    assert (found.objective, found.at_s) == ("p(90) < 100ms", 3)
    assert "at least, whatever the outcome of the events to come (at most 160)" in found.why


def test_an_objective_that_may_not_end_a_run_does_not() -> None:
    run = Fake("p(90) < 100ms", "errors: count == 0")
    assert run.frame(second(0, slow=20, code=500), 9) is None


def test_events_of_one_type_may_still_be_all_that_come() -> None:
    """The mix is random: every event to come might be of the type, and good."""
    run = Fake(abort(f"response{{event:{TYPES[1]}}}: p(90) < 100ms"))
    assert run.frame(second(0, slow=15, stratum=1), 2) is None
    assert run.frame(second(2, slow=3, stratum=1), 4) is None
    found = run.frame(second(4, slow=4, stratum=1), 6)
    assert found is not None


def test_a_full_window_that_was_missed_ends_the_run() -> None:
    run = Fake(abort("p(50) < 100ms over 2s"))
    assert run.frame(second(0, slow=20), 1.6) is None, "20 more may be good"
    found = run.frame(second(1, slow=1), 2.6)
    assert found is not None
    assert "in the window from 0 to 2 s is" in found.why


@pytest.mark.parametrize(("in_flight", "ends"), [(30, False), (0, True)])
def test_what_is_under_way_counts_as_good_until_it_has_ended(in_flight: int, *, ends: bool) -> None:
    poisson: list[dict[str, Any]] = [{"name": "x", "duration": "10s", "rate": "20/s", "arrivals": "poisson"}]
    run = Fake(abort("p(50) < 100ms over 1s"), phases=poisson)
    assert run.frame(second(0, slow=12), 1.6, in_flight=0) is None, "some may be due and not yet woken"
    assert (run.frame([], 2.1, in_flight=in_flight) is not None) == ends


def test_a_window_waits_for_the_slowest_shard() -> None:
    run = Fake(abort("events: count >= 30 over 1s"), shards=2)
    assert run.frame(second(0), 1.1, shard=0) is None
    assert run.frame([], 0.9, shard=1) is None
    found = run.frame([], 1.9, shard=1)
    assert found is not None
    assert found.why == "count of events in the window from 0 to 1 s is 20"


def test_silence_is_missed_by_a_least_count() -> None:
    run = Fake(abort("events: rate >= 5/s over 2s"))
    assert run.frame(second(0), 2.5) is None
    assert run.frame([], 3.5) is None
    assert run.frame([], 4.1) is not None


def test_warm_up_is_in_no_window_and_phases_have_their_own() -> None:
    phases: list[dict[str, Any]] = [
        {"name": "w", "duration": "1s", "rate": "20/s", "record": False},
        {"name": "x", "duration": "2s", "rate": "20/s"},
        {"name": "y", "duration": "3s", "rate": "20/s"},
    ]
    run = Fake("max < 1s over 2s", "response{phase:y}: max < 1s over 2s", "max < 2s over 2s", phases=phases)
    run.frame(second(0, slow=20) + second(1, stratum=2) + second(2, stratum=3), 3.1)
    run.frame(second(3, stratum=4) + second(4, slow=1, stratum=5) + second(5, stratum=4), 6.5)
    whole, of_y = run.watch.courses(6 * S, run.collector.merged)
    assert (whole.figure, whole.t_s, whole.samples, whole.left_out_s) == ("response: max", [1, 3], [40, 40], 1)
    assert (of_y.figure, of_y.t_s, of_y.samples) == ("response{phase:y}: max", [3], [40])
    assert [round(value or 0) for value in whole.values] == [1, 500]


async def test_a_real_run_ends_early_fails_and_balances(tmp_path: Path) -> None:
    async with endpoint(500) as served:
        limits = ("--abort", "success: rate >= 99% over 1s", "--objective", "p(50) < 59m over 20s")
        done = await loadsim("run", served.url, "-r", "100/s", "-d", "30m", "-w", "2", *limits, cwd=tmp_path)
    result = stored(tmp_path)
    assert done.code in (99, 3), done.err  # 3: on a busy machine pauses of the generator may touch the window
    assert (
        "ending the run: success: rate >= 99% over 1s: rate of success in the window from 0 to 1 s is 0 %" in done.err
    )
    assert result.run.aborted is not None
    assert not result.run.interrupted
    assert balanced(result)
    open_, missed, _ = (row.passed for row in result.verdict.objectives)
    assert open_ is None
    assert missed is not True  # but None where a pause of a busy machine touched the window
    assert "ended early at" in done.out
    assert len(served.arrivals) == result.totals.sent


@pytest.mark.slow
async def test_windows_of_a_run_are_those_of_its_slices(tmp_path: Path) -> None:
    async with endpoint() as served:
        texts = ["p(50) < 59m over 500ms", "events: count > 0 over 500ms", "success: rate > 1% over 500ms"]
        given = [part for text in texts for part in ("--objective", text)]
        await loadsim("run", served.url, "-r", "200/s", "-d", "1700ms", *given, cwd=tmp_path)
    result = stored(tmp_path)
    assert [course.figure for course in result.windows] == ["response: p(50)", "events: count", "success: rate"]
    bare = type(result)(**{name: getattr(result, name) for name in result.__struct_fields__} | {"windows": []})
    for text, counted in zip(texts, result.windows, strict=True):
        objective = objectives_of([text], vocabulary_of_scenario(scenario_of({"duration": "2s", "rate": "1/s"})))[0]
        assert course_of(bare, objective) == counted
        assert counted.t_s == [0, 0.5, 1]
        assert counted.left_out_s == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    ("text", "phase", "never"),
    [
        ("p(99) < 1ms", {"connections": 2, "duration": "5s"}, "the number of events"),
        ("response: avg < 1ms", {"connections": 2, "duration": "5s"}, "the number of events"),
        ("success: rate >= 99%", {"connections": 2, "duration": "5s"}, "the number of events"),
        ("response: max > 1ms", {"connections": 2, "duration": "5s"}, "the number of events"),
        ("events: count > 5", {"connections": 2, "duration": "5s"}, "the number of events"),
        ("events: rate < 5/s", {"connections": 2, "events": 100}, "the duration of its phases"),
        ("events: rate < 5/s", {"connections": 2, "duration": "5s"}, ""),
        ("response: max < 1ms", {"connections": 2, "duration": "5s"}, ""),
        ("response: min > 59m", {"connections": 2, "duration": "5s"}, ""),
        ("errors: count == 0", {"connections": 2, "duration": "5s"}, ""),
        ("p(50) < 1ms over 1s", {"connections": 2, "duration": "5s"}, ""),
        ("p(90) < 1ms", {"connections": 2, "events": 100}, ""),
        ("p(90) < 1ms", {"duration": "5s", "rate": "20/s"}, ""),
    ],
)
def test_an_objective_that_can_never_end_the_run_says_so(text: str, phase: dict[str, Any], never: str) -> None:
    """What is said and what is done are one: bad events alone end exactly the runs of which nothing is said."""
    run = Fake(abort(text), phases=[phase])
    said = run.watch.powerless()
    assert len(said) == bool(never)
    assert all(never in line and text in line for line in said)
    bad = [answered(10 * MS * number, 600 * MS, code=500) for number in range(100)]
    assert (run.frame(bad, 4.9) is None) == bool(never)


def test_neither_windows_nor_the_live_view_exceed_the_maximum() -> None:
    """The bucket of 108.208 ms reaches to 108.223 ms."""
    run = Fake(abort("max <= 108208us over 1s"))
    rows = [answered(50 * MS * number, 108_208_000) for number in range(20)]
    assert run.frame(rows, 1.2) is None, "a limit that is met ends no run"
    (course,) = run.watch.courses(S, run.collector.merged)
    assert course.values == [108.208]
    progress = run.collector.progress(1.2)
    assert progress.total.max_ms == progress.total.p99_ms == progress.last_second.max_ms == 108.208


def test_windows_of_a_run_are_open_where_events_are_unfinished() -> None:
    run = Fake("p(50) < 2s over 1s", "response{status:2xx}: p(50) < 2s over 1s")
    hanging = [[*answered(50 * MS * number, 900 * MS, code=UNFINISHED)] for number in range(15)]
    run.frame([*hanging, *second(0)[:5]], 2)
    every, ok = run.watch.courses(S, run.collector.merged)
    assert (len(every.at_most), every.at_most[0]) == (1, None)
    assert (ok.at_most, ok.samples) == ([], [5])
