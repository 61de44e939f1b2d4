"""`loadsim runs`: what is stored, newest first; the word latest; and that only our own directories are deleted."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from loadsim.launch.result_files import slug
from loadsim.measure.result import dump_result
from loadsim.measure.stored_json import stored_json
from loadsim.run.run_ids import GIVEN_ID, new_id
from loadsim.studies.result_directories import (
    Pruned,
    StoredList,
    latest_run,
    prune,
    result_directories,
)
from tests.cli.running import Run, stored_result
from tests.report.results import searched

OLD, MIDDLE, NEW, STUDY = (
    "20260504-091000-steady-3f2a",
    "20260504-091000-steady-00aa-2",
    "20260505-091000-smoke-77d0",
    "20260506-101500-capacity-steady-91bc",
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(monkeypatch, capsys)


def store(name: str, file: str = "result.json", content: bytes | None = None, *, modified: int = 1) -> Path:
    """A result directory under `reports/`, written at this second."""
    directory = Path("reports", name)
    directory.mkdir(parents=True)
    path = directory / file
    path.write_bytes(dump_result(stored_result()) if content is None else content)
    os.utime(path, (modified, modified))
    return directory


@pytest.fixture
def stored(run: Run) -> Run:
    for number, name in enumerate((NEW, OLD, MIDDLE)):
        store(name, modified=number + 1)
    store(STUDY, "capacity.json", stored_json(searched()))
    store("20990101-000000-running-aaaa", "shard-0.log", b"")  # a run that has not ended
    Path("reports", "benchmarks").mkdir()
    Path("reports", "link").symlink_to(OLD)
    return run


def test_results_are_listed_newest_first(stored: Run) -> None:
    done = stored("runs")
    assert done.code == 0
    listed = [line.split()[0] for line in done.out.splitlines()]
    assert listed == ["Directory", *(f"reports/{name}" for name in (STUDY, NEW, MIDDLE, OLD))]
    assert "PASS" in done.out.splitlines()[2]
    assert "capacity" in done.out.splitlines()[1]


def test_the_list_as_json_has_the_documented_form(stored: Run) -> None:
    listed = msgspec.json.decode(stored("runs", "--json").out, type=StoredList)
    assert listed.schema == "loadsim.runs/1"
    study, newest, *_ = listed.results
    assert (study.kind, study.sent, study.problem) == ("capacity", None, None)
    assert study.outcome
    totals = stored_result().totals
    assert (newest.kind, newest.directory, newest.outcome) == ("run", f"reports/{NEW}", "pass")
    assert (newest.sent, newest.p99_ms) == (totals.sent, totals.latency_ms["response"].p99)
    assert newest.made_at == "20260505-091000"


def test_a_long_list_is_cut_and_says_so(stored: Run) -> None:
    done = stored("runs", "-n", "1")
    assert [line.split()[0] for line in done.out.splitlines()] == ["Directory", f"reports/{STUDY}"]
    assert done.err == "and 3 older results: -n 4 lists all\n"
    assert msgspec.json.decode(stored("runs", "-n", "1", "--json").out, type=StoredList).older == 3


def test_a_damaged_result_hides_no_other(stored: Run) -> None:
    store("20260507-091000-cut-abcd", content=b'{"schema": "loads')
    done = stored("runs")
    assert "cannot be read" in done.out.splitlines()[1]
    assert len(done.out.splitlines()) == 6
    assert "20260507-091000-cut-abcd/result.json: not a whole JSON file" in done.err


def test_last_is_the_path_of_the_newest_run_alone(stored: Run) -> None:
    assert stored("runs", "--last") == (0, f"reports/{NEW}\n", "")


def test_without_a_result_last_fails_and_the_list_is_empty(run: Run) -> None:
    assert run("runs", "--last") == (2, "", "loadsim: there is no result of a run in reports/ yet\n")
    assert run("runs") == (0, "", "loadsim: there is no result in reports/ yet\n")
    assert msgspec.json.decode(run("runs", "--json").out, type=StoredList).results == []


@pytest.mark.parametrize("more", [["--json"], ["--prune", "1"]])
def test_last_stands_alone(stored: Run, more: list[str]) -> None:
    assert stored("runs", "--last", *more).code == 2
    assert Path("reports", OLD).exists()


@pytest.mark.parametrize("arguments", [["report", "latest"], ["judge", "latest"], ["compare", "latest", "latest"]])
def test_latest_names_the_newest_run(stored: Run, arguments: list[str]) -> None:
    Path("reports", OLD, "result.json").write_bytes(b"{}")  # and no other is read
    by_path = [f"reports/{NEW}" if word == "latest" else word for word in arguments]
    assert stored(*arguments) == stored(*by_path)
    assert stored(*arguments).code == 0


def test_latest_of_another_directory(stored: Run) -> None:
    Path("reports").rename("elsewhere")
    assert stored("judge", "latest").code == 2
    assert stored("judge", "elsewhere/latest").code == 0


def test_a_file_called_latest_keeps_its_name(run: Run) -> None:
    store(OLD, content=b"{}")
    Path("latest").write_bytes(dump_result(stored_result()))
    assert run("judge", "latest").code == 0


def test_latest_before_the_first_run_is_one_line(run: Run) -> None:
    assert run("report", "latest") == (2, "", "loadsim: there is no result of a run in reports/ yet\n")


def test_prune_keeps_the_newest_and_says_what_it_deleted(stored: Run) -> None:
    done = stored("runs", "--prune", "2")
    assert done.code == 0
    assert done.out.splitlines() == [f"deleted reports/{MIDDLE}", f"deleted reports/{OLD}"]
    assert done.err == "2 results deleted, 2 results kept in reports/\n"
    left = {path.name for path in Path("reports").iterdir()}
    assert left == {NEW, STUDY, "20990101-000000-running-aaaa", "benchmarks", "link"}


def test_prune_deletes_only_what_loadsim_made(stored: Run) -> None:
    store("baseline")  # renamed, so it was kept on purpose
    store("20260101-000000-other-beef", content=b'{"schema": "another/1"}')
    store("20260101-000000-other-cafe", content=b"no JSON")
    done = msgspec.json.decode(stored("runs", "--prune", "0", "--json").out, type=Pruned)
    assert done.deleted == [f"reports/{name}" for name in (STUDY, NEW, MIDDLE, OLD)]
    assert {Path(path).name for path in done.kept} == {
        "baseline",
        "20260101-000000-other-beef",
        "20260101-000000-other-cafe",
    }
    assert all(Path(path).is_dir() for path in done.kept)


def test_prune_follows_no_link(stored: Run, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    Path("reports", OLD, "out").symlink_to(outside)
    assert stored("runs", "--prune", "0").code == 0
    assert (outside / "kept").exists()


def test_what_cannot_be_deleted_is_one_line(stored: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("loadsim.studies.result_directories.shutil.rmtree", refuse)
    done = stored("runs", "--prune", "3")
    assert (done.code, done.err) == (1, f"loadsim: reports/{OLD}: cannot be deleted: permission denied\n")


def test_a_renamed_directory_has_the_time_of_its_file(run: Run) -> None:
    store(OLD)
    store("baseline", modified=4_000_000_000)
    assert latest_run() == Path("reports/baseline")
    assert result_directories(Path("reports"))[0].moment == "20961002-070640"


@pytest.mark.parametrize("name", ["steady", "a b/c", "ünï", "x" * 60, "-"])
def test_the_names_that_we_give_are_known_again(name: str) -> None:
    assert GIVEN_ID.fullmatch(new_id(name)), slug(name)
    assert GIVEN_ID.fullmatch(f"{new_id(name)}-2")


def test_nothing_to_prune(run: Run) -> None:
    assert prune([], 3) == Pruned(deleted=[], kept=[])
