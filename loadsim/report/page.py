"""`report.html`: one self-contained page that opens offline and asks the network for nothing.

Decides the order of the sections and how the page degrades: scripts draw charts over a page whose tables hold every
number without them. The chart library is an argument: with None the page has tables only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from loadsim.measure.result import RunResult
from loadsim.report import chart_sections, charts, facts, sections
from loadsim.report.markup import Markup, embedded_json, join, tag

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""Nothing may be fetched, whatever stands in the page."""
KINDS = {"pass": "good", "fail": "bad", "invalid": "warn", "none": "none"}
CHARTS = {
    "percentiles": "Latency by percentile",
    "latency": "Latency over time",
    "rates": "Rates over time",
    "heat": "Latency heat map",
}


@dataclass(frozen=True)
class Report:
    """A report before it is a document: its sections as (anchor, title, content), the figures that a script draws."""

    name: str
    header: Markup
    parts: Sequence[tuple[str, str, Markup]]
    footer: str
    figures: Mapping[str, charts.Figure]

    def inside(self) -> Markup:
        """Header, links and sections: what stands in a body, whose ever it is."""
        links = (tag("a", title, href=f"#{anchor}") for anchor, title, _ in self.parts)
        main = tag("main", *(_section(*part) for part in self.parts))
        return join([self.header, tag("nav", *links, aria_label="Sections"), main], "\n")

    def data(self) -> Markup:
        """The figures, where `page.js` looks for them."""
        return tag("script", embedded_json(self.figures), type="application/json", id="figures")


def render_page(result: RunResult, library: str | None) -> bytes:
    """The whole page. `library`: the source of plotly.js, or None for a page of tables."""
    return document(report_of(result, with_charts=library is not None), library)


def report_of(result: RunResult, *, with_charts: bool) -> Report:
    """What there is to say of a run; without charts there is no room for them."""
    drawn = chart_sections.chart_sections(result)
    return Report(
        f"{facts.VERDICTS[result.verdict.outcome]} {result.run.name}",
        _header(result),
        _sections(result, drawn, with_charts=with_charts),
        f"loadsim {result.run.version} · run {result.run.id}",
        {name: section.figure for name, section in drawn.items()},
    )


def document(report: Report, library: str | None) -> bytes:
    """A report as a whole page."""
    body = [
        tag("a", "Skip to the report", class_="skip", href=f"#{report.parts[0][0]}"),
        report.inside(),
        tag("footer", report.footer),
    ]
    if library is not None:
        body += [report.data(), tag("script", Markup(library)), tag("script", _own("page.js"))]
    head = join(
        [
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
            Markup('<meta name="color-scheme" content="light dark">'),
            tag("title", f"{report.name} – loadsim"),
            tag("style", _own("page.css")),
        ],
        "\n",
    )
    page = tag("html", tag("head", head), "\n", tag("body", join(body, "\n")), lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _own(name: str) -> Markup:
    return Markup(resources.files("loadsim.report").joinpath(name).read_text(encoding="utf-8"))


def _header(result: RunResult) -> Markup:
    outcome = result.verdict.outcome
    target = str(facts.target_of(result).get("url", ""))
    return tag(
        "header",
        tag("p", facts.VERDICTS[outcome], class_="outcome"),
        tag("h1", result.run.name),
        tag("p", facts.headline(result), class_="headline"),
        tag("p", " · ".join([*([target] if target else []), *facts.run_words(result)]), class_="words"),
        class_=f"verdict {KINDS[outcome]}",
    )


def _sections(
    result: RunResult, drawn: dict[str, chart_sections.ChartSection], *, with_charts: bool
) -> list[tuple[str, str, Markup]]:
    """(anchor, title, content), in order."""
    parts: list[tuple[str, str, Markup | None]] = [
        ("verdict", "Objectives", sections.verdict(result)),
        ("limits", "What limited the run", sections.limits(result)),
        ("figures-key", "Key figures", sections.key_figures(result)),
    ]
    for name, title in CHARTS.items():
        if name in drawn:
            parts.append((name, title, chart_sections.markup(drawn[name], drawn=with_charts)))
    parts.append(("answers", "Answers and errors", sections.answers(result)))
    parts.append(("retries", "Retries", sections.retries(result)))
    parts.append(("by-event", "By event type", sections.groups(result, "event", "Event type")))
    parts.append(("by-case", "By case", sections.cases(result)))
    parts.append(("by-phase", "By phase", sections.groups(result, "phase", "Phase")))
    parts.append(("deadlines", "Provider deadlines", sections.deadlines(result)))
    parts.append(("environment", "Environment", sections.environment(result)))
    return [(name, title, content) for name, title, content in parts if content is not None]


def _section(name: str, title: str, content: Markup) -> Markup:
    return tag("section", tag("h2", title, id=f"title-{name}"), content, id=name, aria_labelledby=f"title-{name}")
