"""`loadsim reconcile`: joins a stored result with a file of what the user's own endpoint received."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from loadsim.cli.output import json_option, put_json, report_of
from loadsim.cli.stored_results import STORED_RESULT, read_result, result_path
from loadsim.cli.streams import say, write_line
from loadsim.exit_codes import Exit, exit_codes


@click.command(
    name="reconcile",
    epilog=exit_codes(ok="nothing found", failed="events were lost or duplicated, or forged ones accepted"),
)
@click.argument("result", type=STORED_RESULT)
@click.argument("received", type=click.Path(path_type=Path))
@click.option(
    "--id",
    "id_field",
    required=True,
    metavar="FIELD",
    help="The column or dotted path with the value of X-Loadsim-Id, or with the event's own id.",
)
@click.option(
    "--deliveries",
    is_flag=True,
    help="RECEIVED has a row for each delivery, as an access log has. Default: a row for each processed event.",
)
@click.option("--write", is_flag=True, help="Store the findings in the result, for its reports.")
@json_option("loadsim.result/2")
@click.pass_context
def command(
    ctx: click.Context,
    result: Path,
    received: Path,
    id_field: str,
    *,
    deliveries: bool,
    write: bool,
    as_json: bool,
) -> None:
    """Join a run with a file of what your own endpoint received.

    RESULT is the directory of a run that was made with --outcomes (or `outcomes = true` in its scenario). RECEIVED is
    an .ndjson or .csv file with a row for each event that the endpoint processed, in the order in which it did.

    \b
    Examples:
      loadsim reconcile latest processed.ndjson --id headers.x-loadsim-id
      loadsim reconcile reports/20260504-091000-steady-3f2a orders.csv --id event_id
      loadsim reconcile reports/20260504-091000-steady-3f2a access.csv --id loadsim_id --deliveries
    """
    from loadsim.cli.terminal import print_report
    from loadsim.launch.result_files import write_whole
    from loadsim.measure.result import dump_result
    from loadsim.report.reconciliation import has_findings, reconcile_report
    from loadsim.run.reconcile import reconciled_with_file

    stored = read_result(result)
    joined, notes = reconciled_with_file(
        stored, result_path(result).parent, received, id_field, of="deliveries" if deliveries else "effects"
    )
    found = msgspec.structs.replace(stored, reconciliation=joined)
    if as_json:
        put_json(found)
    else:
        with report_of():
            print_report(reconcile_report(stored, joined))
    for note in notes:
        say(note)
    if write:
        path = result_path(result)
        write_whole(path, dump_result(found))
        write_line(f"Saved to {path}")
    ctx.exit(Exit.failed if has_findings(joined) else Exit.ok)
