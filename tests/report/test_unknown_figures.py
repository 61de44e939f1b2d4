"""Tables that say `n/a` say what that means."""

from __future__ import annotations

from loadsim.report.blocks import Cell, Column
from loadsim.report.numbers import NOT_KNOWN
from loadsim.report.unknown_figures import unknown_words
from tests.builders import run_result, stats, totals
from tests.report.rendering import render_page, render_summary, render_text
from tests.report.results import failed

COLUMNS = (Column("Metric", words=True), Column("Samples"), Column("p50"), Column("p99.9"), Column("2xx p99"))


def test_the_percentile_says_what_it_needs() -> None:
    row = ("a", "12", "1 ms", Cell(NOT_KNOWN), NOT_KNOWN)
    assert unknown_words(COLUMNS, [row]) == "n/a: too few samples (p99.9 needs 3,688, p99 needs 368)"
    assert unknown_words(COLUMNS, [("a", NOT_KNOWN, "1 ms", "2 ms", "3 ms")]) == "n/a: not measured, or not known"
    both = unknown_words(COLUMNS, [("a", NOT_KNOWN, "1 ms", NOT_KNOWN, "3 ms")])
    assert both == "n/a: too few samples (p99.9 needs 3,688); elsewhere not measured, or not known"
    assert unknown_words(COLUMNS, [("a", "1", "1 ms", "2 ms", "3 ms")]) == ""


def test_every_form_says_it() -> None:
    few = stats(1.0, 100)
    result = run_result(totals=totals(100, latency_ms={"response": few, "service": few}), verdict=failed().verdict)
    for form in (render_text(result), render_summary(result), render_page(result, None).decode()):
        assert "too few samples (p99" in form
