"""What most answers of a run say is wrong, in words that help."""

from __future__ import annotations

import pytest

from loadsim.report.diagnosis import diagnosis, diagnosis_of
from loadsim.report.summary import escape, render_summary
from loadsim.report.text import render_text
from tests.builders import refused, run_info, run_result, totals


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"401": 50, "200": 50}, ["TRACKPILOTS_WEBHOOKS_SECRET_KEY does not match"]),
        ({"401": 49, "200": 51}, []),
        ({"400": 60, "200": 40}, ["does not read both headers (x-webhook-signature and x-webhook-timestamp"]),
        ({"401": 20, "400": 30, "200": 50}, ["both headers", "does not match"]),
        ({}, []),
    ],
)
def test_diagnosis_from_half_of_the_answers_on(status: dict[str, int], says: list[str]) -> None:
    result = run_result(totals=totals(100, status=status, completed=sum(status.values())))
    lines = diagnosis(result)
    assert len(lines) == len(says)
    assert all(word in line for word, line in zip(says, lines, strict=True))
    for line in lines:
        assert line in flat(render_text(result))
        assert escape(line) in render_summary(result)


def test_diagnosis_names_the_receivers_variable_and_ours() -> None:
    info = run_info()
    info.scenario["target"]["secret_env"] = "STAGING_SECRET"
    result = run_result(run=info, totals=refused(100))
    (line,) = diagnosis(result)
    assert "the receiver's TRACKPILOTS_WEBHOOKS_SECRET_KEY does not match" in line
    assert "signs with, in STAGING_SECRET)" in line
    assert "TRACKPILOTS" not in (diagnosis_of(401, scheme="other") or "")
    assert diagnosis_of(500) is None
