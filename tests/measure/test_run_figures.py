"""Figures that grow with every frame are those of all rows."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.cells import layout, unit_ns
from loadsim.measure.exponential_histogram import exponential
from loadsim.measure.merged_counts import Merged
from loadsim.measure.outcome_columns import Column
from loadsim.measure.progress import Latencies, Progress
from loadsim.measure.run_figures import METRICS, Ending, FigureCounts
from loadsim.measure.strata import StratumNames
from loadsim.model import NS_PER_S
from tests.measure.rows import outcomes, tallied

NAMES = StratumNames(
    phases=("warm", "main"),
    types=("a", "b"),
    cases=("genuine", "wrong_secret"),
    recorded=(False, True),
    durations_ns=(None, None),
    expects=("accept", "refuse"),
)
PROGRESS = Progress(1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, Latencies(), Latencies())


@given(st.lists(outcomes(NAMES.strata), max_size=60), st.integers(1, 25))
def test_they_are_those_of_all_rows(rows: list[list[int]], bite: int) -> None:
    counts, merged = FigureCounts(NAMES), Merged(NAMES.strata)
    figures = counts.figures(PROGRESS, merged.moments)
    assert (figures.ended, figures.latencies) == ({}, [])
    for number, start in enumerate(range(0, len(rows), bite)):  # each frame from another shard
        counts.add(merged.add(number, tallied(rows[start : start + bite], NAMES.strata)))
        figures = counts.figures(PROGRESS, merged.moments)
    endings = Counter(Ending(*NAMES.unpack(row[Column.stratum])[::2], row[Column.code]) for row in rows)
    assert figures.ended == endings
    found = {(each.metric, each.phase): each for each in figures.latencies}
    for metric in METRICS:
        for phase in range(len(NAMES.phases)):
            strata = NAMES.select(phase=phase, expect="accept")
            wanted = merged.counts(metric, strata)
            assert ((metric, phase) in found) == wanted.any()
            if latency := found.get((metric, phase)):
                assert latency.buckets == exponential(wanted, layout(metric), unit_ns(metric) / NS_PER_S)
                assert latency.moments == merged.moments(metric, strata)
                assert latency.buckets.zeros + sum(latency.buckets.counts) == latency.moments.count
