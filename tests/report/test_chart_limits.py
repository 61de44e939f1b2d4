"""The labels of limits stand in the margin, and none of them covers another."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from loadsim.report.chart_limits import LimitLabel, margin_labels

RANGE = (0.0, 3.0)
HEIGHT_PX = 210
LINE_PX = 15
TEXTS = st.sampled_from(
    ["p(99) < 5ms", "p(99) < 250ms over 10s", "response{event:desktop.app_tracking.captured}: max < 1s"]
)


@given(st.lists(st.builds(LimitLabel, TEXTS, st.floats(1, 1000), st.just("var(--good)")), min_size=1, max_size=7))
def test_labels_never_overlap(labels: list[LimitLabel]) -> None:
    notes = margin_labels(labels, RANGE)["annotations"]
    assert len(notes) == len(labels)
    spans = []
    for note in notes:
        assert (note["x"], note["xref"], note["xanchor"]) == (1, "paper", "left"), "outside of the plot"
        middle = (note["y"] - RANGE[0]) / (RANGE[1] - RANGE[0]) * HEIGHT_PX + note["yshift"]
        half = LINE_PX * (note["text"].count("<br>") + 1) / 2
        spans.append((middle - half, middle + half))
    assert all(low[1] <= high[0] + 0.2 for low, high in itertools.pairwise(spans))


def test_a_label_alone_stands_at_its_limit() -> None:
    notes = margin_labels([LimitLabel("a", 10, ""), LimitLabel("b", 500, "")], RANGE)["annotations"]
    assert [note["yshift"] for note in notes] == [0, 0]
    assert margin_labels([], RANGE) == {}


def test_a_label_is_wrapped_and_has_room() -> None:
    layout = margin_labels([LimitLabel("response{event:a.b<c}: p(99) < 5ms over 10s", 5, "")], RANGE)
    (note,) = layout["annotations"]
    assert note["text"] == "response{event:a.b&lt;c}:<br>p(99) &lt; 5ms over 10s"
    assert layout["margin"]["r"] > 24 * 6
