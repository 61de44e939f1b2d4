"""`loadsim run` inside a step of GitHub Actions."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.cli.github import report_to_github
from loadsim.report.github import LARGEST_SUMMARY
from tests.report.results import closed, failed


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def test_outside_of_a_step_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    report_to_github(failed())
    assert capsys.readouterr() == ("", "")


def test_the_summary_is_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    report_to_github(failed())
    assert summary.read_text(encoding="utf-8").startswith("before\n# ❌ FAIL: steady")
    out, err = capsys.readouterr()
    assert out == "", "stdout is the report's, or JSON"
    assert err.startswith("::error title=loadsim FAIL%3A steady::2 of 4 objectives failed · ")


def test_a_full_summary_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary"
    summary.write_bytes(b"x" * LARGEST_SUMMARY)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    report_to_github(closed())
    assert summary.stat().st_size == LARGEST_SUMMARY
    assert "the step summary is full" in capsys.readouterr().err


def test_a_summary_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "such" / "file"))
    report_to_github(closed())
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "cannot be written: No such file or directory" in err
