"""`loadsim judge` on files as they are found on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import dump_result, load_result
from loadsim.model import LoadsimError
from loadsim.plan.scenario import ValidityRules
from tests.builders import refused, run_result
from tests.cli.running import judge, stored_result


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "result.json").write_bytes(dump_result(stored_result()))
    return tmp_path


def test_judge_takes_the_runs_own_objectives(directory: Path) -> None:
    before = (directory / "result.json").read_bytes()
    done = judge(directory)
    assert done.exit_code == 0
    assert "p(99) < 250ms" in done.stdout
    assert "Latency" not in done.stdout
    assert (directory / "result.json").read_bytes() == before


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["p(99) < 1ms", "success: rate > 50%"], 99),
        (["p(99.93) < 1s", "success: rate > 50%"], 0),
        (["p(99) < 250ms"], 99),
        (["service: p(99.999) < 1s"], 3),
    ],
)
def test_judge_exits_by_the_verdict(directory: Path, texts: list[str], code: int) -> None:
    done = judge(directory, *(arg for text in texts for arg in ("--objective", text)))
    assert done.exit_code == code, done.output


def test_judge_refuses_what_the_result_does_not_hold(directory: Path) -> None:
    done = judge(directory, "--objective", "response{phase:warm-up}: p(99) < 1s")
    assert isinstance(done.exception, LoadsimError)
    assert done.exception.exit_code == 2
    assert "not recorded" in str(done.exception)


def test_write_replaces_the_file_whole(directory: Path) -> None:
    path = directory / "result.json"
    done = judge(directory, "--objective", "p(99) < 1ms", "--write")
    assert done.exit_code == 99
    again = load_result(path.read_bytes(), source=str(path))
    assert again.verdict.outcome == "fail"
    assert [row.text for row in again.verdict.objectives] == ["p(99) < 1ms", "success: rate >= 99%"]
    assert [file.name for file in directory.iterdir()] == ["result.json"]
    assert json.loads(path.read_bytes())["schema"] == again.schema


def test_a_result_that_nobody_judged_takes_the_objectives_of_its_scenario(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(dump_result(run_result()))
    done = judge(tmp_path)
    assert done.exit_code == 99
    assert "p(99) < 250ms" in done.stdout
    assert "success: rate >= 99%  default" in done.stdout


def test_a_written_default_stays_a_default(directory: Path) -> None:
    judge(directory, "--objective", "p(99) < 1ms", "--write")
    assert "default" in judge(directory).stdout


def test_the_reading_of_the_run_is_kept_and_followed(tmp_path: Path) -> None:
    """p99 is 44 ms with an interval from 40.9: beyond 43 ms by the figure, not by the whole interval."""
    result = run_result()
    objectives = objectives_of(["p(99) < 43ms", "success: rate > 98%"], vocabulary_of(result))
    for reading, code in (("point", 99), ("confident", 0)):
        stored = evaluate(result, objectives, ValidityRules(), gate=reading)  # type: ignore[arg-type]
        (tmp_path / "result.json").write_bytes(dump_result(stored))
        assert judge(tmp_path).exit_code == code
        assert judge(tmp_path, "--gate", "point").exit_code == 99, "unless told otherwise"
        assert judge(tmp_path, "--gate", "confident", "--write").exit_code == 0
        assert judge(tmp_path).exit_code == 0


def test_a_run_without_default_objectives_is_judged_without_them(tmp_path: Path) -> None:
    result = run_result(totals=refused(code="500"))
    objectives = objectives_of(["p(99) < 10s"], vocabulary_of(result), defaults=False)
    stored = evaluate(result, objectives, ValidityRules(), defaults=False)
    (tmp_path / "result.json").write_bytes(dump_result(stored))
    assert judge(tmp_path).exit_code == 0
    assert judge(tmp_path, "--default-objectives").exit_code == 99
    assert judge(tmp_path, "--no-default-objectives", "--objective", "p(99) < 10s").exit_code == 0
