"""A file that is no result, given to a command that reads one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.dashboard.result_store import ResultStore
from loadsim.measure.result import dump_result
from loadsim.model import LoadsimError
from tests.cli.running import Run, judge, report, stored_result


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


NEWER = "written by a newer loadsim (loadsim.result/3, this one reads loadsim.result/2); update loadsim to read it"


@pytest.mark.parametrize(
    "command",
    [
        ("report", "reports/new"),
        ("report", "reports/new/result.json", "-f", "junit"),
        ("judge", "reports/new"),
        ("compare", "reports/old", "reports/new"),
        ("compare", "reports/new", "reports/old"),
        ("reconcile", "reports/new", "events.csv", "--id", "id"),
    ],
    ids=" ".join,
)
def test_a_result_of_a_newer_version_is_one_line_wherever_it_is_named(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = dump_result(stored_result())
    for name, content in (("old", data), ("new", data.replace(b"loadsim.result/2", b"loadsim.result/3"))):
        Path("reports", name).mkdir(parents=True)
        Path("reports", name, "result.json").write_bytes(content)
    Path("events.csv").write_text("id\n", encoding="utf-8")
    run = Run(monkeypatch, capsys)
    assert run(*command) == (2, "", f"loadsim: reports/new/result.json: {NEWER}\n")
    listed = run("runs")
    assert (listed.code, listed.err) == (0, f"loadsim: reports/new/result.json: {NEWER}\n")
    assert "cannot be read" in listed.out
    problems = {each.directory: each.problem for each in ResultStore(Path("reports")).newest_first()[0]}
    assert problems == {"old": "", "new": f"reports/new/result.json: {NEWER}"}
