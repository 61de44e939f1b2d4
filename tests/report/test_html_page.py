"""The page without a browser: order, tables that hold every number, nothing fetched, no foreign markup."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from html.parser import HTMLParser

import msgspec
import plotly.graph_objects  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.result import RunResult
from loadsim.measure.result_deliveries import Reconciliation
from loadsim.measure.result_events import SampleRow
from loadsim.measure.result_verdict import Validity
from loadsim.report import plotly_script
from loadsim.report.html_markup import embedded_json
from loadsim.report.html_page import charts_of, policy
from loadsim.report.packed_text import DIGITS
from tests.builders import run_info, run_result, samples, totals, with_course
from tests.report.rendering import Stored, render_page, report_of
from tests.report.results import aborted, closed, compared, course, failed, invalid, searched
from tests.studies.bench_receiver.test_procedure import shown as benched

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(1)">\'&{{}}\x00\x1b[2J'
CHARTS = ("latency", "percentiles", "histogram", "rates", "in-flight", "so-far", "heat")
VOID = {"meta", "wbr"}


def unpacked(text: str) -> str:
    """What `page.js` makes of a packed text."""
    length, *parts = text.split(" ")
    digits = "".join(parts)
    values = [DIGITS.index(digit) for digit in digits.encode()]
    bits = "".join(f"{first * 91 + second:013b}" for first, second in zip(values[::2], values[1::2], strict=True))
    return zlib.decompress(bytes(int(bits[8 * i : 8 * i + 8], 2) for i in range(int(length)))).decode()


class Page(HTMLParser):
    """A page taken apart: elements in order, text by element, attributes; fails on unbalanced tags."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text.setdefault(self._open[-1], []).append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile() -> RunResult:
    """A run in which every text that comes from elsewhere is an attack."""
    result = with_course(run_result(run=run_info(name=HOSTILE, id=HOSTILE)))
    scenario = result.run.scenario | {"name": HOSTILE, "target": {"url": HOSTILE}, HOSTILE: HOSTILE}
    scenario["phases"] = [{"name": HOSTILE, "duration": "1s"}, {"name": HOSTILE + "2", "duration": "1s"}]
    return msgspec.structs.replace(
        result,
        run=msgspec.structs.replace(result.run, scenario=scenario),
        by_event={HOSTILE: totals(100)},
        by_phase={HOSTILE: totals(100), HOSTILE + "2": totals(100)},
        by_case={HOSTILE: totals(100), "b": totals(1)},
        samples=[SampleRow("503", 1, HOSTILE, 0.0, [(HOSTILE, HOSTILE)], HOSTILE, ""), *samples()],
        validity=Validity(valid=False, reasons=[HOSTILE]),
        reconciliation=Reconciliation(source=HOSTILE, of="effects", lost=1, examples={HOSTILE: [1]}),
    )


def test_sections_come_in_the_order_of_the_questions() -> None:
    page = Page(render_page(course(), None))
    assert [section["id"] for section in page.of("section")] == [
        "objectives",
        "latency",
        "limits",
        "events",
        "answers",
        "latencies",
        "percentiles",
        "histogram",
        "rates",
        "in-flight",
        "so-far",
        "heat",
        "by-event",
        "by-phase",
        "said",
        "deadlines",
        "environment",
    ]
    anchors = {link["href"] for link in page.of("a")}
    assert anchors == {f"#{section['id']}" for section in page.of("section")}


def test_cases_stand_between_event_types_and_phases() -> None:
    page = Page(render_page(hostile(), None))
    names = [section["id"] for section in page.of("section")]
    assert [name for name in names if name and name.startswith("by-")] == ["by-event", "by-case", "by-phase"]


def test_without_a_library_there_is_no_script_and_every_table() -> None:
    page = Page(render_page(course(), None))
    assert page.of("script") == []
    assert page.of("div") == [entry for entry in page.of("div") if entry.get("class") != "chart"]
    captions = page.text["caption"]
    for name in ("Latency by percentile", "Latency over time", "Rates over time", "Events by latency"):
        assert name in captions
    assert len([entry for entry in page.of("details") if "open" in entry]) == len(CHARTS), (
        "tables of charts are open until a chart is drawn"
    )


def test_with_a_library_each_chart_has_words_and_a_table() -> None:
    page = Page(render_page(course(), "/* library */"))
    places = [entry for entry in page.of("div") if entry.get("class") == "chart"]
    assert [place["id"] for place in places] == [f"chart-{name}" for name in CHARTS]
    names = {entry["id"] for entry in page.of("figcaption")}
    assert {place["aria-labelledby"] for place in places} == names
    assert all(place["role"] == "img" for place in places)
    assert len(page.of("figure")) == len(CHARTS)


@pytest.mark.parametrize("library", [None, "/* library */"])
def test_nothing_is_fetched(library: str | None) -> None:
    page = Page(render_page(hostile(), library))
    (content,) = [meta["content"] for meta in page.of("meta") if meta.get("http-equiv")]
    assert content == policy([] if library is None else [library, page.text["script"][-1]])
    assert content.count("'sha256-") == (0 if library is None else 2), "no other script runs"
    for name, attributes in page.elements:
        assert name not in ("link", "img", "iframe", "object", "base", "form")
        assert "src" not in attributes
        assert not any(key.startswith("on") for key in attributes)
        assert (attributes.get("href") or "#").startswith("#")


