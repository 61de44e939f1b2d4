"""Runs the command line in this process; and single commands of it, on a stored result."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from loadsim.cli.judge import command as judge_command
from loadsim.cli.main import main
from loadsim.cli.report import command as report_command
from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.plan.scenario import ValidityRules
from tests.builders import run_result, with_histograms


class Ran(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


class Run:
    """`run("events", "--seed", "1")`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["loadsim", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, out, err)


def report(*arguments: object) -> Result:
    """`loadsim report`."""
    return CliRunner().invoke(report_command, [str(argument) for argument in arguments])


def judge(*arguments: object) -> Result:
    """`loadsim judge`."""
    return CliRunner().invoke(judge_command, [str(argument) for argument in arguments])


def stored_result() -> RunResult:
    """One that met its objectives."""
    result = with_histograms(run_result())
    objectives = objectives_of(["p(99) < 250ms", "success: rate > 98%"], vocabulary_of(result))
    return evaluate(result, objectives, ValidityRules())
