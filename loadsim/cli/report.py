"""`loadsim report`: writes a stored result again, in any format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from loadsim.cli.output import write_document
from loadsim.cli.stored_results import STORED_RESULT, report_file
from loadsim.cli.streams import write_line
from loadsim.cli.terminal import print_report
from loadsim.input_files import read_bytes_file
from loadsim.launch.result_files import write_whole
from loadsim.measure.result import load_result
from loadsim.measure.stored_json import stored_json
from loadsim.model import UsageError
from loadsim.report.blocks import Report
from loadsim.report.report_formats import FORMATS, REPORT_FORMATS
from loadsim.report.run_report import run_report
from loadsim.studies.stored import study_in


@click.command(name="report")
@click.argument("result", type=STORED_RESULT)
@click.option(
    "-f", "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="Output format."
)
@click.option("--json", "form", flag_value="json", help="As -f json: the JSON document of the command that made it.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write (default: standard output).")
def command(result: Path, form: str, output: Path | None) -> None:
    """Write a stored result again, for people (text, html, md) or for programs.

    html is one self-contained page; hgrm and hlog are HdrHistogram's files, k6 is the summary that GitLab's load
    performance widget reads, junit the verdict as test cases, openmetrics the figures for Prometheus, csv the series.

    RESULT is a result directory, or the file in it: of a run (result.json), or of capacity, ab, probe, bench verify or
    bench receiver. The latter have the formats text, html, md and json. The word latest is the newest run under
    reports/.

    \b
    Examples:
      loadsim report latest
      loadsim report reports/20260504-101500-capacity-steady-91bc --format html -o capacity.html
      loadsim report reports/20260504-091000-steady-3f2a --format md >> "$GITHUB_STEP_SUMMARY"
      loadsim report result.json --format html --output steady.html
      loadsim report result.json --format k6 --output load-performance.json
    """
    path = report_file(result)
    document = _document(read_bytes_file(path), str(path), form)
    try:
        if form == "text" and output is None:
            print_report(document.report())
            return
        content = document.content()
    except ValueError as error:
        raise UsageError(f"{path}: cannot be written as {form}: {error}") from None
    if output is None:
        write_document(content, form)
    else:
        write_whole(output, content)
        write_line(f"Saved to {output}")


class _Document(NamedTuple):
    """A stored result in one format: its report, and its content as bytes."""

    report: Callable[[], Report]
    content: Callable[[], bytes]


def _document(data: bytes, source: str, form: str) -> _Document:
    """Raises UsageError where the data is no stored result, or of a kind that does not have the format."""
    study = study_in(data, source)
    if study is None:
        stored = load_result(data, source=source)
        return _Document(partial(run_report, stored), partial(FORMATS[form].render, stored))
    if form == "json":
        return _Document(lambda: study.report, lambda: stored_json(study.document))
    if form not in REPORT_FORMATS:
        known = ", ".join((*REPORT_FORMATS, "json"))
        raise UsageError(f"{source}: has the formats {known}; {form} is for the result of a run")
    return _Document(lambda: study.report, partial(REPORT_FORMATS[form], study.report))