def test_foreign_text_ends_no_element() -> None:
    page = Page(render_page(hostile(), "/* library */"))
    assert len(page.of("script")) == 3
    assert page.of("img") == []
    embedded = json.loads(unpacked(page.text["script"][0]))
    names = [note["text"] for note in embedded["latency"]["layout"]["annotations"]]
    assert all("<" not in name for name in names), "Plotly reads tags in its texts"
    text = render_page(hostile(), None).decode()
    assert "\x1b" not in text
    assert "\x00" not in text


@given(st.text() | st.just(HOSTILE))
def test_embedded_data_comes_out_as_it_went_in(text: str) -> None:
    safe = embedded_json({"name": text.encode("utf-8", "replace").decode()})
    assert not set("<>&") & set(safe)
    assert json.loads(safe) == {"name": text.encode("utf-8", "replace").decode()}


def test_every_figure_is_one_that_the_library_knows() -> None:
    for result in (course(), hostile(), aborted(), searched(), compared()):
        for chart in charts_of(report_of(result)):
            plotly.graph_objects.Figure(chart.figure)


def test_a_wrong_figure_would_be_refused() -> None:
    figure = next(chart for chart in charts_of(report_of(course())) if chart.name == "latency").figure
    figure["data"][0]["lines"] = {}
    with pytest.raises(ValueError, match="lines"):
        plotly.graph_objects.Figure(figure)


def long_run() -> RunResult:
    return with_course(run_result(), slices=600, per_slice=100)


WITH_CHARTS: list[Callable[[], Stored]] = [course, long_run, hostile, aborted, compared, searched, benched]
"""One result for each kind of page that has charts, and the largest page."""


@pytest.mark.parametrize("make", WITH_CHARTS)
def test_a_page_is_small_enough_to_be_sent(make: Callable[[], Stored]) -> None:
    library = plotly_script.library()
    assert library is not None
    page = render_page(make(), library)
    assert len(page) <= 2_000_000
    assert page.count(b'id="library"') == 1, "all its charts share one"


@pytest.mark.parametrize("make", [failed, invalid, closed, course])
def test_any_result_makes_a_whole_page(make: Callable[[], RunResult]) -> None:
    page = Page(render_page(make(), None))
    assert len(page.of("table")) >= 6


def test_an_empty_run_makes_a_page() -> None:
    empty = totals(0, latency_ms={}, duration_s=None, rate_planned=None, rate_sent=None, rate_completed=None)
    empty = msgspec.structs.replace(empty, success_rate=None, status={}, errors={}, unfinished=0)
    result = run_result(totals=empty, series=[], by_event={}, by_case={}, by_phase={}, samples=[], shards=[])
    page = Page(render_page(result, "/* library */"))
    assert "n/a" in page.text["dd"]


def test_an_invalid_run_says_why_first() -> None:
    text = render_page(invalid(), None).decode()
    assert text.index("Invalid because") < text.index("<code>p(99)")
    assert "does not match the secret shown on the webhook" in text


def test_a_closed_run_has_one_curve_and_no_response_time() -> None:
    assert "response time" not in render_page(closed(), None).decode()


def bars_of(result: RunResult) -> list[list[tuple[float, float]]]:
    """Start and width of the value and of the mark at the limit, of each bar."""
    rects = [rect for rect in Page(render_page(result, None)).of("rect") if rect["class"] != "scale"]
    ends = [(float(rect.get("x") or 0), float(rect["width"] or 0)) for rect in rects]
    return [ends[i : i + 2] for i in range(0, len(ends), 2)]


def test_a_bar_ends_on_the_side_of_the_limit_that_the_verdict_says() -> None:
    result = course()
    bars = bars_of(result)
    rows = result.verdict.objectives
    assert len(bars) == len(rows) == 4
    for row, ((_, value), (mark, width)) in zip(rows, bars, strict=True):
        assert row.passed is not None
        assert row.observed is not None
        limit = mark + width / 2
        upper = "<" in row.text
        assert (value < limit) is (row.passed is upper), row
    (_, value), (mark, width) = bars[0]
    assert value / (mark + width / 2) == pytest.approx((rows[0].observed or 0) / 250, rel=1e-3), "both from 0"


def test_what_is_not_judged_has_no_bar() -> None:
    judged = sum(row.passed is not None for row in aborted().verdict.objectives)
    assert len(bars_of(aborted())) == judged < len(aborted().verdict.objectives)
    assert invalid().verdict.outcome == "invalid"
    assert bars_of(invalid()) == []


def test_without_a_library_the_page_says_how_to_get_charts() -> None:
    without, drawn = (render_page(course(), library).decode() for library in (None, "/* library */"))
    assert without.count("pip install &#x27;loadsim[report]&#x27;") == 1
    assert "loadsim report RESULT" in without
    assert "pip install" not in drawn
