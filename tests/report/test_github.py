"""What GitHub Actions is told: a summary of bounded size, at most ten annotations, every text escaped."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.result_events import SampleRow
from loadsim.measure.result_verdict import ObjectiveRow, Validity, VerdictRow
from loadsim.report.github import LARGEST_SUMMARY, MOST_ANNOTATIONS, step_summary, workflow_commands
from tests.builders import run_info, run_result, totals
from tests.conftest import slow_but
from tests.report.rendering import render_summary
from tests.report.results import closed, failed, invalid

COMMAND = re.compile(r"::(?P<name>[a-z]+) (?P<key>[a-z]+)=(?P<value>[^,:]*)::(?P<message>.*)")
"""As the runner reads a line: a command, properties parted by commas and ended by two colons, a message."""


def parsed(line: str) -> tuple[str, str]:
    found = COMMAND.fullmatch(line)
    assert found is not None, line
    assert found["name"] in ("error", "warning")
    assert found["key"] == "title"
    return unquote(found["value"]), unquote(found["message"])


def test_a_run_that_passed_annotates_nothing() -> None:
    assert workflow_commands(closed()) == []


def test_the_first_annotation_is_the_total() -> None:
    lines = [parsed(line) for line in workflow_commands(failed())]
    title, said = lines[0]
    assert title == "loadsim FAIL: steady"
    assert said.startswith("2 of 4 objectives failed · http://127.0.0.1:8080/webhooks · started ")
    assert [title for title, _ in lines[1:]] == ["loadsim objective failed"] * 2
    assert lines[1][1].startswith("http_req_duration: p(95)<4: observed 12.7 ms (95 % ")


def test_an_invalid_run_says_why() -> None:
    lines = [parsed(line) for line in workflow_commands(invalid())]
    assert lines[0][0] == "loadsim INVALID: steady"
    assert lines[1][0] == "loadsim invalid"
    assert lines[1][1].startswith("the load was not offered as planned: 290 of 300 events")


def test_never_more_than_ten() -> None:
    rows = [ObjectiveRow(f"p({n}) < 1ms", default=False, observed=2.0, passed=False, unit="ms") for n in range(50, 90)]
    result = run_result(verdict=VerdictRow("fail", rows))
    lines = [parsed(line) for line in workflow_commands(result)]
    assert len(lines) == MOST_ANNOTATIONS
    assert lines[-1] == ("loadsim and more", "32 further findings in the report")


@given(st.text())
def test_no_text_becomes_a_command(text: str) -> None:
    result = run_result(
        run=run_info(name=text), validity=Validity(valid=False, reasons=[text]), verdict=VerdictRow("invalid", [])
    )
    lines = workflow_commands(result)
    assert len(lines) == 2
    for line in lines:
        assert "\n" not in line
        assert "\r" not in line
        parsed(line)


def test_a_summary_that_fits_is_whole() -> None:
    assert step_summary(failed()) == render_summary(failed()).encode()


@pytest.mark.parametrize("room", slow_but([50_000, 700, -5], [LARGEST_SUMMARY, 50_000, 700, 100, 1, 0, -5]))
def test_a_summary_is_cut_between_blocks(room: int) -> None:
    many = {f"type-{n}-{'x' * 4000}": totals(100) for n in range(300)}
    rows = [SampleRow("503", n, "t", 0.0, [], f"{n}", "") for n in range(100)]
    result = msgspec.structs.replace(failed(), by_event=many, samples=rows)
    assert len(render_summary(result)) > LARGEST_SUMMARY
    data = step_summary(result, room)
    assert len(data) < max(room, 1)
    if room >= 700:
        text = data.decode()
        assert text.startswith("# ❌ FAIL: steady")
        assert "… cut" in text
        assert render_summary(result).startswith(text.split("\n\n… cut")[0] + "\n\n")
