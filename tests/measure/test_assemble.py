from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.error_kinds import ErrorKind
from loadsim.judge.balance import imbalances, unbalanced
from loadsim.measure.assemble import LimitInputs, assemble
from loadsim.measure.cells import LATENCIES
from loadsim.measure.hdr import MICROSECONDS, percentile
from loadsim.measure.histogram_codec import decode
from loadsim.measure.merged_counts import Merged
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result_events import SampleRow, Stats, Totals
from loadsim.measure.share_bounds import upper95
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED, kind_name
from tests.measure.rows import MS, START, answered, outcomes, row, tallied
from tests.measure.runs import BIG, FORGED, FORGING, GENUINE, HERE, PLAIN, RUN, STEADY_A, STEADY_B, built

GENERATOR = "the busiest generator process"


def dropped(due: int, stratum: int) -> list[int]:
    return row(stratum=stratum, code=DROPPED, due=START + due, woken=START + due, done=START + due)


@settings(max_examples=40)
@given(st.lists(outcomes(PLAIN.strata), max_size=40))
def test_accounts_balance_whatever_comes(rows: list[list[int]]) -> None:
    result = built(rows)
    assert unbalanced(result) == []
    recorded = [columns for columns in rows if columns[Column.stratum] >= STEADY_A]
    assert result.totals.planned == len(recorded)
    assert sum(group.planned for group in result.by_event.values()) == len(recorded)
    assert sum(group.planned for group in result.by_phase.values()) == len(rows)
    assert sum(slice_.due for slice_ in result.series) == len(recorded)
    assert sum(slice_.completed for slice_ in result.series) == result.totals.completed
    assert sum(slice_.succeeded for slice_ in result.series) == result.totals.succeeded
    assert sum(slice_.failed for slice_ in result.series) == result.totals.failed
    assert all(slice_.in_flight is not None and slice_.in_flight >= 0 for slice_ in result.series)
    assert not result.series or result.series[-1].in_flight == 0


@settings(max_examples=40)
@given(st.lists(outcomes(PLAIN.strata), max_size=40))
def test_figures_do_not_contradict_each_other(rows: list[list[int]]) -> None:
    result = built(rows)
    for stats in result.totals.latency_ms.values():
        shown = [stats.min, stats.p50, stats.p75, stats.p90, stats.p95, stats.p99, stats.max]
        present = [value for value in shown if value is not None]
        assert present == sorted(present)
        assert (stats.count == 0) == (stats.mean is None) == (not present)


TWO_PHASES = replace(
    PLAIN,
    phases=("warm-up", "steady", "night"),
    recorded=(False, True, True),
    durations_ns=(NS_PER_S, 2 * NS_PER_S, NS_PER_S),
)


