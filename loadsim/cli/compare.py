"""`loadsim compare`: compares two stored results, percentile by percentile."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from loadsim.cli.output import report_of, write_document
from loadsim.cli.stored_results import STORED_RESULT, read_result
from loadsim.cli.streams import write_line
from loadsim.exit_codes import COMPARED, exit_codes
from loadsim.judge.compare import CompareResult, compare_gates, compare_results
from loadsim.launch.result_files import write_whole
from loadsim.model import UsageError


@click.command(
    name="compare",
    epilog=exit_codes(
        ok="compared",
        invalid="a gate of --fail cannot be judged",
        failed="NEW is higher than --fail allows",
    ),
)
@click.argument("base", type=STORED_RESULT)
@click.argument("new", type=STORED_RESULT)
@click.option(
    "--fail",
    "gates",
    multiple=True,
    metavar="p99:10%",
    help="Fail when this percentile of NEW is higher by at least this much, and its interval above 1. Repeatable.",
)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "md", "html", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option("--json", "form", flag_value="json", help="As -f json: one JSON document (loadsim.compare/1).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write (default: standard output).")
@click.pass_context
def command(ctx: click.Context, base: Path, new: Path, gates: tuple[str, ...], form: str, output: Path | None) -> None:
    """Compare two stored results: their ratio by percentile, with intervals.

    BASE and NEW are result.json files, the directories that hold them, or latest, the newest run under reports/. One
    run of each cannot separate a change from the noise between runs, and the report says so; loadsim ab can. --fail
    sets a gate all the same; it fails too when significantly fewer events of NEW succeed, since events that fail fast
    improve any latency.

    \b
    Examples:
      loadsim compare reports/20260504-091000-steady-3f2a latest
      loadsim compare base.json new.json --format html --output overlay.html
      loadsim compare base.json new.json --fail p99:10% --fail p50:5%
    """
    wanted = compare_gates(gates)
    results = read_result(base), read_result(new)
    try:
        compared = compare_results(*results, wanted)
        data = _rendered(compared, form)
    except ValueError as error:
        raise UsageError(f"{base} and {new} cannot be compared: {error}") from None
    if output is None:
        with report_of() if wanted else contextlib.nullcontext():  # without a gate there is no verdict
            write_document(data, form)
    else:
        write_whole(output, data)
        write_line(f"Saved to {output}")
    ctx.exit(COMPARED[compared.outcome])


def _rendered(compared: CompareResult, form: str) -> bytes:
    from loadsim.measure.stored_json import stored_json
    from loadsim.report.compare_document import compare_document
    from loadsim.report.compare_report import compare_report
    from loadsim.report.report_formats import REPORT_FORMATS

    if form == "json":
        return stored_json(compare_document(compared))
    return REPORT_FORMATS[form](compare_report(compared))
