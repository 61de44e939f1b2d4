"""The result directories under `reports/`: found newest first, described in a list, deleted when there are too many.

When a directory was made is in the name that loadsim gives it (`run.run_ids`); of one with another name, the time of
its result file counts.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from loadsim.input_files import read_bytes_file
from loadsim.measure.result import RESULT_FILE, load_result
from loadsim.measure.stored_json import UNREADABLE
from loadsim.model import LoadsimError, UsageError, own_fault
from loadsim.report.trend import run_line
from loadsim.run.options import RunOptions
from loadsim.run.run_ids import GIVEN_ID
from loadsim.studies.stored import FILES, study_in

REPORTS = Path(RunOptions().out)
"""Where results are stored by default."""
_SCHEMAS = "loadsim."


class ResultDirectory(NamedTuple):
    """One directory with a result."""

    moment: str
    """When it was made, UTC: `20260504-091000`."""
    modified_ns: int
    """When its result file was written last: the order within one second."""
    path: Path
    file: str
    """Name of the result file in it."""

    @property
    def kind(self) -> str:
        """`run`, or the study: `capacity`, `ab`, `probe`, `verify`, `receiver`."""
        return "run" if self.file == RESULT_FILE else Path(self.file).stem


class StoredLine(msgspec.Struct, frozen=True, kw_only=True):
    """One result directory in a list. Latencies are response times of a run in ms; what is not known is null."""

    directory: str
    """Its path."""
    kind: str
    """`run`, `capacity`, `ab`, `probe`, `verify` or `receiver`."""
    made_at: str
    """UTC, `20260504-091000`."""
    name: str = ""
    outcome: str = ""
    """A run's `pass`, `fail`, `invalid` or `none`; of a study the first word of its report."""
    target: str | None = None
    """Redacted."""
    scale: float | None = None
    """Below 1: the run was shortened (`--scale`)."""
    sent: int | None = None
    rate: float | None = None
    """Completed events per second."""
    success_rate: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    """The greatest."""
    problem: str | None = None
    """Why the result cannot be read."""


class StoredList(msgspec.Struct, frozen=True, kw_only=True):
    """What `loadsim runs --json` prints, newest first."""

    schema: str = "loadsim.runs/1"
    results: list[StoredLine]
    """Newest first."""
    older: int
    """How many older ones are not in the list."""


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What `loadsim runs --prune KEEP --json` prints: paths."""

    schema: str = "loadsim.pruned/1"
    deleted: list[str]
    """Paths of directories."""
    kept: list[str]
    """Every other result directory."""


def result_directories(out: Path) -> list[ResultDirectory]:
    """The result directories in `out`, newest first. A symbolic link is none: it may lead anywhere. Raises UsageError
    where `out` cannot be read."""
    try:
        found = [made for path in out.iterdir() if (made := _directory(path)) is not None]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot read {out}: {(error.strerror or str(error)).lower()}") from None
    return sorted(found, reverse=True)


def result_file_in(directory: Path) -> str | None:
    """The name of the result file of a run or a study in a directory; None where there is none."""
    return next((name for name in (RESULT_FILE, *FILES) if (directory / name).is_file()), None)


def latest_run(out: Path = REPORTS) -> Path:
    """The newest directory with the result of a run. Raises UsageError where there is none."""
    for each in result_directories(out):
        if each.file == RESULT_FILE:
            return each.path
    raise UsageError(f"there is no result of a run in {out}/ yet")


def stored_list(found: Sequence[ResultDirectory], most: int) -> StoredList:
    """At most so many of the directories, described."""
    return StoredList(results=[_line(each) for each in found[:most]], older=max(0, len(found) - most))


def prune(found: Sequence[ResultDirectory], keep: int) -> Pruned:
    """Delete all but the newest `keep` of the directories that loadsim made. Raises LoadsimError.

    One that has another name than loadsim gives was kept on purpose: it is not counted and stays.
    """
    ours = [each for each in found if GIVEN_ID.fullmatch(each.path.name) and _is_ours(each)]
    old = ours[keep:]
    for each in old:
        try:
            shutil.rmtree(each.path)
        except OSError as error:
            raise LoadsimError(f"{each.path}: cannot be deleted: {(error.strerror or str(error)).lower()}") from None
    kept = [str(each.path) for each in found if each not in old]
    return Pruned(deleted=[str(each.path) for each in old], kept=kept)


def _directory(path: Path) -> ResultDirectory | None:
    try:
        if path.is_symlink() or not path.is_dir():
            return None
        file = result_file_in(path)
        if file is None:
            return None
        modified_ns = (path / file).stat().st_mtime_ns
    except OSError:
        return None  # no permission to look, or it was removed
    given = GIVEN_ID.fullmatch(path.name)
    moment = given[1] if given else f"{datetime.datetime.fromtimestamp(modified_ns / 1e9, datetime.UTC):%Y%m%d-%H%M%S}"
    return ResultDirectory(moment, modified_ns, path, file)


class _Envelope(msgspec.Struct):
    schema: str


def _is_ours(each: ResultDirectory) -> bool:
    """Whether the file is a result of ours and not another program's file of the same name."""
    try:
        data = read_bytes_file(each.path / each.file)
        return msgspec.json.decode(data, type=_Envelope).schema.startswith(_SCHEMAS)
    except (UsageError, *UNREADABLE):
        return False


def _line(each: ResultDirectory) -> StoredLine:
    line = StoredLine(directory=str(each.path), kind=each.kind, made_at=each.moment)
    path = each.path / each.file
    try:
        data = read_bytes_file(path)
        if each.file == RESULT_FILE:
            return _with_figures(line, data, str(path))
        study = study_in(data, str(path))
        if study is None:
            raise UsageError(f"{path}: not a result of loadsim")
        return msgspec.structs.replace(line, name=study.report.name, outcome=study.report.outcome.lower())
    except UsageError as error:
        return msgspec.structs.replace(line, problem=str(error))
    except Exception as error:  # noqa: BLE001 - an unexpected fault of one file must not hide the others
        return msgspec.structs.replace(line, problem=f"{path}: cannot be listed: {own_fault(error)}")


def _with_figures(line: StoredLine, data: bytes, source: str) -> StoredLine:
    run = run_line(load_result(data, source=source))
    return msgspec.structs.replace(
        line,
        name=run.name,
        outcome=run.outcome,
        target=run.target,
        scale=run.scale,
        sent=run.sent,
        rate=run.rate,
        success_rate=run.success_rate,
        p50_ms=run.p50,
        p99_ms=run.p99,
        max_ms=run.max,
    )
