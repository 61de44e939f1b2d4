"""The figures of a run's effects, against what is known of every event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.effect_book import EffectBook, Flag, pack
from loadsim.measure.effect_figures import EFFECT, Observed, with_figures
from loadsim.measure.histogram_codec import decode
from loadsim.measure.result_effects import EffectsFound
from loadsim.model import NS_PER_MS, NS_PER_S

START = 1_764_000_000 * NS_PER_S
Row = tuple[int, float, float, float | None]
COUNTED = int(Flag.acknowledged | Flag.recorded)


def book_of(events: Sequence[Row]) -> EffectBook:
    """Events by (flags, due, acknowledged, done), seconds since the start; done None: not yet."""
    book = EffectBook()
    flags, due, ended = (np.array([row[column] for row in events]) for column in range(3))
    index = np.arange(len(events))
    book.add_deliveries(pack(index, flags.astype(np.int64), START + ns(due), START + ns(ended)))
    done = np.array([row[3] is not None for row in events], dtype=np.bool)
    at = START + ns(np.array([row[3] or 0.0 for row in events]))
    book.add_effects(index[done], at[done], np.ones(int(done.sum()), dtype=np.int64))
    return book


def ns(seconds: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(seconds, dtype=np.float64) * NS_PER_S).astype(np.int64)


def figures(events: Sequence[Row], load_s: float = 10, end_s: float = 70, error_ns: int = 0) -> EffectsFound:
    observed = Observed(START, START + round(load_s * NS_PER_S), START + round(end_s * NS_PER_S), error_ns)
    found, _ = with_figures(EffectsFound(source="http", place=""), book_of(events).events(), observed, [])
    return found


def test_a_queue_that_drains() -> None:
    """Ten events a second for ten seconds, five done a second: 50 are left, and take another ten seconds."""
    events = [(COUNTED, i / 10, i / 10 + 0.01, (i + 1) / 5) for i in range(100)]
    found = figures(events)
    assert (found.acknowledged, found.done, found.undone, found.repeated) == (100, 100, 0, 0)
    assert found.backlog_at_end == 50
    assert found.backlog_max == 51
    assert found.backlog_max_s == pytest.approx(9.91, abs=0.11)
    assert found.backlog_last == 0
    assert found.drained is True
    assert found.drained_s == pytest.approx(10)
    assert found.rate_done == pytest.approx(5)
    assert found.forecast is None
    assert found.effect_ms is not None
    assert found.effect_ms.max == pytest.approx(10_100)
    assert found.ack_to_effect_ms is not None
    assert found.ack_to_effect_ms.max == pytest.approx(10_090)
    assert [row.acknowledged - row.done for row in found.series if row.t_s in (5.0, 10.0, 15.0)] == [25, 50, 25]


def test_a_queue_that_does_not_drain_is_forecast() -> None:
    events = [(COUNTED, i / 100, i / 100, (i + 1) / 5 if (i + 1) / 5 <= 70 else None) for i in range(1000)]
    found = figures(events)
    assert found.undone == found.backlog_last == 650
    assert found.drained is False
    assert found.drained_s == pytest.approx(60)
    assert found.forecast is not None
    assert found.forecast.left_s == pytest.approx(130)
    assert found.forecast.rate == pytest.approx(5)
    assert found.examples["undone"][0] == 350
    assert found.effect_ms is not None
    assert found.effect_ms.unfinished == 650
    assert "p50" in found.effect_ms.lower_bounds


def test_what_had_to_be_refused_or_was_not_answered_is_counted_apart() -> None:
    refused = int(Flag.acknowledged | Flag.refusal_due | Flag.recorded)
    events = [(COUNTED, 1, 1, 2.0), (refused, 1, 1, 2.0), (refused, 1, 1, None), (int(Flag.recorded), 1, 1, 3.0)]
    found = figures(events)
    assert (found.acknowledged, found.done, found.refused_done, found.unacknowledged_done) == (1, 1, 1, 1)


def test_warm_up_counts_in_the_backlog_and_not_in_times() -> None:
    events = [(int(Flag.acknowledged), 1, 1, 9.0), (COUNTED, 2, 2, 3.0)]
    found = figures(events)
    assert found.acknowledged == 2
    assert found.effect_ms is not None
    assert found.effect_ms.count == 1
    assert found.effect_ms.max == pytest.approx(1000)


def test_before_the_answer_is_by_more_than_the_clocks_error() -> None:
    events = [(COUNTED, 1, 2.0, 1.5), (COUNTED, 1, 2.0, 1.999)]
    assert figures(events, error_ns=2 * NS_PER_MS).before_ack == 1
    assert figures(events).before_ack == 2
    found = figures(events)
    assert found.backlog_max == 0
    assert found.ack_to_effect_ms is not None
    assert found.ack_to_effect_ms.min == 0


EVENT = st.tuples(
    st.sampled_from([0, 1, 3, 4, 5, 7]),
    st.floats(0, 10),
    st.floats(0, 5),
    st.one_of(st.none(), st.floats(0, 50)),
)


@given(st.lists(EVENT, max_size=50))
def test_the_counts_balance(rows: list[Row]) -> None:
    events = [(flags, due, due + took, None if work is None else due + work) for flags, due, took, work in rows]
    found = figures(events)
    assert found.acknowledged is not None
    assert found.acknowledged == (found.done or 0) + (found.undone or 0)
    assert found.backlog_last == found.undone
    assert (found.backlog_max or 0) >= max(found.backlog_last or 0, found.backlog_at_end or 0)
    assert found.series[-1].acknowledged - found.series[-1].done == found.undone
    mine = [row for row in events if row[0] & 7 == COUNTED]
    assert found.effect_ms is not None
    assert found.effect_ms.count == len(mine)
    assert found.effect_ms.unfinished == sum(row[3] is None for row in mine)


def test_histograms_hold_every_value_and_those_that_are_bounds() -> None:
    events = [(COUNTED, 1, 1, 3.0), (COUNTED, 1, 1, None)]
    observed = Observed(START, START, START + 70 * NS_PER_S, 0)
    _, histograms = with_figures(EffectsFound(source="http", place=""), book_of(events).events(), observed, [])
    assert sorted(histograms) == [
        "ack_to_effect",
        "ack_to_effect{status:unfinished}",
        "effect",
        "effect{status:unfinished}",
    ]
    config, counts = decode(histograms["effect"])
    assert config == EFFECT
    assert counts.sum() == 2


def test_no_events_are_no_figures() -> None:
    found = figures([])
    assert (found.acknowledged, found.undone, found.backlog_max, found.drained_s) == (0, 0, 0, 0)
    assert found.drained is True
