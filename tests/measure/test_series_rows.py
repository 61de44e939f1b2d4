"""Rows of the series are cut where a phase begins or ends, and hold what happened in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.histogram_codec import decode
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_S
from tests.measure.rows import MS, START, answered
from tests.measure.runs import PLAIN, built

# warm-up until 0.4 s, quiet until 1.3 s, busy until 2.35 s; the slices are 0.25 s wide
NAMES = replace(
    PLAIN,
    phases=("warm-up", "quiet", "busy"),
    types=("a",),
    recorded=(False, True, True),
    durations_ns=(400 * MS, 900 * MS, 1_050 * MS),
)
ENDS = [400 * MS, 1_300 * MS, 2_350 * MS]
QUIET, BUSY = 1, 2


def step(service: int, *, lag: int = 0) -> list[list[int]]:
    """60 events per second, then 400."""
    quiet = [400 * MS + i * NS_PER_S // 60 for i in range(54)]
    busy = [1_300 * MS + i * NS_PER_S // 400 for i in range(420)]
    rows = [answered(due, service, stratum=QUIET, lag=lag) for due in quiet]
    return rows + [answered(due, service, stratum=BUSY, lag=lag) for due in busy]


def counted(result: RunResult, rows: list[list[int]], column: Column) -> list[int]:
    """How many of the rows have an instant in each row of the series."""
    found = []
    for row in result.series:
        begin = round(row.t_s * NS_PER_S)
        end = begin + round((row.width_s or 0) * NS_PER_S)
        found.append(sum(begin <= each[column] - START < end for each in rows))
    return found


def test_a_step_between_slices_is_a_step() -> None:
    result = built(step(MS), NAMES, ends=ENDS)
    starts = [row.t_s for row in result.series]
    assert starts == [0.4, 0.5, 0.75, 1.0, 1.25, 1.3, 1.5, 1.75, 2.0, 2.25]
    assert [row.width_s for row in result.series] == pytest.approx([0.1, *[0.25] * 3, 0.05, 0.2, *[0.25] * 3, 0.1])
    rates = [row.due / (row.width_s or 1) for row in result.series]
    assert rates == pytest.approx([60] * 5 + [400] * 5, abs=1 / 0.05)
    assert max(rates[:5]) <= 80, "one event more in 0.05 s"
    assert min(rates[5:]) == pytest.approx(400)


@given(st.integers(0, 700), st.integers(0, 300))
def test_each_row_holds_what_happened_in_it(service_ms: int, lag_ms: int) -> None:
    rows = step(service_ms * MS + 1, lag=lag_ms * MS + 1)  # never at a border itself
    result = built(rows, NAMES, ends=ENDS)
    assert [row.due for row in result.series] == counted(result, rows, Column.due)
    assert [row.sent for row in result.series] == counted(result, rows, Column.sent)
    assert [row.completed for row in result.series] == counted(result, rows, Column.done)
    assert all(row.in_flight is not None and row.in_flight >= 0 for row in result.series)
    assert result.series[-1].in_flight == 0
    ends = [row.t_s + (row.width_s or 0) for row in result.series]
    assert ends[:-1] == pytest.approx([row.t_s for row in result.series[1:]]), "without gaps"


def test_latencies_are_in_the_row_of_their_due_time() -> None:
    rows = step(100 * MS)
    result = built(rows, NAMES, ends=ENDS)
    found = [0 if blob is None else int(decode(blob)[1].sum()) for blob in result.series_histograms["response"]]
    assert found == counted(result, rows, Column.due)


def test_wide_slices_of_a_long_run_are_cut_too() -> None:
    """After ten minutes slices are 2 s wide; a phase of 301 s ends within one."""
    names = replace(NAMES, durations_ns=(0, 301 * NS_PER_S, 600 * NS_PER_S))
    ends = [0, 301 * NS_PER_S, 901 * NS_PER_S]
    quiet = [answered(i * 500 * MS, 5 * MS, stratum=QUIET) for i in range(602)]
    busy = [answered(301 * NS_PER_S + i * 100 * MS, 5 * MS, stratum=BUSY) for i in range(6_000)]
    result = built([*quiet, *busy], names, ends=ends)
    assert result.slice_s == 2.0
    near = [row for row in result.series if 298 <= row.t_s < 304]
    assert [(row.t_s, row.width_s, row.due) for row in near] == [
        (298.0, 2.0, 4),
        (300.0, 1.0, 2),
        (301.0, 1.0, 10),
        (302.0, 2.0, 20),
    ]
