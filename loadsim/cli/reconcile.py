"""`loadsim reconcile`: a stored result joined with books that the user's own endpoint kept."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from loadsim.cli.output import put, report_of, say, write_line
from loadsim.cli.stored import read_result, result_path
from loadsim.exit_codes import Exit


@click.command(name="reconcile")
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("received", type=click.Path(path_type=Path))
@click.option(
    "--id",
    "id_field",
    required=True,
    metavar="FIELD",
    help="The column, or the dotted path, that holds the value of X-Loadsim-Id, or the event's own id.",
)
@click.option(
    "--deliveries",
    is_flag=True,
    help="RECEIVED has a row for each delivery that came, as an access log has; else one for what was done.",
)
@click.option("--write", is_flag=True, help="Store what was found in the result, for its reports.")
@click.pass_context
def command(ctx: click.Context, result: Path, received: Path, id_field: str, *, deliveries: bool, write: bool) -> None:
    """Join a run with the books of your own endpoint.

    RESULT is the directory of a run that was made with --outcomes (or `outcomes = true` in its scenario). RECEIVED is
    an .ndjson or .csv file with a row for each event that the endpoint processed, in the order in which it did.

    \b
    Exit codes: 0 nothing was found, 99 events were lost, duplicated or let in, 2 a file cannot be used.

    \b
    Examples:
      loadsim reconcile reports/20260504-091000-steady-3f2a processed.ndjson --id headers.x-loadsim-id
      loadsim reconcile reports/20260504-091000-steady-3f2a orders.csv --id event_id
      loadsim reconcile reports/20260504-091000-steady-3f2a access.csv --id loadsim_id --deliveries
    """
    from loadsim.launch.store import write_whole
    from loadsim.measure.result import dump_result
    from loadsim.report.books import found_in, render_books
    from loadsim.run.reconcile import reconciled_with_file

    stored = read_result(result)
    joined, notes = reconciled_with_file(
        stored, result_path(result).parent, received, id_field, of="deliveries" if deliveries else "effects"
    )
    with report_of():
        put(render_books(joined, stored.run.id))
    for note in notes:
        say(note)
    if write:
        path = result_path(result)
        write_whole(path, dump_result(msgspec.structs.replace(stored, reconciliation=joined)))
        write_line(f"wrote {path}")
    ctx.exit(Exit.failed if found_in(joined) else Exit.ok)
