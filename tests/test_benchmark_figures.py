"""What the benchmarks make of their readings, on results made by hand."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import numpy as np
import pytest

from loadsim.measure.result import dump_result
from tests.benchmarks import bare_timer, event_cost, memory, open_cost, pacing, peer_report, shards
from tests.benchmarks.event_cost import Used
from tests.benchmarks.memory import Reading
from tests.benchmarks.peer_report import Row, Sample, Sitting
from tests.benchmarks.peer_tools import TOOLS
from tests.benchmarks.shards import APART, ONE, TOGETHER, TWO, TWO_RUNS, Found
from tests.builders import run_result

# -- pacing ---------------------------------------------------------------------------------------------------------


@pytest.mark.needs("taskset")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="timerfd")
def test_the_bare_timer_is_never_early_and_answers_for_every_due_time() -> None:
    dues = np.array([0, 0, *(2**n * 500_000 for n in range(10))], np.int64)  # gaps of 0.5 ms to 128 ms
    late = bare_timer.lateness(0, dues)
    assert len(late) == len(dues)
    assert (late > 0).all()
    assert late[0] == late[1]  # due together, released by one wake-up


def test_lateness_of_the_bare_timer_is_one_of_its_readings() -> None:
    late = np.arange(1, 201, dtype=np.int64) * 1_000
    assert pacing.lateness_us(late) == {"p50": 100.0, "p99": 198.0, "max": 200.0}


def run_of(p99_us: float | None, **others: Any) -> dict[str, Any]:
    """One run of a rate."""
    figures = {
        "planned": 10,
        "sent": 10,
        "verified": 10,
        "rate_error": 0.0,
        "early": 0,
        "ks": {"planned": {"p": 0.5}, "arrived": {"p": 0.0}},
    }
    return {"lag_us": {"min": 1.0, "p50": 2.0, "p99": p99_us, "max": 9.0}, **figures, **others}


def timer_of(p99_us: float) -> dict[str, float]:
    """One bare timer."""
    return {"p50": 1.0, "p99": p99_us, "max": 5.0}


BEYOND = "lag p99 at most 100 µs above the bare timer's at 5,000/s, constant"


@pytest.mark.parametrize(("lag", "beyond", "met"), [(260.0, 100.0, True), (261.0, 101.0, False)])
def test_the_lag_is_held_against_the_bare_timer_by_medians(lag: float, beyond: float, met: bool) -> None:
    runs, timers = [run_of(each) for each in (9_000.0, lag, 20.0)], [timer_of(each) for each in (160.0, 9_999.0, 0.0)]
    row = pacing.row_of(5_000, "constant", runs, timers)
    assert (row["lag_us"]["p99"], row["bare_timer_us"]["p99"], row["beyond_us"]) == (lag, 160.0, beyond)
    found = pacing.verdicts([row])
    assert found[BEYOND] is met
    assert found[BEYOND.replace("constant", "poisson")] is None


def test_a_percentile_that_a_round_does_not_have_meets_nothing() -> None:
    row = pacing.row_of(5_000, "constant", [run_of(1.0), run_of(None)], [timer_of(1.0)] * 2)
    assert row["beyond_us"] is None
    assert pacing.verdicts([row])[BEYOND] is False


@pytest.mark.parametrize(
    ("others", "asked"),
    [
        ({"rate_error": -0.0011}, "delivered rate within 0.1% of the plan's"),
        ({"verified": 9}, "every planned event was sent once and verified"),
        ({"early": 1}, "nothing was early"),
    ],
)
def test_one_bad_round_of_a_rate_is_enough(others: dict[str, Any], asked: str) -> None:
    good = pacing.row_of(20_000, "poisson", [run_of(1.0)] * 2, [timer_of(1.0)] * 2)
    bad = pacing.row_of(20_000, "poisson", [run_of(1.0), run_of(1.0, **others)], [timer_of(1.0)] * 2)
    assert pacing.verdicts([good])[asked] is True
    assert [name for name, met in pacing.verdicts([good, bad]).items() if met is False] == [asked]


# -- cost -----------------------------------------------------------------------------------------------------------


def test_what_start_up_costs_is_in_no_figure() -> None:
    few, many = Used(1_000, 0.5 + 0.010, 50.0, 0.0), Used(101_000, 0.5 + 1.010, 60.0, 0.0)
    assert event_cost.per_event_us(few, many) == pytest.approx(10.0)
    with pytest.raises(ValueError, match="not more"):
        event_cost.per_event_us(few, few)


def test_cost_is_of_all_shards_of_a_stored_result() -> None:
    result = run_result()
    first = msgspec.structs.replace(result.shards[0], sent=30, cpu_s=0.25, rss_mb=50.5)
    second = msgspec.structs.replace(result.shards[0], shard=1, sent=20, cpu_s=0.5, rss_mb=60.0)
    totals = msgspec.structs.replace(result.totals, rate_completed=25.0)
    stored = dump_result(msgspec.structs.replace(result, shards=[first, second], totals=totals))
    assert event_cost.used_by(stored) == Used(50, 0.75, 60.0, 25.0)


def test_the_open_model_is_compared_within_a_round() -> None:
    ways = (open_cost.CLOSED, open_cost.FIXED, open_cost.HALF, *open_cost.BARE.values())
    rounds = [
        dict(zip(ways, costs, strict=True))
        for costs in (
            (10.0, 12.0, 14.0, 5.0, 10.0, 7.0),
            (20.0, 26.0, 22.0, 5.0, 20.0, 11.0),
            (10.0, 14.0, 20.0, 5.0, 10.0, 8.0),
        )
    ]
    found = open_cost.document(100_001, rounds)
    assert [found["ratio"][way]["median"] for way in (open_cost.FIXED, open_cost.HALF)] == [1.3, 1.4]
    assert [found["bare_ratio"][way]["median"] for way in (open_cost.FIXED, open_cost.HALF)] == [2.0, 1.6]
    assert list(found["cpu_us"].values()) == [10.0, 14.0, 20.0, 5.0, 10.0, 8.0]
    assert found["rates"][open_cost.HALF] == 50_000
    assert list(open_cost.verdicts(found).values()) == [True, False]
    assert (
        "open at 50,000/s (half of capacity) | 20.00 µs | 1.40 | 1.25 to 1.70 | 8.00 µs | 1.60 | 1.50 to 1.90 |"
        in open_cost.section([found])
    )


def test_two_shards_are_held_against_one_and_the_parent_against_its_limit() -> None:
    def figures(one: float, two: float, two_runs: float, share: float = 0.03) -> dict[str, Found]:
        return {ONE: Found(one, 0.01), TWO: Found(two, share), TWO_RUNS: Found(two_runs, 0.0)}

    rounds = [
        {APART: figures(10.0, 10.4, 10.4), TOGETHER: figures(10.0, 11.0, 10.0)},
        {APART: figures(20.0, 21.0, 20.0), TOGETHER: figures(20.0, 23.0, 23.0)},
    ]
    found = shards.document(rounds, 5.0, 0.0)
    ratios = {name: (each["ratio"]["median"], each["ratio_met"]) for name, each in found["arrangements"].items()}
    assert ratios == {APART: (1.045, True), TOGETHER: (1.125, False)}
    assert [each["of_two_runs"]["median"] for each in found["arrangements"].values()] == [1.025, 1.05]
    assert found["parent_met"] is True
    above = [{**each, APART: figures(10.0, 10.0, 10.0, share=0.031)} for each in rounds]
    assert shards.document(above, 5.0, 0.0)["parent_met"] is False
    assert "| apart" not in shards.markdown(found)


def test_sixteen_cores_on_paper() -> None:
    apart = {"cpu_us": {ONE: 9.0, TWO: 10.0}, "parent_share": {ONE: 0.005, TWO: 0.02}}
    assert shards.on_paper(apart) == {
        "cores": 16,
        "shards": 14,
        "rate": 1_400_000,
        "parent_share": 0.14,
        "shards_of_a_full_parent": 100,
    }
    idle = {**apart, "parent_share": {ONE: 0.0, TWO: 0.0}}
    assert shards.on_paper(idle)["shards_of_a_full_parent"] == 0


# -- memory ---------------------------------------------------------------------------------------------------------


def readings(growth_mb: float, count: int = 40) -> list[Reading]:
    """A run whose shard grows by so much in the second half of its events, and by a lot in the first."""
    half = count // 2
    return [
        Reading(float(n), n * 1_000, 70.0, 20.0 + n if n < half else 50.0 + growth_mb * (n - half) / (count - 1 - half))
        for n in range(count)
    ]


@pytest.mark.parametrize(("growth", "flat"), [(10.0, True), (10.5, False)])
def test_flat_is_said_of_the_second_half(growth: float, flat: bool) -> None:
    found = memory.document(40_000, readings(growth), {"shard": 63.9, "parent": 80.1}, 0.0)["processes"]
    assert found["shard"]["flat"] is flat
    assert found["shard"]["under_limit"] is True
    assert found["parent"]["under_limit"] is False


def test_a_short_run_is_not_called_flat() -> None:
    found = memory.document(40_000, readings(0.0, 10), {"shard": 60.0, "parent": 70.0}, 131.25)
    assert found["processes"]["shard"]["flat"] is None
    assert "too short to say" in memory.markdown(found)
    assert "holds up to 131.2 MB" in memory.markdown(found)


# -- peers ----------------------------------------------------------------------------------------------------------


def rows_of(scheme: str, rates: dict[str, float], *, full: float = 0.98) -> list[Row]:
    """Rows over one scheme, with one round each; a tool without a rate is missing. `full`: nginx's share of its
    core."""
    tools = {tool.key: tool for tool in TOOLS}
    return [
        Row(
            tools[key],
            scheme,
            samples={0: Sample(rate, 1.0, 1.0, full, 0.0, 64)} if rate else {},
            missing="" if rate else "none",
        )
        for key, rate in rates.items()
    ]


@pytest.mark.parametrize(("scheme", "target"), [("http", 1.10), ("https", 1.05)])
def test_targets_differ_by_scheme(scheme: str, target: float) -> None:
    for rate, met in ((target * 1000 + 1, True), (target * 1000 - 1, False)):
        rows = rows_of(scheme, {"loadsim": rate, "wrk-keyed": 1000.0})
        keyed = peer_report.document(Sitting(rows, 1, 1.0))["rows"][1]
        assert (keyed["loadsim_target"], keyed["loadsim_target_met"]) == (target, met)


def test_a_target_that_is_met_with_the_compiled_step_alone_says_so() -> None:
    rates = {"loadsim": 1000.0, "loadsim-compiled": 1200.0, "wrk-keyed": 1000.0, "wrk-static": 1500.0}
    page = peer_report.markdown(peer_report.document(Sitting(rows_of("http", rates), 1, 1.0)))
    (line,) = (line for line in page.splitlines() if "key prepared once | 1.00 |" in line)
    assert line.endswith("| 1.1 | no | yes | 1.50 |")
    page = peer_report.markdown(peer_report.document(Sitting(rows_of("http", rates, full=0.9), 1, 1.0)))
    assert "| 1.1 | no | yes |  |" in page


def test_a_tool_that_is_not_there_has_a_row_that_says_so() -> None:
    found = peer_report.document(Sitting(rows_of("http", {"loadsim": 2.0, "oha-static": 0.0}), 1, 1.0))
    assert "| oha, one static request | missing |" in peer_report.markdown(found)
    assert found["missing"] == {"oha, one static request": "none"}
