"""The percentile ladder, read back as HdrHistogram's plotter does."""

from __future__ import annotations

import math

import msgspec
import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from loadsim.measure.result_events import Stats
from loadsim.report.hgrm import render_hgrm
from tests.builders import run_result, totals, with_histograms

RESULT = with_histograms(run_result())


def plotter_rows(text: str) -> list[list[float]]:
    """The rows that HdrHistogram's plotter keeps: split on spaces, exactly four fields, a number first."""
    rows = []
    for line in text.strip().split("\n"):
        fields = [field for field in line.strip().split(" ") if field]
        if len(fields) == 4 and not line.startswith(("#", "Value")):
            rows.append([float(field) for field in fields])
    return rows


def test_hgrm_reads_in_the_plotter() -> None:
    text = render_hgrm(RESULT)
    rows = plotter_rows(text)
    assert len(rows) == 101
    assert "\t" not in text
    values, quantiles, counts, inverses = zip(*rows, strict=True)
    assert list(values) == sorted(values)
    assert list(quantiles) == sorted(quantiles)
    assert counts[-1] == RESULT.totals.sent
    assert all(
        inverse == pytest.approx(1 / (1 - q), rel=0.01)
        for inverse, q in zip(inverses[:-1], quantiles[:-1], strict=True)
    )
    assert math.isinf(inverses[-1])


def test_hgrm_agrees_with_hdrhistogram() -> None:
    reference = HdrHistogram.decode(RESULT.histograms["response"])
    top = RESULT.totals.latency_ms["response"].max
    assert top is not None
    values = counted(reference)
    for value, quantile, count, _ in plotter_rows(render_hgrm(RESULT)):
        # Its percentile rule rounds the rank to the nearest, so compare by how many values lie at or below ours.
        below = sum(n for us, n in values if us <= value * 1000 + 0.5)
        assert count >= math.ceil(round(quantile * RESULT.totals.sent, 6))
        assert below == count or value == pytest.approx(top)


def counted(histogram: HdrHistogram) -> list[tuple[int, int]]:
    return [
        (histogram.get_highest_equivalent_value(item.value_iterated_to), item.count_added_in_this_iter_step)
        for item in histogram.get_recorded_iterator()
    ]


def test_two_hgrm_files_have_the_same_ladder() -> None:
    few = with_histograms(run_result(totals=totals(50)))
    assert [row[1] for row in plotter_rows(render_hgrm(few))] == [row[1] for row in plotter_rows(render_hgrm(RESULT))]


def test_hgrm_of_nothing_has_no_rows_and_no_zeros() -> None:
    empty = totals(0, latency_ms={"response": Stats(count=0)})
    text = render_hgrm(msgspec.structs.replace(RESULT, totals=empty, histograms={}))
    assert plotter_rows(text) == []
    assert "nan" in text
