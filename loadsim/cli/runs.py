"""`loadsim runs`: lists the stored results, prints the path of the latest, deletes old ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from loadsim.cli.output import json_option, put_json, put_line
from loadsim.cli.streams import say, write_line
from loadsim.exit_codes import exit_codes
from loadsim.model import UsageError, counted
from loadsim.report import numbers
from loadsim.studies.result_directories import (
    REPORTS,
    StoredLine,
    StoredList,
    latest_run,
    prune,
    result_directories,
    stored_list,
)

_HEADER = ("Directory", "What", "Verdict", "Sent", "2xx", "p50", "p99", "Target")


@click.command("runs", epilog=exit_codes(ok="listed", usage="usage or --last where there is no result yet"))
@click.option(
    "--out",
    default=str(REPORTS),
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Directory with the results.",
)
@click.option("-n", "--number", type=click.IntRange(1), default=20, show_default=True, help="List at most this many.")
@click.option("--last", is_flag=True, help="Print only the path of the newest directory with the result of a run.")
@click.option("--prune", "keep", type=click.IntRange(0), metavar="KEEP", help="Delete all but the newest KEEP results.")
@json_option("loadsim.runs/1", "loadsim.pruned/1", instead_of="the list")
def command(*, out: Path, number: int, last: bool, keep: int | None, as_json: bool) -> None:
    """List the stored results, newest first.

    Every command that takes a stored result also takes the word latest: the newest directory with the result of a run.
    --prune deletes only directories that loadsim made: one with another name, such as reports/baseline, is kept.

    \b
    Examples:
      loadsim runs
      loadsim report latest
      loadsim report "$(loadsim runs --last)" --format html -o report.html
      loadsim runs --prune 20
    """
    if last and (keep is not None or as_json):
        raise UsageError("--last prints the path alone: leave out --prune and --json")
    if last:
        put_line(str(latest_run(out)))
    elif keep is not None:
        _prune(out, keep, as_json=as_json)
    else:
        listed = stored_list(result_directories(out), number)
        if as_json:
            put_json(listed)
        else:
            _print(listed, out)


def _prune(out: Path, keep: int, *, as_json: bool) -> None:
    done = prune(result_directories(out), keep)
    if as_json:
        put_json(done)
        return
    for path in done.deleted:
        put_line(f"deleted {path}")
    kept = counted(len(done.kept), "result")
    write_line(f"{counted(len(done.deleted), 'result')} deleted, {kept} kept in {out}/")


def _print(listed: StoredList, out: Path) -> None:
    if not listed.results:
        say(f"there is no result in {out}/ yet")
        return
    for line in _aligned([_HEADER, *map(_cells, listed.results)]):
        put_line(line)
    for each in listed.results:
        if each.problem:
            say(each.problem)
    if listed.older:
        write_line(f"and {counted(listed.older, 'older result')}: -n {len(listed.results) + listed.older} lists all")


def _cells(each: StoredLine) -> tuple[str, ...]:
    verdict = "cannot be read" if each.problem else each.outcome.upper()
    figured = each.kind == "run" and not each.problem
    shown = (
        numbers.count(each.sent),
        numbers.share(each.success_rate),
        numbers.milliseconds(each.p50_ms),
        numbers.milliseconds(each.p99_ms),
    )
    return (
        each.directory,
        each.kind if each.scale in (None, 1) else f"{each.kind}, scale {each.scale:g}",
        verdict,
        *(shown if figured else ("",) * len(shown)),
        numbers.printable(each.target or ""),
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows in columns; figures, which are those between the verdict and the target, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if 3 <= number < len(row) - 1 else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
