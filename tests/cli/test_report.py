"""`loadsim report` on files as they are found on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from loadsim.measure.result import dump_result
from loadsim.model import LoadsimError, UsageError
from loadsim.report.formats import FORMATS, run_files
from tests.builders import run_info, run_result, with_course
from tests.cli.running import report, stored_result


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "result.json").write_bytes(dump_result(stored_result()))
    return tmp_path


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


def test_a_place_that_cannot_be_written_is_one_clear_line(directory: Path) -> None:
    done = report(directory, "-o", directory / "no" / "such" / "file")
    assert isinstance(done.exception, LoadsimError)
    assert "cannot be written" in str(done.exception)


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
        (lambda data: data.replace(b"loadsim.result/2", b"loadsim.result/3"), "newer loadsim"),
        (lambda data: data.replace(b"loadsim.result/2", b"somebody.else/1"), "not loadsim.result/2"),
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
