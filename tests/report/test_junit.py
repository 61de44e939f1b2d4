"""JUnit XML, read by a parser that is not ours."""

from __future__ import annotations

import re

import msgspec
import pytest
from junitparser import Error, Failure, JUnitXml

from loadsim.measure.result import RunResult
from loadsim.measure.result_verdict import ObjectiveRow, Validity, VerdictRow
from loadsim.report.junit import render_junit
from tests.builders import TYPES, run_info, run_result
from tests.report.results import HOSTILE, failed, invalid


def cases(result: RunResult) -> dict[str, list[object]]:
    suites = list(JUnitXml.fromstring(render_junit(result)))
    assert [suite.name for suite in suites] == ["loadsim objectives"]
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


def test_junit_skips_what_a_shortened_run_leaves_open() -> None:
    whole = failed()
    left_open = ObjectiveRow("p(99.9) < 1s", False, None, None, note="not judged (scaled): too few", scaled=True)
    verdict = msgspec.structs.replace(whole.verdict, objectives=[left_open])
    short = msgspec.structs.replace(whole.run, scale=0.1)
    xml = JUnitXml.fromstring(render_junit(msgspec.structs.replace(whole, run=short, verdict=verdict)))
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (2, 0, 0, 1)
    (suite,) = xml
    assert {each.name: each.value for each in suite.properties()}["scale"] == "0.1"  # type: ignore[no-untyped-call]


def test_junit_says_what_was_tested_and_what_was_observed_in_passes_too() -> None:
    tested = msgspec.structs.replace(failed(), run=msgspec.structs.replace(failed().run, tags={"branch": "main"}))
    (suite,) = JUnitXml.fromstring(render_junit(tested))
    said = {each.name: each.value for each in suite.properties()}  # type: ignore[no-untyped-call]
    assert said["run"] == tested.run.id
    assert said["target"] == tested.run.scenario["target"]["url"]
    assert said["tag branch"] == "main"
    assert said["limits"]
    passed = next(case for case in suite if case.name == "response - p(99) < 250ms")
    assert re.match(r"observed .+ ms.*, limit < 250 ms", passed.system_out)
    assert suite.time == pytest.approx(sum(case.time for case in suite)) == tested.totals.duration_s


def test_an_invalid_run_is_an_error_in_junit() -> None:
    found = cases(invalid())
    error = found["validity - the measurement can be trusted"][0]
    assert isinstance(error, Error)
    assert "290 of 300 events" in str(error.message)


def test_hostile_text_stays_text_in_junit() -> None:
    row = ObjectiveRow(HOSTILE, default=False, observed=1.0, passed=False, unit="ms")
    result = run_result(
        run=run_info(name=HOSTILE),
        validity=Validity(valid=False, reasons=[HOSTILE]),
        verdict=VerdictRow("invalid", [row]),
    )
    assert len(cases(result)) == 2
