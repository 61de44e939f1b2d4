"""`loadsim report` and `loadsim judge` on files as they are found on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from loadsim.cli.judge import command as judge_command
from loadsim.cli.report import command as report_command
from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult, dump_result, load_result
from loadsim.model import LoadsimError, UsageError
from loadsim.plan.scenario import ValidityRules
from loadsim.report.formats import FORMATS, run_files
from tests.builders import run_info, run_result, with_course, with_histograms


def stored_result() -> RunResult:
    result = with_histograms(run_result())
    texts = ["p(99) < 250ms", "success: rate > 98%"]
    return evaluate(result, objectives_of(texts, vocabulary_of(result)), ValidityRules())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "result.json").write_bytes(dump_result(stored_result()))
    return tmp_path


def report(*args: object) -> Result:
    return CliRunner().invoke(report_command, [str(arg) for arg in args])


def judge(*args: object) -> Result:
    return CliRunner().invoke(judge_command, [str(arg) for arg in args])


@pytest.mark.parametrize("form", list(FORMATS))
def test_every_format_of_a_directory_or_a_file(directory: Path, form: str) -> None:
    done = report(directory, "--format", form)
    assert done.exit_code == 0, done.output
    assert done.stdout_bytes == FORMATS[form].render(stored_result())
    output = directory / "out"
    written = report(directory / "result.json", "-f", form, "-o", output)
    assert (written.exit_code, written.stdout) == (0, "")
    assert output.read_bytes() == done.stdout_bytes


def test_the_default_is_text_without_escapes(directory: Path) -> None:
    done = report(directory)
    assert done.stdout.startswith(" PASS   steady")
    assert "\x1b" not in done.stdout


def test_what_a_run_writes_beside_its_result() -> None:
    assert sorted(run_files(stored_result())) == [
        "junit.xml",
        "percentiles.hgrm",
        "report.html",
        "series.csv",
        "summary.md",
    ]


@pytest.mark.parametrize("invoke", [report, judge])
@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot read"), (b"", "not a whole JSON"), (b'{"a": 1}', "not a loadsim result"), (b"\xff\xfe", "")],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, invoke: object, content: bytes | None, says: str) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_bytes(content)
    done = invoke(path)  # type: ignore[operator]
    assert isinstance(done.exception, LoadsimError)
    assert done.exception.exit_code == 2
    assert str(path) in str(done.exception)
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_place_that_cannot_be_written_is_one_clear_line(directory: Path) -> None:
    done = report(directory, "-o", directory / "no" / "such" / "file")
    assert isinstance(done.exception, LoadsimError)
    assert "cannot be written" in str(done.exception)


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


@pytest.mark.parametrize("form", [name for name, form in FORMATS.items() if name != "json"])
def test_a_broken_histogram_is_one_clear_line(tmp_path: Path, form: str) -> None:
    stored = with_course(run_result())
    blob = stored.histograms["response"]
    broken = {"response": [blob[:50], *stored.series_histograms["response"][1:]]}
    cut = msgspec.structs.replace(stored, histograms={"response": blob[:-20]}, series_histograms=broken)
    (tmp_path / "result.json").write_bytes(dump_result(cut))
    done = report(tmp_path, "-f", form)
    if done.exception is None:
        return  # a form that draws no histogram is whole
    assert isinstance(done.exception, UsageError), form
    assert str(tmp_path) in str(done.exception)
    assert "\n" not in str(done.exception)


def test_an_odd_scenario_is_drawn_all_the_same(tmp_path: Path) -> None:
    info = run_info(id="../../x\n\x1b[2J", name="\x1b]0;x\x07\u202e")
    odd = msgspec.structs.replace(info, scenario={"target": "none", "phases": ["a", 3], "name": 7})
    (tmp_path / "result.json").write_bytes(dump_result(with_course(run_result(run=odd))))
    for form in FORMATS:
        done = report(tmp_path, "-f", form)
        assert done.exit_code == 0, (form, done.exception)
        if form != "json":
            assert b"\x1b" not in done.stdout_bytes, form


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[: len(data) // 2], "cut short"),
        (lambda data: data.replace(b"loadsim.result/1", b"loadsim.result/2"), "newer loadsim"),
        (lambda data: data.replace(b"loadsim.result/1", b"somebody.else/1"), "not loadsim.result/1"),
    ],
)
def test_a_truncated_newer_or_foreign_result_is_named(
    directory: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    path = directory / "result.json"
    path.write_bytes(change(path.read_bytes()))
    done = report(directory, "-f", "html", "-o", directory / "report.html")
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)
    assert not (directory / "report.html").exists()
