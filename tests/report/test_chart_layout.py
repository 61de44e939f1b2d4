"""Axes with ticks at round numbers."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from loadsim.report.chart_layout import latency_axis, log_axis


@given(st.floats(0.001, 30), st.floats(1, 30_000))
def test_every_logarithmic_axis_has_round_ticks(low: float, factor: float) -> None:
    axis = latency_axis([low, low * factor])
    start, end = axis["range"]
    assert start <= math.log10(low) <= math.log10(low * factor) <= end
    assert 3 <= len(axis["tickvals"]) <= 14
    assert all(start <= math.log10(tick) <= end for tick in axis["tickvals"])
    assert all(before < after for before, after in itertools.pairwise(axis["tickvals"]))
    for text in axis["ticktext"]:
        digits = text.split(" ")[0].replace(".", "").strip("0")
        assert len(digits) <= 2, text
        assert "e" not in text


def test_ticks_are_few_round_numbers_with_their_unit() -> None:
    assert latency_axis([0.9, 40])["ticktext"] == ["1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms"]
    assert latency_axis([0.3, 0.9, 2.1])["ticktext"] == ["500 µs", "1 ms", "2 ms"]
    assert latency_axis([0.01, 90_000])["ticktext"] == [
        "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s",
    ]  # fmt: skip
    assert latency_axis([0.65, 4.4])["ticktext"] == ["700 µs", "1 ms", "1.5 ms", "2 ms", "3 ms"]
    assert log_axis([900, 12_000], lambda rate: f"{rate:,g}")["ticktext"] == ["1,000", "2,000", "5,000", "10,000"]
