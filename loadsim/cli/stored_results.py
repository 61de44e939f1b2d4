"""Finds and reads a stored result: a file, the directory that holds it, the id of a run, or the word latest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from loadsim.cli import completing
from loadsim.input_files import is_directory, read_bytes_file
from loadsim.measure.result import RESULT_FILE, RunResult, load_result

LATEST = "latest"
"""The word for the newest directory with the result of a run, in `reports/`; after a path, in that directory."""


class StoredResult(click.Path):
    """The argument of a command that takes a stored result. Its value is the path of a file or a directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """The path; of `latest`, and of the id of a run in `reports/`, the directory that it means. A file of that name
        comes first. Raises UsageError where there is no result yet."""
        path = Path(value)
        if path.parent != Path() and path.name != LATEST:
            return path
        from loadsim.studies.result_directories import REPORTS, latest_run

        if path.exists():
            return path
        if path.name != LATEST:
            kept = REPORTS / path
            return kept if is_directory(kept) else path
        return latest_run(REPORTS if path.parent == Path() else path.parent)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Result directories and the word latest, or files."""
        found = _newest_first()
        newest = [(LATEST, "the newest run")] if found else []
        return completing.beginning(incomplete, newest + found) or completing.files(incomplete)


STORED_RESULT = StoredResult()


def _newest_first() -> list[completing.Value]:
    from loadsim.model import LoadsimError
    from loadsim.studies.result_directories import REPORTS, result_directories

    try:
        return [(str(each.path), each.kind) for each in result_directories(REPORTS)]
    except LoadsimError:
        return []  # the command itself says why


def result_path(path: Path) -> Path:
    """The file itself, or the `result.json` of a directory."""
    return path / RESULT_FILE if is_directory(path) else path


def read_result(path: Path) -> RunResult:
    """The result of a run in a file or directory. Raises UsageError, in one line, where there is none."""
    path = result_path(path)
    return load_result(read_bytes_file(path), source=str(path))


def report_file(path: Path) -> Path:
    """The file with the result of a run or of a study: `path` itself, or the one in that directory."""
    from loadsim.studies.result_directories import result_file_in

    return path / (result_file_in(path) or RESULT_FILE) if is_directory(path) else path
