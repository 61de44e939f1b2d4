"""`loadsim judge`: judges a stored result again, by its own or by other objectives."""

from __future__ import annotations

from pathlib import Path

import click

from loadsim.cli.options import gate_option
from loadsim.cli.output import json_option, put_json, report_of
from loadsim.cli.stored_results import STORED_RESULT, read_result, result_path
from loadsim.cli.streams import write_line
from loadsim.cli.terminal import print_report
from loadsim.exit_codes import Exit, exit_codes
from loadsim.judge import evaluate, exit_code, objectives_of, rules_of, texts_of, vocabulary_of
from loadsim.judge.validity import validity_rules
from loadsim.launch.result_files import write_whole
from loadsim.measure.result import dump_result
from loadsim.plan.run_spec import GateMode
from loadsim.report.run_report import verdict_report


@click.command(name="judge", epilog=exit_codes(Exit.invalid, ok="pass", failed="an objective failed"))
@click.argument("result", type=STORED_RESULT)
@click.option(
    "--objective",
    "texts",
    multiple=True,
    metavar="TEXT",
    help="Judge by this instead of the run's own objectives, e.g. 'p(99) < 250ms'. Repeatable.",
)
@gate_option(default=None, shown="as the run was judged")
@click.option(
    "--default-objectives/--no-default-objectives",
    "defaults",
    default=None,
    show_default="as the run was judged",
    help="Add 'success: rate >= 99%', and 'forged_accepted: count == 0' where a case expects refusal.",
)
@click.option(
    "--max-lag", metavar="TIME", help="Warn of events released later than this (default: the run's own limit)."
)
@click.option("--write", is_flag=True, help="Store the new verdict in the result.")
@json_option("loadsim.result/2")
@click.pass_context
def command(
    ctx: click.Context,
    result: Path,
    texts: tuple[str, ...],
    gate: GateMode | None,
    max_lag: str | None,
    *,
    defaults: bool | None,
    write: bool,
    as_json: bool,
) -> None:
    """Judge a stored result again.

    RESULT is a result.json, the directory that holds it, or latest, the newest run under reports/. Without --objective,
    the run's own objectives are used.
    'success: rate >= 99%' is added unless an objective is about success, errors or http_req_failed, and
    'forged_accepted: count == 0' where a case expects refusal, unless an objective is about forged_accepted.
    Which events a pause of the generator disturbed was found while it ran: --max-lag does not change it here.

    \b
    Examples:
      loadsim judge latest
      loadsim judge result.json --objective 'p(99.9) < 1s' --objective 'success: rate >= 99.9%'
      loadsim judge result.json --objective 'events{status:503}: count == 0' --write
    """
    stored = read_result(result)
    before = stored.verdict
    defaults = before.defaults if defaults is None else defaults
    objectives = objectives_of(texts or texts_of(stored), vocabulary_of(stored), defaults=defaults)
    rules = validity_rules(max_lag) or rules_of(stored)
    judged = evaluate(stored, objectives, rules, gate=gate or before.reading, defaults=defaults)
    if as_json:
        put_json(judged)
    else:
        with report_of():
            print_report(verdict_report(judged))
    if write:
        path = result_path(result)
        write_whole(path, dump_result(judged))
        write_line(f"Saved to {path}")
    ctx.exit(exit_code(judged, interrupted=False))
