"""The files that other programs read, read by readers that are not ours."""

from __future__ import annotations

import io
import json
from pathlib import Path

import msgspec
import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from hdrh.log import HistogramLogReader  # type: ignore[import-untyped]
from junitparser import Error, Failure, JUnitXml
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from loadsim.measure.result import ObjectiveRow, RunResult, Stats, Validity, VerdictRow
from loadsim.report.hlog import render_hlog
from loadsim.report.junit import render_junit
from loadsim.report.k6_summary import render_k6_summary
from loadsim.report.openmetrics import render_openmetrics
from tests.builders import TYPES, run_info, run_result, totals, with_course
from tests.report.results import failed, invalid

HOSTILE = 'a"b\\c\n<x> & {y="z"} \x00\x1b[2J ]]> \ud800'


def intervals(result: RunResult, path: Path) -> list[HdrHistogram]:
    path.write_text(render_hlog(result), encoding="utf-8")
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000, 3))
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.append(histogram)
    reader.close()
    return found


def test_a_histogram_log_adds_up_to_the_run(tmp_path: Path) -> None:
    result = with_course(run_result())
    found = intervals(result, tmp_path / "a.hlog")
    assert {histogram.get_tag() for histogram in found} == {"response", "service"}
    response = [histogram for histogram in found if histogram.get_tag() == "response"]
    assert len(response) == 39, "the empty slice has no line"
    assert sum(histogram.get_total_count() for histogram in response) == result.totals.sent
    whole = HdrHistogram(1, 3_600_000_000, 3)
    for histogram in response:
        whole.add(histogram)
    assert whole.get_value_at_percentile(99) == HdrHistogram.decode(
        result.histograms["response"]
    ).get_value_at_percentile(99)
    # 2026-05-04T09:10:00Z, and the series begins one second into the run
    assert response[0].get_start_time_stamp() == 1777885801_000
    assert response[0].get_end_time_stamp() == 1777885801_250


def test_the_greatest_value_of_an_interval_is_in_ms(tmp_path: Path) -> None:
    result = with_course(run_result())
    histograms = intervals(result, tmp_path / "a.hlog")
    lines = [line.split(",") for line in render_hlog(result).splitlines() if line.startswith("Tag=")]
    assert len(lines) == len(histograms)
    for (_, _, _, greatest, _), histogram in zip(lines, histograms, strict=True):
        top = histogram.get_highest_equivalent_value(histogram.get_max_value())
        assert float(greatest) == pytest.approx(top / 1000, abs=0.0006)


def test_a_run_id_cannot_end_a_line_of_the_log(tmp_path: Path) -> None:
    result = with_course(run_result(run=run_info(id="x\nTag=evil,0,1,1,HISTF")))
    assert len(intervals(result, tmp_path / "a.hlog")) == 78


def cases(result: RunResult) -> dict[str, list[object]]:
    suites = list(JUnitXml.fromstring(render_junit(result)))
    assert [suite.name for suite in suites] == ["loadsim thresholds"]
    return {case.name: list(case.result) for case in suites[0]}


def test_junit_has_a_case_for_every_objective() -> None:
    found = cases(failed())
    assert list(found) == [
        "validity - the measurement can be trusted",
        "response - p(99) < 250ms",
        "http_req_duration - p(95)<4",
        f"response{{event:{TYPES[1]}}} - p(99.9) < 100ms",
        "success - rate >= 99%",
    ]
    bad = {name: results for name, results in found.items() if results}
    assert all(isinstance(results[0], Failure) for results in bad.values())
    xml = JUnitXml.fromstring(render_junit(failed()))
    assert (xml.tests, xml.failures, xml.errors) == (5, len(bad), 0)
    assert "must be < 4.00 ms" in str(found["http_req_duration - p(95)<4"][0].message)  # type: ignore[attr-defined]


def test_an_invalid_run_is_an_error_in_junit() -> None:
    found = cases(invalid())
    error = found["validity - the measurement can be trusted"][0]
    assert isinstance(error, Error)
    assert "lag p99 14.2 ms" in str(error.message)


def test_hostile_text_stays_text_in_junit() -> None:
    row = ObjectiveRow(HOSTILE, default=False, observed=1.0, passed=False, unit="ms")
    result = run_result(
        run=run_info(name=HOSTILE),
        validity=Validity(valid=False, reasons=[HOSTILE]),
        verdict=VerdictRow("invalid", [row]),
    )
    assert len(cases(result)) == 2


def test_gitlab_finds_its_three_figures() -> None:
    metrics = json.loads(render_k6_summary(failed()))["metrics"]
    totals_ = failed().totals
    # What the merge request widget reads: rate, the two percentiles, and the share of checks.
    assert metrics["http_reqs"]["rate"] == pytest.approx(totals_.completed / 30)
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


def test_an_empty_run_is_written_everywhere() -> None:
    empty = totals(0, latency_ms={}, duration_s=None, rate_planned=None, rate_sent=None, rate_completed=None)
    result = run_result(totals=empty, series=[], by_event={}, by_case={}, by_phase={}, samples=[], shards=[])
    assert list(families(result))
    assert JUnitXml.fromstring(render_junit(result)).tests == 1
    assert json.loads(render_k6_summary(result))["metrics"]["http_reqs"] == {"count": 0}
    assert io.StringIO(render_hlog(result)).readlines()[-1].startswith('"StartTimestamp"')
    assert msgspec.json.decode(render_k6_summary(result))["root_group"]["name"] == ""
