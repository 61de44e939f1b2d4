"""`loadsim bench engine`: measures the limits of the generator, for the reports of later runs."""

from __future__ import annotations

import asyncio
import sys

import click

from loadsim.cli.output import json_option, put_json, put_line, report_of
from loadsim.cli.step_lines import step_lines
from loadsim.exit_codes import Exit, exit_codes
from loadsim.model import UsageError


@click.command(
    epilog=exit_codes(
        ok="measured", invalid="INVALID: the machine was too busy", interrupted="interrupted (nothing is saved)"
    )
)
@click.option("--step", default="3s", show_default=True, metavar="TIME", help="How long each rate is measured.")
@json_option("loadsim.floor/1")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the report.")
def command(step: str, *, as_json: bool, quiet: bool) -> None:
    """Measure the generator against a bare receiver on this machine.

    Finds the most signed events per second that one generator process can send, the least service time that it can
    measure, and its lag at several rates. The result is stored in the user's cache directory, and reports of later
    runs on this machine show it beside their figures.

    \b
    Examples:
      loadsim bench engine
      loadsim bench engine --step 10s --json
    """
    from loadsim.cli.terminal import print_report
    from loadsim.plan import UnitError, parse_duration
    from loadsim.studies.bench_engine.procedure import measure_limits
    from loadsim.studies.bench_engine.report import engine_report

    try:
        step_ns = parse_duration(step)
    except UnitError as error:
        raise UsageError(f"--step: {error}") from None
    if not 10**9 <= step_ns <= 600 * 10**9:
        raise UsageError(f"--step {step}: must lie between 1s and 10m")
    with step_lines(quiet=quiet) as lines:
        calibration = asyncio.run(measure_limits(step_ns, lines.progress))
    if as_json:
        put_json(calibration.stored())
    else:
        with report_of():
            print_report(engine_report(calibration.limits, calibration.environment, calibration.reasons))
            if calibration.path is not None:
                put_line(f"\nSaved to {calibration.path}")
    sys.exit(Exit.invalid if calibration.reasons else Exit.ok)
