"""k6's summary, with what GitLab reads of it."""

from __future__ import annotations

import json

import pytest

from loadsim.measure.result_events import Stats
from loadsim.report.k6_summary import render_k6_summary
from tests.builders import TYPES, run_result, totals
from tests.report.results import failed


def test_gitlab_finds_its_three_figures() -> None:
    metrics = json.loads(render_k6_summary(failed()))["metrics"]
    totals_ = failed().totals
    # What the merge request widget reads: rate, the two percentiles, and the share of checks.
    assert metrics["http_reqs"]["rate"] == totals_.sent / 30
    assert metrics["http_req_waiting"]["p(90)"] == totals_.latency_ms["first_byte"].p90
    assert metrics["http_req_waiting"]["p(95)"] == totals_.latency_ms["first_byte"].p95
    checks = metrics["checks"]
    assert (checks["passes"], checks["fails"]) == (totals_.succeeded, totals_.sent - totals_.succeeded)


def test_k6_thresholds_are_true_when_crossed() -> None:
    metrics = json.loads(render_k6_summary(failed()))["metrics"]
    assert metrics["response"]["thresholds"] == {"p(99) < 250ms": False}
    assert metrics["http_req_duration"]["thresholds"] == {"http_req_duration: p(95)<4": True}
    assert metrics["http_req_duration"]["p(95)"] == failed().totals.latency_ms["service"].p95
    tagged = metrics[f"response{{event:{TYPES[1]}}}"]
    assert tagged["p(99.9)"] == failed().by_event[TYPES[1]].latency_ms["response"].p99_9
    failed_rate = metrics["http_req_failed"]
    assert failed_rate["value"] == pytest.approx(failed_rate["passes"] / 60_000)


def test_k6_leaves_out_what_is_not_known() -> None:
    few = totals(20, latency_ms={"service": Stats(count=20, min=1, mean=2, max=3, p50=2)}, duration_s=None)
    metrics = json.loads(render_k6_summary(run_result(totals=few)))["metrics"]
    assert metrics["http_req_duration"] == {"avg": 2.0, "min": 1.0, "med": 2.0, "max": 3.0}
    assert "rate" not in metrics["http_reqs"]
    assert "http_req_waiting" not in metrics
