"""The section with the latency of all events, by metric."""

from __future__ import annotations

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Stats
from loadsim.report import facts, numbers
from loadsim.report.blocks import Cell, Column, Row, Section, Table

LATENCIES = ("min", "mean", "p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99", "max")
NEEDS = "where the run is too short for one: how long it needs to be"
_SPARE = ("min", "mean", "p75", "p99_99")
"""The columns that a narrow terminal leaves out."""
_MANY_CONNECTIONS = 0.01
"""From this share of events that opened a connection on, the time to connect is shown."""


def latency_section(result: RunResult) -> Section:
    """A row for each metric, with intervals below the figures."""
    known = latency_rows(result)
    rows: list[Row] = [
        (label, numbers.count(stats.count), *(latency_cell(stats, name) for name in LATENCIES))
        for label, stats in known
    ]
    columns = (Column("Metric", words=True, long=True), Column("Samples", spare=True), *latency_columns())
    notes = ["with 95 % confidence intervals"] if any(stats.ci95 for _, stats in known) else []
    notes += [NEEDS] if any(stats.needs_s for _, stats in known) else []
    return Section("latencies", "Latency", [Table("Latency", columns, rows)], "; ".join(notes))


def latency_columns() -> list[Column]:
    """A column for each of LATENCIES."""
    return [Column(facts.percentile_label(name), spare=name in _SPARE) for name in LATENCIES]


def latency_rows(result: RunResult) -> list[tuple[str, Stats]]:
    """response, that of 2xx answers alone, service, lag and wait: each with its label, which depends on the load model.

    A closed run has no lag, and its response time is its service time. connect and tls are shown only where many events
    opened a connection.
    """
    totals = result.totals
    latency = totals.latency_ms
    labels = {"response": "response", "service": "service", "lag": "lag", "wait": "wait"}
    read = latency.get("receipt")
    if result.run.model == "closed":
        labels = {"response": "service time (closed model)", "wait": "wait"}
    opened = latency.get("connect")
    if opened is not None and opened.count >= _MANY_CONNECTIONS * max(1, totals.sent):
        secured = latency.get("tls")
        labels |= {"connect": "connect"} | ({"tls": "TLS handshake"} if secured and secured.count else {})
    labels |= {"receipt": "receipt"} if read and read.count else {}
    rows = [(label, latency[name]) for name, label in labels.items() if name in latency]
    if totals.by_status:
        rows.insert(1, (f"{rows[0][0]}, 2xx", facts.ok_stats(totals)))
    return rows


def latency_cell(stats: Stats, name: str) -> Cell:
    """A figure: the value, and below it its interval in the same unit, or how long the run would have to be for one."""
    value = getattr(stats, name)
    bounds = (stats.ci95 or {}).get(name)
    under = numbers.interval(*bounds, like=value) if bounds and value is not None else ""
    if not under and value is not None and name in (stats.needs_s or {}):
        under = numbers.needed((stats.needs_s or {})[name])
    return Cell(facts.latency_text(stats, name), under=under)
