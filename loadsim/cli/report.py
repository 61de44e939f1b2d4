"""`loadsim report`: a stored result, written again in any form."""

from __future__ import annotations

from pathlib import Path

import click

from loadsim.cli.output import write_document, write_line
from loadsim.cli.stored import read_result
from loadsim.cli.terminal import print_report
from loadsim.launch.store import write_whole
from loadsim.model import UsageError
from loadsim.report.formats import FORMATS
from loadsim.report.run_report import run_report


@click.command(name="report")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "-f", "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="Form to write."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write; without it, standard output.")
def command(result: Path, form: str, output: Path | None) -> None:
    """Write a stored result again, for people (text, html, md) or for programs.

    html is one self-contained page; hgrm and hlog are HdrHistogram's files, k6 is the summary that GitLab's load
    performance widget reads, junit the verdict as test cases, openmetrics the figures for Prometheus, csv the series.

    RESULT is a result.json, or the directory that holds it.

    \b
    Examples:
      loadsim report reports/20260504-091000-steady-3f2a
      loadsim report reports/20260504-091000-steady-3f2a --format md >> "$GITHUB_STEP_SUMMARY"
      loadsim report result.json --format html --output steady.html
      loadsim report result.json --format k6 --output load-performance.json
    """
    stored = read_result(result)
    try:
        if form == "text" and output is None:
            print_report(run_report(stored))
            return
        data = FORMATS[form].render(stored)
    except ValueError as error:
        raise UsageError(f"{result}: the result cannot be drawn as {form}: {error}") from None
    if output is None:
        write_document(data, form)
    else:
        write_whole(output, data)
        write_line(f"wrote {output}")
