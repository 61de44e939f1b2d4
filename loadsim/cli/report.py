"""`loadsim report`: a stored result, written again in any form."""

from __future__ import annotations

from pathlib import Path

import click

from loadsim.cli.stored import read_result
from loadsim.cli.terminal import print_report
from loadsim.launch.store import write_whole
from loadsim.report.formats import FORMATS


@click.command(name="report")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "-f", "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="Form to write."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write; without it, standard output.")
def command(result: Path, form: str, output: Path | None) -> None:
    """Write a stored result again, as text, Markdown, percentiles, CSV or JSON.

    RESULT is a result.json, or the directory that holds it.

    \b
    Examples:
      loadsim report reports/20260504-091000-steady-3f2a
      loadsim report reports/20260504-091000-steady-3f2a --format md >> "$GITHUB_STEP_SUMMARY"
      loadsim report result.json --format hgrm --output steady.hgrm
    """
    stored = read_result(result)
    if form == "text" and output is None:
        print_report(stored)
        return
    data = FORMATS[form].render(stored)
    if output is None:
        click.echo(data, nl=False)
    else:
        write_whole(output, data)
        click.echo(f"wrote {output}", err=True)
