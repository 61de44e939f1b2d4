"""Saves the result of a study: a directory with the result, a page and a Markdown summary."""

from __future__ import annotations

import datetime
from pathlib import Path

from loadsim.launch.result_files import run_directory, write_whole
from loadsim.measure.stored_json import stored_json
from loadsim.report.blocks import Report
from loadsim.report.report_formats import report_files


def save_study(out: Path, study_id: str, filename: str, result: object, report: Report) -> Path:
    """Make a directory in `out` and write the result and its report into it. Raises LoadsimError."""
    directory = run_directory(out, study_id)
    write_whole(directory / filename, stored_json(result))
    for name, content in report_files(report).items():
        write_whole(directory / name, content)
    return directory


def utc_now() -> str:
    """The time as results store it: `2026-05-04T09:10:00Z`."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
