"""Every format of a result."""

from __future__ import annotations

import io
import json

import msgspec
from junitparser import JUnitXml
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from loadsim.measure.result import RunResult
from loadsim.report.hlog import render_hlog
from loadsim.report.junit import render_junit
from loadsim.report.k6_summary import render_k6_summary
from loadsim.report.openmetrics import render_openmetrics
from tests.builders import run_result, totals


def families(result: RunResult) -> dict[str, Metric]:
    text = render_openmetrics(result)
    return {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]


def test_an_empty_run_is_written_everywhere() -> None:
    empty = totals(0, latency_ms={}, duration_s=None, rate_planned=None, rate_sent=None, rate_completed=None)
    result = run_result(totals=empty, series=[], by_event={}, by_case={}, by_phase={}, samples=[], shards=[])
    assert list(families(result))
    assert JUnitXml.fromstring(render_junit(result)).tests == 1
    assert json.loads(render_k6_summary(result))["metrics"]["http_reqs"] == {"count": 0}
    assert io.StringIO(render_hlog(result)).readlines()[-1].startswith('"StartTimestamp"')
    assert msgspec.json.decode(render_k6_summary(result))["root_group"]["name"] == ""
