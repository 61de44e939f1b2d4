"""A comparison of two results: for the terminal, as Markdown, and as an overlay page.

Decides words, tables and which curves lie over each other. Refuses to know how the ratios were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from loadsim.judge.compare import CompareResult, Ratio, metrics_of, ratio_curve
from loadsim.measure.result import RunResult
from loadsim.report import charts, figures
from loadsim.report.ab import columns
from loadsim.report.chart_sections import ChartSection, markup
from loadsim.report.curves import PercentileCurve, percentile_curves
from loadsim.report.markup import Markup, join, table, tag
from loadsim.report.page import Report, document
from loadsim.report.summary import escape, markdown_table

VERDICTS = {"none": "COMPARED", "pass": "PASS", "fail": "FAIL", "invalid": "INVALID"}
KINDS = {"none": "none", "pass": "good", "fail": "bad", "invalid": "warn"}
TOLD = {"higher": "higher in these runs", "lower": "lower in these runs", "unsure": "unsure"}
PASSED = {True: "not failed", False: "failed", None: "cannot be judged"}
HEADER = ("percentile", "base", "new", "new / base", "95 % interval", "says")
GATES = ("gate", "new / base", "result", "note")
CAVEAT = (
    "One run of each: the intervals hold what varies within a run, and two runs of one thing often differ by more. "
    "loadsim ab decides, by interleaved pairs."
)


def render_compare_text(result: CompareResult) -> str:
    """The report as plain text. Ends in a newline."""
    lines = [f"{VERDICTS[result.outcome]}   {headline(result)}", *_sides(result)]
    if result.differences:
        lines += ["", "Not alike", *(f"  {line}" for line in result.differences)]
    if result.gates:
        lines += ["", "Gates", *columns([GATES, *_gate_rows(result)])]
    for metric in metrics_of(result.base, result.new):
        rows = _rows(result, metric)
        lines += ["", f"{metric.capitalize()} time", *columns([HEADER, *rows])] if rows else []
    return "\n".join(map(figures.printable, [*lines, "", CAVEAT])) + "\n"


def render_compare_summary(result: CompareResult) -> str:
    """The same as Markdown. Ends in a newline."""
    blocks = [f"# {VERDICTS[result.outcome]}: {escape(headline(result))}", *(escape(line) for line in _sides(result))]
    if result.differences:
        blocks += ["## Not alike", "\n".join(f"- {escape(line)}" for line in result.differences)]
    if result.gates:
        gates = [tuple(escape(cell) for cell in row) for row in _gate_rows(result)]
        blocks += ["## Gates", markdown_table(GATES, gates)]
    for metric in metrics_of(result.base, result.new):
        rows = _rows(result, metric)
        blocks += [f"## {metric.capitalize()} time", markdown_table(HEADER, rows)] if rows else []
    return "\n\n".join([*blocks, CAVEAT]) + "\n"


def render_compare_page(result: CompareResult, library: str | None) -> bytes:
    """The overlay page. `library`: the source of plotly.js, or None for a page of tables."""
    return document(compare_report(result, with_charts=library is not None), library)


def compare_report(result: CompareResult, *, with_charts: bool) -> Report:
    """What the overlay page says."""
    sections = [section for section in (_overlay(result), _ratio(result)) if section is not None]
    titles = {"percentiles": "Latency by percentile", "ratio": "Ratio by percentile"}
    parts = [("verdict", "What can be said", _said(result))]
    parts += [(each.name, titles[each.name], markup(each, drawn=with_charts)) for each in sections]
    header = tag(
        "header",
        tag("p", VERDICTS[result.outcome], class_="outcome"),
        tag("h1", f"{result.new.run.name} against {result.base.run.name}"),
        tag("p", headline(result), class_="headline"),
        *(tag("p", line, class_="words") for line in _sides(result)),
        class_=f"verdict {KINDS[result.outcome]}",
    )
    return Report(
        f"{VERDICTS[result.outcome]} {result.new.run.name}",
        header,
        parts,
        f"{result.base.run.id} · {result.new.run.id}",
        {each.name: each.figure for each in sections},
    )


def headline(result: CompareResult) -> str:
    """The answer in a few words."""
    if result.outcome == "invalid":
        return "a gate cannot be judged"
    if result.outcome == "fail":
        return f"{', '.join(row.gate.label for row in result.gates if row.passed is False)} higher than the gate allows"
    told = [row for row in result.ratios if row.direction != "unsure"]
    if not told:
        return "unsure: nothing differs by more than varies within these runs"
    named = ", ".join(f"{_label(row)} × {row.ratio:.2f}" for row in told[:3])
    return f"these runs differ ({named}{', …' * (len(told) > 3)}); whether what they ran against does is unsure"


def _label(row: Ratio) -> str:
    name = row.name.replace("_", ".")
    return name if row.metric == "response" else f"{row.metric} {name}"


def _sides(result: CompareResult) -> list[str]:
    return [f"{name} {_run(run)}" for name, run in (("base", result.base), ("new", result.new))]


def _run(run: RunResult) -> str:
    totals = run.totals
    words = [run.run.id, f"{figures.count(totals.sent)} events", f"2xx {figures.share(totals.success_rate)}"]
    return " · ".join([*words, f"completed {figures.per_second(totals.rate_completed)}"])


def _rows(result: CompareResult, metric: str) -> list[tuple[str, ...]]:
    return [
        (
            row.name.replace("_", "."),
            figures.milliseconds(row.base_ms),
            figures.milliseconds(row.new_ms),
            f"{row.ratio:.3f}",
            figures.NOT_KNOWN if row.interval is None else f"{row.interval[0]:.3f}–{row.interval[1]:.3f}",
            TOLD[row.direction],
        )
        for row in result.ratios
        if row.metric == metric
    ]


def _gate_rows(result: CompareResult) -> list[tuple[str, ...]]:
    return [
        (
            f"{row.gate.label} +{100 * row.gate.effect:g} %",
            figures.NOT_KNOWN if row.ratio is None else f"{row.ratio.ratio:.3f}",
            PASSED[row.passed],
            figures.printable(row.note),
        )
        for row in result.gates
    ]


def _said(result: CompareResult) -> Markup:
    parts: list[Markup] = [tag("p", CAVEAT)]
    if result.differences:
        lines = tag("ul", *(tag("li", line) for line in result.differences))
        parts.append(tag("div", tag("h3", "Not alike"), lines, class_="note warn"))
    if result.gates:
        parts.append(table("Gates", GATES, _gate_rows(result), words=(0, 2, 3)))
    parts += [
        table(f"{metric.capitalize()} time", HEADER, rows, words=(0, 5))
        for metric in metrics_of(result.base, result.new)
        if (rows := _rows(result, metric))
    ]
    return join(parts)


def _curves(result: CompareResult) -> tuple[str, PercentileCurve, PercentileCurve] | None:
    """The headline metric of both runs."""
    metric = metrics_of(result.base, result.new)[0]
    found = []
    for run in (result.base, result.new):
        curves = {curve.metric: curve for curve in percentile_curves(run)}
        curve = curves.get(metric) or (curves.get("response") if run.run.model == "closed" else None)
        if curve is None:
            return None
        found.append(curve)
    return metric, found[0], found[1]


def _overlay(result: CompareResult) -> ChartSection | None:
    found = _curves(result)
    if found is None:
        return None
    metric, base, new = found
    # the two colours of the page's percentile chart
    drawn = [replace(base, metric="service"), replace(new, metric="response")]
    figure = charts.percentile_figure(drawn, [], {"service": "base", "response": "new"})
    words = f"{metric.capitalize()} time of both runs by percentile; the bands are 95 % intervals within each run."
    longest = max(base, new, key=lambda curve: len(curve.q))
    rows = [(f"p{100 * q:.6g}", _at(base, n), _at(new, n)) for n, q in enumerate(longest.q)]
    return ChartSection(
        "percentiles", figure, words, table("Latency by percentile", ("Percentile", "Base", "New"), rows)
    )


def _at(curve: PercentileCurve, number: int) -> str:
    return figures.milliseconds(curve.ms[number] if number < len(curve.ms) else None)


def _ratio(result: CompareResult) -> ChartSection | None:
    found = _curves(result)
    if found is None:
        return None
    metric, base, new = found
    n = min(base.firm, new.firm)
    points = [(q, b / a) for q, a, b in zip(base.q[:n], base.ms, new.ms, strict=False) if a]
    if not points:
        return None
    names = {str(q): Fraction(str(q)) for q, _ in points}
    bounds = ratio_curve(result.base, result.new, metric, names)
    band = [bounds[name] for name in names if name in bounds]
    figure = charts.ratio_figure([q for q, _ in points], [ratio for _, ratio in points], band)
    words = f"NEW / BASE of the {metric} time by percentile" + (", with its 95 % interval." if band else ".")
    return ChartSection(
        "ratio", figure, words, table("Ratio by percentile", HEADER[:1] + HEADER[3:5], _points(points, band))
    )


def _points(points: Sequence[tuple[float, float]], band: Sequence[tuple[float, float]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for number, (q, ratio) in enumerate(points):
        ends = f"{band[number][0]:.3f}–{band[number][1]:.3f}" if number < len(band) else figures.NOT_KNOWN
        rows.append((f"p{100 * q:.6g}", f"{ratio:.3f}", ends))
    return rows
