"""The result as OpenMetrics text: for a scrape of files, a push, or a CI system that compares metrics.

Times are in seconds, as the format requires. An unknown figure has no sample. Source: OpenMetrics 1.0, text format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from loadsim.measure.hdr import PERCENTILES
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Stats, Totals
from loadsim.report.numbers import printable

MS_PER_S = 1000
OUTCOMES = ("pass", "fail", "invalid", "none")
Labels = dict[str, str]


def render_openmetrics(result: RunResult) -> str:
    """Every family with its type and help, `# EOF` at the end."""
    lines = [*_run(result), *_verdict(result), *_accounting(result), *_latency(result), "# EOF"]
    return "\n".join(lines) + "\n"


def _run(result: RunResult) -> Iterator[str]:
    yield from _family("loadsim_run", "gauge", "Which run these figures are of.")
    run = result.run
    labels = {"id": run.id, "name": run.name, "model": run.model, "version": run.version}
    yield _sample("loadsim_run", labels | ({"scale": f"{run.scale:g}"} if run.scale < 1 else {}), 1)


def _verdict(result: RunResult) -> Iterator[str]:
    yield from _family("loadsim_verdict", "stateset", "The verdict on the run.")
    for outcome in OUTCOMES:
        yield _sample("loadsim_verdict", {"loadsim_verdict": outcome}, int(result.verdict.outcome == outcome))
    judged = [row for row in result.verdict.objectives if row.passed is not None]
    if judged:
        yield from _family("loadsim_objective_met", "gauge", "1 where the objective was met, 0 where it failed.")
        for row in judged:
            yield _sample("loadsim_objective_met", {"objective": row.text}, int(bool(row.passed)))


def _accounting(result: RunResult) -> Iterator[str]:
    totals = result.totals
    yield from _family("loadsim_events", "counter", "Recorded events by outcome.")
    for name in ("planned", "sent", "completed", "succeeded", "failed", "dropped", "unfinished"):
        yield _sample("loadsim_events_total", {"state": name}, getattr(totals, name))
    yield from _counted("loadsim_answers", "Answers by HTTP status.", "status", totals.status)
    yield from _counted("loadsim_errors", "Events without a complete answer, by kind.", "kind", totals.errors)
    rates = {"planned": totals.rate_planned, "sent": totals.rate_sent, "completed": totals.rate_completed}
    yield from _family("loadsim_rate_events_per_second", "gauge", "Events per second of recorded time.")
    for name, rate in rates.items():
        if rate is not None:
            yield _sample("loadsim_rate_events_per_second", {"state": name}, rate)
    yield from _family("loadsim_success_ratio", "gauge", "2xx answers as a share of the events sent.")
    for labels, group in _groups(result):
        if group.success_rate is not None:
            yield _sample("loadsim_success_ratio", labels, group.success_rate)


def _counted(name: str, text: str, label: str, counts: dict[str, int]) -> Iterator[str]:
    if counts:
        yield from _family(name, "counter", text)
        for value, n in counts.items():
            yield _sample(f"{name}_total", {label: value}, n)


def _latency(result: RunResult) -> Iterator[str]:
    yield from _family("loadsim_latency_seconds", "summary", "Latencies; what each metric covers is in the glossary.")
    for labels, group in _groups(result):
        for metric, stats in group.latency_ms.items():
            yield from _summary(stats, {"metric": metric, **labels})
        for status, latencies in group.by_status.items():
            for metric, stats in latencies.items():
                yield from _summary(stats, {"metric": metric, "status": status, **labels})


def _summary(stats: Stats, labels: Labels) -> Iterator[str]:
    for name, quantile in PERCENTILES.items():
        value = getattr(stats, name)
        if value is not None:
            yield _sample("loadsim_latency_seconds", {**labels, "quantile": str(float(quantile))}, value / MS_PER_S)
    if stats.mean is not None:
        yield _sample("loadsim_latency_seconds_sum", labels, stats.mean * stats.count / MS_PER_S)
    yield _sample("loadsim_latency_seconds_count", labels, stats.count)


def _groups(result: RunResult) -> Iterable[tuple[Labels, Totals]]:
    """The whole run without a label, then each event type."""
    return [({}, result.totals), *(({"event": name}, group) for name, group in result.by_event.items())]


def _family(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    yield f"# HELP {name} {text}"


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return printable(text, lines=True).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
