"""The report on two compared results: their figures side by side, and their curves in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from loadsim.judge.compare import CompareResult, Ratio, metrics_of, ratio_curve
from loadsim.measure.result import RunResult
from loadsim.report import facts, numbers, percentile_charts
from loadsim.report.blocks import Cell, Chart, Column, Lines, Report, Section, Table, Tone, sections
from loadsim.report.chart_numbers import PercentileCurve, percentile_curves
from loadsim.report.chart_sections import point_table
from loadsim.report.what_limited import limit_lines

VERDICTS: dict[str, tuple[str, Tone]] = {
    "none": ("COMPARED", "dim"),
    "pass": ("PASS", "good"),
    "fail": ("FAIL", "bad"),
    "invalid": ("INVALID", "warn"),
}
DIRECTIONS = {"higher": "higher in these runs", "lower": "lower in these runs", "unsure": "unsure"}
OUTCOMES: dict[bool | None, tuple[str, Tone]] = {
    True: ("not failed", "good"),
    False: ("failed", "bad"),
    None: ("cannot be judged", "warn"),
}
COLUMNS = (
    Column("Percentile", words=True),
    *map(Column, ("Base", "New", "New / base", "95 % interval")),
    Column("Result", words=True),
)
GATES = (Column("Gate", words=True), Column("New / base"), Column("Result", words=True), Column("Note", True, True))
CAVEAT = (
    "One run of each: the intervals cover variation within a run, and two runs of one target often differ by more. "
    "Use loadsim ab, which compares interleaved pairs of runs."
)


def compare_report(result: CompareResult) -> Report:
    """The whole report."""
    word, tone = VERDICTS[result.outcome]
    metrics = metrics_of(result.base, result.new)
    return Report(
        outcome=word,
        tone=tone,
        name=f"{result.new.run.name} against {result.base.run.name}",
        headline=headline(result),
        about=_sides(result),
        sections=sections(
            Section("unlike", "Differences of the runs", [Lines(result.differences, tone="warn")]),
            Section("gates", "Gates", [Table("Gates", GATES, _gate_rows(result))]),
            *(_percentiles(result, metric) for metric in metrics),
            _overlay(result),
            _ratio(result),
            Section("limits", "What limited the runs", [Lines(_limits(result))]),
            Section("caveat", "What can be said", [Lines([CAVEAT], bullets=False)]),
        ),
        footer=f"{result.base.run.id} · {result.new.run.id}",
    )


def _limits(result: CompareResult) -> list[str]:
    return [f"{name}: {'; '.join(limit_lines(run))}" for name, run in _both(result)]


def _percentiles(result: CompareResult, metric: str) -> Section:
    title = f"{metric.capitalize()} time"
    return Section(f"by-{metric}", title, [Table(title, COLUMNS, _rows(result, metric))])


def headline(result: CompareResult) -> str:
    """The outcome in a few words."""
    if result.outcome == "invalid":
        return "a gate cannot be judged"
    if result.outcome == "fail":
        failed = [row for row in result.gates if row.passed is False]
        higher = [row.gate.label for row in failed if not row.fewer_succeed]
        words = [f"{', '.join(higher)} higher than the gate allows"] if higher else []
        return "; ".join([*words, *dict.fromkeys(row.note for row in failed if row.fewer_succeed)])
    differing = [row for row in result.ratios if row.direction != "unsure"]
    if not differing:
        return "unsure: no difference is larger than the variation within these runs"
    named = ", ".join(f"{_label(row)} × {row.ratio:.2f}" for row in differing[:3])
    return f"these runs differ ({named}{', …' * (len(differing) > 3)}); whether their targets differ is unsure"


def _label(row: Ratio) -> str:
    name = row.name.replace("_", ".")
    return name if row.metric == "response" else f"{row.metric} {name}"


def _sides(result: CompareResult) -> list[str]:
    return [f"{name} {_run(run)}" for name, run in _both(result)]


def _both(result: CompareResult) -> tuple[tuple[str, RunResult], tuple[str, RunResult]]:
    return ("base", result.base), ("new", result.new)


def _run(run: RunResult) -> str:
    totals = run.totals
    words = [
        run.run.id,
        *facts.tested_words(run),
        f"sent {numbers.count(totals.sent)}",
        f"2xx {numbers.share(totals.success_rate)}",
    ]
    return " · ".join([*words, f"completed {numbers.per_second(totals.rate_completed)}"])


def _rows(result: CompareResult, metric: str) -> list[tuple[str, ...]]:
    return [
        (
            row.name.replace("_", "."),
            numbers.milliseconds(row.base_ms),
            numbers.milliseconds(row.new_ms),
            f"{row.ratio:.3f}",
            _interval(row),
            DIRECTIONS[row.direction],
        )
        for row in result.ratios
        if row.metric == metric
    ]


def _interval(row: Ratio) -> str:
    """The interval, or what keeps it from being stated."""
    if row.interval is not None:
        return f"{row.interval[0]:.3f}–{row.interval[1]:.3f}"
    return numbers.NOT_KNOWN if row.needs_s is None else numbers.needed(row.needs_s)


def _gate_rows(result: CompareResult) -> list[tuple[Cell | str, ...]]:
    return [
        (
            f"{row.gate.label} +{100 * row.gate.effect:g} %",
            numbers.NOT_KNOWN if row.ratio is None else f"{row.ratio.ratio:.3f}",
            Cell(*OUTCOMES[row.passed]),
            row.note,
        )
        for row in result.gates
    ]


def _curves(result: CompareResult) -> tuple[str, PercentileCurve, PercentileCurve] | None:
    """The name of the headline metric, and its curve of either run."""
    metric = metrics_of(result.base, result.new)[0]
    found = []
    for run in (result.base, result.new):
        curves = {curve.metric: curve for curve in percentile_curves(run)}
        curve = curves.get(metric) or (curves.get("response") if run.run.model == "closed" else None)
        if curve is None:
            return None
        found.append(curve)
    return metric, found[0], found[1]


def _overlay(result: CompareResult) -> Section | None:
    found = _curves(result)
    if found is None:
        return None
    metric, base, new = found
    # drawn in the two colours of the percentile chart
    drawn = [replace(base, metric="service"), replace(new, metric="response")]
    figure = percentile_charts.percentile_figure(drawn, [], {"service": "base", "response": "new"})
    words = f"{metric.capitalize()} time of both runs by percentile; the bands are 95 % intervals within each run."
    longest = max(base, new, key=lambda curve: len(curve.q))
    rows = [(f"p{100 * q:.6g}", _at(base, n), _at(new, n)) for n, q in enumerate(longest.q)]
    points = point_table("Latency by percentile", ("Percentile", "Base", "New"), rows)
    return Section("percentiles", "Latency by percentile", [Chart("percentiles", figure, words, points)])


def _at(curve: PercentileCurve, number: int) -> str:
    return numbers.milliseconds(curve.ms[number] if number < len(curve.ms) else None)


def _ratio(result: CompareResult) -> Section | None:
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
    band = [bounds.get(name) for name in names]
    figure = percentile_charts.ratio_figure([q for q, _ in points], [ratio for _, ratio in points], band)
    words = f"NEW / BASE of the {metric} time by percentile"
    words += ", with its 95 % interval where both runs are long enough." if bounds else "."
    table = point_table("Ratio by percentile", ("Percentile", "New / base", "95 % interval"), _points(points, band))
    return Section("ratio", "Ratio by percentile", [Chart("ratio", figure, words, table)])


def _points(points: Sequence[tuple[float, float]], band: Sequence[tuple[float, float] | None]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for (q, ratio), bounds in zip(points, band, strict=True):
        ends = numbers.NOT_KNOWN if bounds is None else f"{bounds[0]:.3f}–{bounds[1]:.3f}"
        rows.append((f"p{100 * q:.6g}", f"{ratio:.3f}", ends))
    return rows