@settings(max_examples=40)
@given(
    st.lists(outcomes(TWO_PHASES.strata), max_size=40), st.integers(3 * NS_PER_S, 4 * NS_PER_S), st.integers(1, 1_500)
)
def test_rates_add_up_to_the_counts(rows: list[list[int]], stop: int, stretch: int) -> None:
    """Planned and sent events are all in their rates, completed ones as far as their answers came in time."""
    for columns in rows:  # due early or late in the run, so that answers fall before and behind every end
        columns[Column.done] = max(columns[Column.done], columns[Column.due] + stretch * MS)
    names = replace(TWO_PHASES, durations_ns=(NS_PER_S, 2 * NS_PER_S, stop - 3 * NS_PER_S or 1))
    ends = [n * NS_PER_S for n in (1, 3, 4) for _ in names.types]
    recording = [n * NS_PER_S for n in (1, 4, 4) for _ in names.types]
    result = built(rows, names, ends=ends, recording_ends=recording, stop=stop)

    def answered_after(columns: list[int], end: int) -> bool:
        return columns[Column.code] < ERROR_BASE and columns[Column.done] > START + min(end, stop)

    def after_end(group: Totals) -> int:
        assert group.duration_s is not None
        for rate, count in (
            (group.rate_planned, group.planned),
            (group.rate_sent, group.sent),
            (group.rate_completed, group.completed - sum(group.after_end.values())),
        ):
            assert rate is not None
            assert rate * group.duration_s == pytest.approx(count)
        assert all(0 < n <= group.status[status] for status, n in group.after_end.items())
        return sum(group.after_end.values())

    recorded = [columns for columns in rows if columns[Column.stratum] >= len(names.types)]
    assert after_end(result.totals) == sum(answered_after(columns, 4 * NS_PER_S) for columns in recorded)
    assert sum(after_end(group) for group in result.by_event.values()) == after_end(result.totals)
    for number, name in enumerate(names.phases):
        mine = [columns for columns in rows if columns[Column.stratum] // len(names.types) == number]
        assert after_end(result.by_phase[name]) == sum(answered_after(columns, ends[3 * number]) for columns in mine)


def test_an_overloaded_endpoint_completes_what_it_can() -> None:
    """Twenty events a second, of which ten are answered in each second, also in the second while draining."""
    rows = [answered(50 * MS * i, 50 * MS * (i + 2), stratum=STEADY_A) for i in range(20)]
    result = built(rows, replace(PLAIN, durations_ns=(None, NS_PER_S)), ends=[NS_PER_S] * PLAIN.strata)
    assert (result.totals.rate_planned, result.totals.rate_sent, result.totals.rate_completed) == (20, 20, 10)
    assert (result.totals.completed, result.totals.after_end) == (20, {"200": 10})


def test_buckets_are_wider_than_what_was_seen() -> None:
    result = built([answered(0, 10_000_900, stratum=STEADY_A, lag=1_900)] * 6)
    service, lag = result.totals.latency_ms["service"], result.totals.latency_ms["lag"]
    assert service.min == service.p50 == service.max == 10.0009
    assert lag.min == lag.p50 == lag.max == 0.0019


def test_the_accounts() -> None:
    unsent = row(
        stratum=STEADY_A, code=ERROR_BASE + ErrorKind.refused, due=START, woken=START, slot=START, done=START + 1
    )
    queued = row(stratum=STEADY_B, code=UNFINISHED, due=START, woken=START, done=START + NS_PER_S)
    result = built(
        [
            answered(0, MS, stratum=0),
            *[answered(i * MS, MS, stratum=STEADY_A) for i in range(6)],
            answered(0, MS, stratum=STEADY_A, code=401),
            answered(0, 9 * MS, stratum=STEADY_A, code=ERROR_BASE + ErrorKind.timeout),
            unsent,
            queued,
            dropped(5 * MS, STEADY_B),
        ]
    )
    totals = result.totals
    assert (totals.planned, totals.sent, totals.dropped) == (11, 10, 1)
    assert (totals.completed, totals.succeeded, totals.failed) == (7, 6, 4)
    assert (totals.unfinished, totals.unsent, totals.attempts) == (1, 2, 10)
    assert totals.status == {"200": 6, "401": 1}
    assert totals.errors == {"refused": 1, "timeout": 1}
    assert totals.success_rate == 0.6
    assert (totals.duration_s, totals.rate_planned, totals.rate_completed) == (10.0, 1.1, 0.7)
    assert totals.latency_ms["response"].count == 10
    assert totals.latency_ms["service"].count == 8
    assert totals.latency_ms["response"].p50 == 1.0
    assert totals.latency_ms["response"].p90 is None
    assert totals.latency_ms["tls"] == Stats(count=0)
    assert result.by_phase["warm-up"].succeeded == 1
    assert result.by_event["b"].success_rate == 0.0
    assert result.by_event["c"].success_rate is None
    assert totals.forged_accepted is totals.refused_badly is None
    assert result.verdict.outcome == "none"


def test_forged_events_are_counted_apart() -> None:
    timeout = ERROR_BASE + ErrorKind.timeout
    forged = [answered(0, MS, stratum=FORGED, code=code) for code in (200, 204, 401, 400, 500, 302, timeout)]
    result = built([answered(0, MS, stratum=GENUINE), answered(0, MS, stratum=BIG, code=413), *forged], FORGING)
    assert (result.totals.planned, result.totals.succeeded) == (2, 1)
    assert (result.totals.forged_accepted, result.totals.refused_badly) == (2, 3)  # a redirect refuses nothing
    assert result.totals.refusals_due == 7
    assert result.totals.forged_accepted_upper == upper95(2, 6)
    assert result.totals.refused_badly_upper == upper95(3, 7)
    assert result.by_case["bad-signature"].planned == 7
    assert result.by_case["bad-signature"].forged_accepted == 2
    assert result.by_case["big"].forged_accepted is None
    assert result.by_phase["steady"].refused_badly == 3
    assert result.by_phase["warm-up"].forged_accepted == 0
    assert result.by_event["a"].sent == 2
    assert result.series[0].due == 2


def test_what_a_lost_shard_had_under_way_is_unfinished() -> None:
    result = built([answered(0, MS, stratum=STEADY_A)], extra=[0, 0, 0, 4, 0, 0])
    assert (result.totals.planned, result.totals.sent, result.totals.unfinished) == (5, 5, 4)
    assert unbalanced(result) == []


def test_broken_accounts_are_put_into_words() -> None:
    result = built([answered(0, MS, stratum=STEADY_A), dropped(0, STEADY_A)], planned=[0, 0, 0, 5, 0, 0])
    assert imbalances(result.totals) == ["5 planned, but 1 sent + 1 dropped"]
    assert unbalanced(result) == [
        f"{name}: 5 planned, but 1 sent + 1 dropped" for name in ("all", "phase steady", "event a", "case genuine")
    ]
    lost = msgspec.structs.replace(result.totals, planned=2, completed=0, status={})
    assert imbalances(lost) == ["1 sent, but 0 completed + 0 errors + 0 unfinished"]
    lost = msgspec.structs.replace(result.totals, planned=2, status={})
    assert imbalances(lost) == ["1 completed, but 0 with a status"]


def test_a_lost_frame_breaks_the_accounts() -> None:
    delta = tallied([answered(0, MS, stratum=STEADY_A)], PLAIN.strata)
    merged = Merged(PLAIN.strata)
    merged.add(0, msgspec.structs.replace(delta, keys=b"", counts=b""))
    result = assemble(
        merged, PLAIN, planned=merged.shard_counter(0, "ended"), run=RUN, environment=HERE, shards=[], samples=[],
        limits=LimitInputs(1, 1),
    )  # fmt: skip
    assert imbalances(result.totals) == ["1 sent, but 0 completed + 0 errors + 0 unfinished"]


def test_nothing_at_all() -> None:
    result = built([])
    assert result.series == []
    assert result.histograms == {}
    assert result.totals.success_rate is None
    assert all(stats == Stats(count=0) for stats in result.totals.latency_ms.values())
    assert set(result.totals.latency_ms) == {metric.name for metric in LATENCIES}


def test_a_phase_that_never_began_has_no_rates() -> None:
    unknown = replace(PLAIN, durations_ns=(NS_PER_S, None))
    assert built([], unknown).totals.duration_s is None
    assert built([], unknown).totals.rate_sent is None


def test_the_series_puts_each_event_in_its_slices() -> None:
    slow = [answered(300 * MS + i * MS, 600 * MS, stratum=STEADY_A) for i in range(8)]
    result = built([answered(0, 10 * MS, stratum=0), *slow, answered(1_100 * MS, MS, stratum=STEADY_A, code=500)])
    assert result.slice_s == 0.25
    assert [slice_.t_s for slice_ in result.series] == [0.25, 0.5, 0.75, 1.0]
    assert [slice_.due for slice_ in result.series] == [8, 0, 0, 1]
    assert [slice_.sent for slice_ in result.series] == [8, 0, 0, 1]
    assert [slice_.completed for slice_ in result.series] == [0, 0, 8, 1]
    assert [slice_.failed for slice_ in result.series] == [0, 0, 0, 1]
    assert [slice_.in_flight for slice_ in result.series] == [8, 8, 0, 0]
    assert [slice_.p50_ms for slice_ in result.series] == [600.0, None, None, None]
    assert [slice_.max_ms for slice_ in result.series] == [600.0, None, None, 1.0]
    assert result.series[0].p99_ms is None
    response = result.series_histograms["response"]
    assert [blob is None for blob in response] == [False, True, True, False]
    assert decode(response[0] or "")[1].sum() == 8


def test_histograms_say_what_the_figures_say() -> None:
    rows = [answered(i * 5 * MS, (1 + i % 50) * MS, stratum=STEADY_A + i % 2) for i in range(400)]
    result = built([*rows, answered(0, 70 * MS, stratum=0)])
    config, counts = decode(result.histograms["response"])
    assert config == MICROSECONDS
    p99 = percentile(counts, config, 0.99)
    assert p99 is not None
    assert result.totals.latency_ms["response"].p99 == pytest.approx(p99 / 1_000, rel=1e-3)
    _, a = decode(result.histograms["response{event:a}"])
    _, b = decode(result.histograms["response{event:b}"])
    assert np.array_equal(a + b, counts)
    assert decode(result.histograms["service{phase:warm-up}"])[1].sum() == 1
    assert decode(result.histograms["response{case:genuine}"])[1].sum() == 400
    assert "response{event:c}" not in result.histograms
    assert "tls" not in result.histograms


def test_figures_have_an_interval_or_say_how_long_it_takes() -> None:
    rows = [answered(i * 50 * MS, (1 + i * 7 % 50) * MS, stratum=STEADY_A) for i in range(200)]
    result = built(rows)
    response, wait = result.totals.latency_ms["response"], result.totals.latency_ms["wait"]
    assert response.ci95 is not None
    assert set(response.ci95) == {"p50", "p75", "p90", "p95"}
    assert response.needs_s == {}
    low, high = response.ci95["p50"]
    assert response.p50 is not None
    assert low <= response.p50 <= high
    assert wait.ci95 == dict.fromkeys(("p50", "p75", "p90", "p95"), (0.0, 0.0))
    assert result.by_event["a"].latency_ms["response"].ci95 == response.ci95
    assert result.by_event["a"].latency_ms["wait"].ci95 is None
    assert result.by_event["a"].latency_ms["wait"].needs_s is None
    short = built(rows[:90]).totals.latency_ms["response"]
    assert short.ci95 == {}
    assert short.needs_s is not None
    assert list(short.needs_s) == ["p50", "p75", "p90", "p95"]
    assert short.needs_s["p50"] == 5.0
    assert short.needs_s["p95"] > 5.0


def test_the_first_three_of_each_failing_kind_are_kept() -> None:
    def sample(index: int, code: int) -> SampleRow:
        return SampleRow(kind_name(code), index, "b", index / 1000, [("a", "b")], "no", "")

    timeout = ERROR_BASE + ErrorKind.timeout
    codes = [401, 401, timeout, 200, 401, 401, 500]
    result = built([], samples=[sample(index, code) for index, code in reversed(list(enumerate(codes)))])
    assert [(row_.kind, row_.index) for row_ in result.samples] == [
        ("401", 0), ("401", 1), ("401", 4), ("timeout", 2), ("500", 6),
    ]  # fmt: skip
    assert result.samples[0].type == "b"
    assert result.samples[1].t_s == 0.001


def test_labels_read_strata_as_the_plan_makes_them() -> None:
    assert [FORGING.unpack(stratum) for stratum in (0, FORGED, BIG)] == [(0, 0, 0), (1, 0, 1), (1, 0, 2)]
    assert FORGING.select() == [3, 4, 5]
    assert FORGING.select(expect="accept") == [GENUINE, BIG]
    assert FORGING.select(phase=0, expect="refuse") == [1]
    assert PLAIN.select(type_=1) == [STEADY_B]


@pytest.mark.parametrize("change", [{"recorded": (True,)}, {"durations_ns": ()}, {"expects": ()}])
def test_labels_fit_together(change: dict[str, tuple[bool, ...]]) -> None:
    with pytest.raises(ValueError, match="are needed"):
        replace(PLAIN, **change)  # type: ignore[arg-type]
