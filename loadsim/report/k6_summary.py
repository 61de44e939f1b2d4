"""The result as k6's end-of-test summary, in the flat form of `--summary-export` that GitLab's widget reads.

Our figures appear under k6's names; an unknown figure is left out. Trends are in ms. As k6 does in this format, a
threshold is written as true when it was *crossed*.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from loadsim.judge.objectives import parse_objective
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Stats, Totals
from loadsim.model import Objective, UsageError

TRENDS = {
    "http_req_duration": "service",
    "http_req_waiting": "first_byte",
    "http_req_connecting": "connect",
    "http_req_tls_handshaking": "tls",
    "http_req_blocked": "wait",
    "response": "response",
    "lag": "lag",
}
"""k6's names with k6's meaning, and our own metrics beside them."""
K6_NAMES = {"service": "http_req_duration", "first_byte": "http_req_waiting", "connect": "http_req_connecting"}
K6_NAMES |= {"wait": "http_req_blocked", "success": "http_req_failed", "sent": "http_reqs"}
K6_NAMES |= {"dropped": "dropped_iterations"}
_FIGURES = {
    "avg": "mean",
    "min": "min",
    "med": "p50",
    "max": "max",
    "p(90)": "p90",
    "p(95)": "p95",
    "p(99)": "p99",
    "p(99.9)": "p99_9",
}
CHECK = "answered 2xx"


def render_k6_summary(result: RunResult) -> bytes:
    """`{"metrics": {name: figures}, "root_group": …}`, indented."""
    metrics = _metrics(result.totals)
    for row in result.verdict.objectives:
        try:
            objective = parse_objective(row.text)
        except UsageError:  # stored by a version with other names
            continue
        name = _name(objective)
        crossed = None if row.passed is None else not row.passed
        metric = metrics.setdefault(name, _tagged(result, objective))
        metric.setdefault("thresholds", {})[row.text] = crossed
    document = {"metrics": metrics, "root_group": _root(result.totals)}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _metrics(totals: Totals) -> dict[str, dict[str, Any]]:
    metrics = {name: _trend(totals.latency_ms[ours]) for name, ours in TRENDS.items() if totals.latency_ms.get(ours)}
    if "2xx" in totals.by_status:
        metrics["http_req_duration{expected_response:true}"] = _trend(totals.by_status["2xx"]["service"])
    refused = totals.sent - totals.succeeded
    metrics |= {
        "http_reqs": _counter(totals, totals.sent),
        "http_req_failed": _rate(refused, totals.succeeded),
        "checks": _rate(totals.succeeded, refused),
        "iterations": _counter(totals, totals.sent),
        "dropped_iterations": _counter(totals, totals.dropped),
        "data_sent": _counter(totals, totals.bytes_sent),
        "data_received": _counter(totals, totals.bytes_received),
    }
    return metrics


def _trend(stats: Stats) -> dict[str, Any]:
    values = ((name, getattr(stats, ours)) for name, ours in _FIGURES.items())
    return {name: value for name, value in values if value is not None}


def _counter(totals: Totals, count: int) -> dict[str, Any]:
    rate = totals.per_second(count)
    return {"count": count} if rate is None else {"count": count, "rate": rate}


def _rate(passes: int, fails: int) -> dict[str, Any]:
    """As k6 counts: `passes` are the samples that were true, whether true is good or bad."""
    share = {"value": passes / (passes + fails)} if passes + fails else {}
    return {"passes": passes, "fails": fails} | share


def _name(objective: Objective) -> str:
    name = K6_NAMES.get(objective.metric, objective.metric)
    tags = ",".join(f"{tag}:{value}" for tag, value in objective.tags)
    return f"{name}{{{tags}}}" if tags else name


def _tagged(result: RunResult, objective: Objective) -> dict[str, Any]:
    """The figures of a sub-metric with one tag; empty where the result has no such group."""
    if len(objective.tags) != 1:
        return {}
    tag, value = objective.tags[0]
    if tag == "status":
        stats = result.totals.by_status.get(value, {}).get(objective.metric)
        return {} if stats is None else _trend(stats)
    groups = {"event": result.by_event, "case": result.by_case, "phase": result.by_phase}.get(tag, {})
    if value not in groups:
        return {}
    return dict(_metrics(groups[value]).get(K6_NAMES.get(objective.metric, objective.metric), {}))


def _root(totals: Totals) -> dict[str, Any]:
    path = f"::{CHECK}"
    passes, fails = totals.succeeded, totals.sent - totals.succeeded
    check = {"name": CHECK, "path": path, "id": _id(path), "passes": passes, "fails": fails}
    return {"name": "", "path": "", "id": _id(""), "groups": {}, "checks": {CHECK: check}}


def _id(path: str) -> str:
    """k6's ids are MD5 of the path; they only name things."""
    return hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()
