"""OpenMetrics, read by Prometheus' own parser."""

from __future__ import annotations

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from loadsim.measure.result import RunResult
from loadsim.report.openmetrics import render_openmetrics
from tests.builders import run_info, run_result, totals
from tests.report.results import HOSTILE, failed


def families(result: RunResult) -> dict[str, Metric]:
    text = render_openmetrics(result)
    return {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]


def test_openmetrics_reads_in_prometheus() -> None:
    found = families(failed())
    latency = found["loadsim_latency_seconds"]
    assert latency.type == "summary"
    (p99,) = [
        sample.value
        for sample in latency.samples
        if sample.labels == {"metric": "response", "quantile": "0.99"} and sample.name == "loadsim_latency_seconds"
    ]
    expected = failed().totals.latency_ms["response"].p99
    assert expected is not None
    assert p99 == pytest.approx(expected / 1000)
    sent = [s.value for s in found["loadsim_events"].samples if s.labels == {"state": "sent"}]
    assert sent == [60_000]
    states = {s.labels["loadsim_verdict"]: s.value for s in found["loadsim_verdict"].samples}
    assert states == {"pass": 0, "fail": 1, "invalid": 0, "none": 0}


def test_openmetrics_keeps_hostile_labels_whole() -> None:
    result = run_result(run=run_info(name=HOSTILE), by_event={HOSTILE: totals(10)})
    (sample,) = families(result)["loadsim_run"].samples
    assert sample.labels["name"].startswith('a"b\\c\n<x> & {y="z"} \\x00\\x1b[2J')
