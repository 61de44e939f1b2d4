"""Provider deadlines: the shares are those of the raw outcomes, whatever else happened to the events."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from loadsim.error_kinds import ErrorKind
from loadsim.measure.hdr import MICROSECONDS
from loadsim.measure.histogram_codec import encode
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED
from loadsim.plan.providers import DEADLINES_NS, PROVIDERS
from loadsim.report.provider_deadlines import DeadlineRow, deadline_rows
from tests.builders import run_result, totals
from tests.measure.rows import MS, START, answered, row
from tests.measure.runs import STEADY_A, built


@st.composite
def outcomes(draw: st.DrawFn) -> list[int]:
    """An event that was answered near a deadline, or that failed in any way, after any time."""
    near = st.builds(lambda deadline, off: deadline + off, st.sampled_from(DEADLINES_NS), st.integers(-1, 1))
    took = draw(near | st.integers(0, 40 * NS_PER_S))
    due = draw(st.integers(0, 9 * NS_PER_S))
    errors = [ERROR_BASE + kind for kind in ErrorKind]
    code = draw(st.sampled_from([200, 204, 302, 404, 500, UNFINISHED, DROPPED, *errors]))
    if code == DROPPED or (code >= ERROR_BASE and draw(st.booleans())):
        return row(stratum=STEADY_A, code=code, due=START + due, woken=START + due, done=START + due + took)
    return answered(due, took, stratum=STEADY_A, code=code)


@given(st.lists(outcomes(), max_size=60))
@example([answered(0, 5 * MS, stratum=STEADY_A)] * 70 + [
    answered(0, 10_000 * MS, stratum=STEADY_A, code=ERROR_BASE + ErrorKind.timeout)
] * 30)  # fmt: skip
def test_the_shares_are_those_of_the_raw_outcomes(rows: list[list[int]]) -> None:
    found = deadline_rows(built(rows, deadlines=DEADLINES_NS))
    sent = [columns for columns in rows if columns[Column.code] != DROPPED]
    took = [c[Column.done] - c[Column.sent] for c in sent if c[Column.code] < ERROR_BASE]
    assert [each.in_time for each in found] == [sum(ns <= each.provider.deadline_ns for ns in took) for each in found]
    assert all(each.in_time + each.past == len(took) for each in found)
    assert all(each.unanswered == len(sent) - len(took) for each in found)
    assert all(one.in_time <= other.in_time for one, other in pairwise(found))
    assert bool(found) == bool(sent)


def at(ms: list[float], **changes: object) -> RunResult:
    """A result as earlier versions stored it: one histogram of answers and errors together."""
    us = np.array([round(value * 1000) for value in ms], dtype=np.int64)
    counts = np.bincount(MICROSECONDS.index(us), minlength=MICROSECONDS.counts_len)
    counted = {"sent": len(ms), "completed": len(ms), "errors": {}, "unfinished": 0, "unsent": 0} | changes
    return run_result(
        totals=msgspec.structs.replace(totals(len(ms)), **counted),
        histograms={"service": encode(counts, MICROSECONDS)},
        deadlines=None,
    )


def in_time(result: RunResult) -> dict[str, int]:
    rows: list[DeadlineRow] = deadline_rows(result)
    return {row.provider.name: row.in_time for row in rows}


def test_an_older_result_without_errors_is_read() -> None:
    found = in_time(at([10, 1249, 1300, 2900, 3100, 9000]))
    assert (found["wix"], found["slack"], found["shopify"], found["github"]) == (2, 4, 5, 6)


def test_an_older_result_with_errors_says_nothing() -> None:
    assert deadline_rows(at([10, 20, 30, 40], completed=3, errors={"reset": 1})) == []
    unsent = at([10, 20], sent=5, completed=2, errors={"refused": 3}, unsent=3)
    assert set(in_time(unsent).values()) == {2}, "what was never sent is in no histogram of service times"


def test_providers_are_in_order_and_well_formed() -> None:
    deadlines = [provider.deadline_ns for provider in PROVIDERS]
    assert deadlines == sorted(deadlines)
    assert deadlines[0] == 1.25 * NS_PER_S
    assert deadlines[-1] == 30 * NS_PER_S
    assert len({provider.name for provider in PROVIDERS}) == len(PROVIDERS)
    for provider in PROVIDERS:
        assert provider.source
        if provider.retries_ns is not None:
            assert list(provider.retries_ns) == sorted(provider.retries_ns)
