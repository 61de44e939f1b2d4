"""`loadsim capacity`: turns the options into one validated search, and runs it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli import completing
from loadsim.cli.ctrl_c import stopping
from loadsim.cli.option_groups import GroupedCommand
from loadsim.cli.options import run_options, target_options
from loadsim.cli.output import json_option, put_json, put_line, report_of
from loadsim.cli.step_lines import step_lines
from loadsim.exit_codes import CAPACITY, Exit, exit_codes
from loadsim.model import UsageError
from loadsim.signals import interrupts

if TYPE_CHECKING:
    from loadsim.studies.capacity.procedure import CapacityOutcome, CapacityRequest, CapacitySearch


@click.command(
    cls=GroupedCommand,
    epilog=exit_codes(
        Exit.error,
        Exit.interrupted,
        ok="found",
        invalid="INVALID: the generator was the limit",
        failed="even the lowest rate fails",
    ),
)
@click.argument("what", metavar="SCENARIO|TARGET", shell_complete=completing.loads)
@click.option("--from", "lowest", default="50/s", show_default=True, metavar="RATE", help="The lowest rate to try.")
@click.option("--to", "highest", metavar="RATE", help="The highest rate to try (default: until one fails).")
@click.option(
    "--step", default="10s", show_default=True, metavar="TIME", help="Duration of the measurement at each rate."
)
@click.option(
    "--settle", default="2s", show_default=True, metavar="TIME", help="Load before each step, which is not measured."
)
@click.option(
    "--precision",
    default="2.5%",
    show_default=True,
    metavar="SHARE",
    help="Largest difference between the passing and the failing rate at the end.",
)
@click.option(
    "--by",
    type=click.Choice(["answers", "effects"]),
    default="answers",
    show_default=True,
    help="What has to keep up: the answers, or also the work behind them (with [effects] or --effects).",
)
@click.option("-c", "--connections", type=click.IntRange(1), help="Size of the pool (default 256).")
@target_options
@json_option("loadsim.capacity/1")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the report.")
def command(what: str, **options: Any) -> None:
    """Find the highest rate that meets the objectives.

    Doubles the rate until a step fails, narrows it down by bisection, and confirms the answer with a longer step. A
    step passes when the whole confidence interval meets the objective and the endpoint does not fall behind. A step
    that is not clear, or fails by little, is made again, and both are judged together. Where steps stay unclear, up to
    six longer ones follow, and the answer is estimated from all of them. Of a scenario, the target, the events, the
    objectives and the arrivals are used; its phases are not.

    \b
    Examples:
      loadsim capacity embedded --from 500/s --to 4000/s
      loadsim capacity staging --from 100/s --objective 'p(99) < 250ms'
      loadsim capacity steady -t staging --step 20s --settle 5s
      loadsim capacity staging --by effects --effects http://127.0.0.1:3000/effects --from 20/s
    """
    from loadsim.cli.terminal import print_report
    from loadsim.studies.capacity.procedure import CapacitySearch
    from loadsim.studies.capacity.report import capacity_report

    request = _compose(what, options)
    with step_lines(quiet=options["quiet"]) as lines:
        outcome = asyncio.run(_search(CapacitySearch(request, lines.say, lines.progress), lines.say))
    if options["as_json"]:
        put_json(outcome.result)
    else:
        with report_of(outcome.directory):
            print_report(capacity_report(outcome.result))
            put_line(
                f"\nSaved to {outcome.directory}/: capacity.json, summary.md, report.html and the result of every step"
            )
    sys.exit(CAPACITY[outcome.result.ending])


async def _search(search: CapacitySearch, tell: Callable[[str], None]) -> CapacityOutcome:
    with interrupts(stopping(search, tell)):
        return await search.execute()


def _compose(what: str, options: dict[str, Any]) -> CapacityRequest:
    """Check everything before the first event. Raises UsageError."""
    from loadsim.judge import objectives_of, vocabulary_of_scenario
    from loadsim.run.config_file import read_config
    from loadsim.run.scenario_text import names_scenario
    from loadsim.run.spec_of_options import compose
    from loadsim.studies.capacity.procedure import CapacityRequest

    lowest = _rate("--from", options["lowest"])
    highest = None if options["highest"] is None else _rate("--to", options["highest"])
    if highest is not None and highest < lowest:
        raise UsageError(f"--to {options['highest']} is below --from {options['lowest']}")
    config = read_config()
    quick = not names_scenario(what, config)
    if options["connections"] and not quick:
        raise UsageError(f"-c: a scenario sets this itself; change {what}, or name a target instead of a scenario")
    given = run_options({**options, "rate": options["lowest"] if quick else None})
    load = compose(what, given, sized=False, config=config)
    request = CapacityRequest(
        load=load,
        lowest=lowest,
        highest=highest,
        step_ns=_time("--step", options["step"], least=1),
        settle_ns=_time("--settle", options["settle"], least=0),
        precision=_share("--precision", options["precision"]),
        by_effects=options["by"] == "effects",
    )
    if options["effects"] and not request.by_effects:
        raise UsageError("--effects: only with --by effects")
    if request.by_effects and load.scenario.effects is None:
        raise UsageError("--by effects: name where the effects are seen: --effects URL, or [effects] in the scenario")
    from loadsim.studies.capacity.procedure import CapacitySearch

    step = CapacitySearch(request, lambda _: None).scenario_at(lowest)
    known = vocabulary_of_scenario(step, load.recorded)
    vocabulary = replace(known, has_ledger=False, has_effects=request.by_effects, watches=())
    objectives_of([objective.text for objective in load.objectives], vocabulary)
    return request


def _rate(flag: str, text: str) -> Fraction:
    from loadsim.plan import UnitError, parse_rate

    try:
        rate = parse_rate(text)
    except UnitError as error:
        raise UsageError(f"{flag}: {error}") from None
    if not Fraction(1, 1000) <= rate <= 10**8:
        raise UsageError(f"{flag} {text}: must lie between 0.001/s and 100000000/s")
    return rate


def _time(flag: str, text: str, *, least: int) -> int:
    from loadsim.plan import UnitError, parse_duration

    try:
        duration = parse_duration(text)
    except UnitError as error:
        raise UsageError(f"{flag}: {error}") from None
    if not least * 10**9 <= duration <= 3600 * 10**9:
        raise UsageError(f"{flag} {text}: must lie between {least}s and 1h")
    return duration


def _share(flag: str, text: str) -> Fraction:
    try:
        share = Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{flag} {text}: write a share such as 2.5%") from None
    if not Fraction(1, 1000) <= share <= Fraction(1, 2):
        raise UsageError(f"{flag} {text}: must lie between 0.1% and 50%")
    return share
