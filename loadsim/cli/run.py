"""`loadsim run`: turns the options into one validated run, runs it, and prints its report.

The first shard is started before anything else: it imports what it needs while the options are checked here. So nothing
that takes long to import, as asyncio does, may be imported above.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli import completing
from loadsim.cli.ctrl_c import stopping
from loadsim.cli.dashboard import require_pages
from loadsim.cli.option_groups import GroupedCommand
from loadsim.cli.options import cluster_options, gate_option, run_options, target_options
from loadsim.cli.output import put, put_line, report_of
from loadsim.cli.streams import say
from loadsim.exit_codes import Exit, exit_codes
from loadsim.launch.shard_process import early_shard
from loadsim.model import LoadsimError, UsageError
from loadsim.signals import interrupts
from loadsim.uncollected import uncollected

if TYPE_CHECKING:
    from rich.console import Console

    from loadsim.launch.run_lifecycle import Run
    from loadsim.launch.shard_process import ShardProcess
    from loadsim.plan import RunSpec
    from loadsim.run.run_store_judge import LoadOutcome


@click.command(
    cls=GroupedCommand,
    epilog=exit_codes(
        Exit.error,
        Exit.invalid,
        ok="pass",
        failed="objective failed",
        interrupted="interrupted (the result so far is saved)",
    ),
)
@click.argument("what", metavar="SCENARIO|TARGET", shell_complete=completing.loads)
@click.option(
    "-c", "--connections", type=click.IntRange(1), help="Events in flight (closed model); with -r the size of the pool."
)
@click.option("-r", "--rate", metavar="RATE", help="Open model: events per second of all workers together, e.g. 500/s.")
@click.option("-d", "--duration", metavar="TIME", help="Duration of the load, e.g. 30s (default 10s).")
@click.option("-n", "--events", type=click.IntRange(1), help="Stop after this many events.")
@target_options
@cluster_options
@click.option(
    "--abort",
    "aborting",
    multiple=True,
    metavar="'p(99) < 250ms over 10s'",
    help="Add an objective, and end the run as soon as it cannot be met.",
)
@gate_option()
@click.option(
    "--epoch",
    metavar="T",
    help="Times in bodies start at T (unix seconds or ISO 8601), so that bodies are byte-identical.",
)
@click.option(
    "--json",
    "json_file",
    metavar="[FILE|-]",
    is_flag=False,
    flag_value="-",
    help="Also write the result as JSON; - or nothing is stdout, without the report.",
)
@click.option("--retry", metavar="PROVIDER", help="Retry failed events as this provider does, e.g. stripe.")
@click.option(
    "--scale",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="FACTOR",
    help="Shorten the run for a quick check: multiply durations and counts of events by this, e.g. 0.1; rates and "
    "connections stay.",
)
@click.option(
    "--time-scale", type=float, metavar="N", help="With --retry or [retry]: divide the provider's pauses by N."
)
@click.option(
    "--ledger",
    metavar="URL",
    help="The receiver's ledger, e.g. http://127.0.0.1:8081/ledger, which shows lost and duplicated events.",
)
@click.option(
    "--outcomes", is_flag=True, help="Also save the outcome of each event (outcomes.bin), for loadsim reconcile."
)
@click.option(
    "--trace",
    metavar="SHARE",
    help="Send traceparent (W3C Trace Context) with every delivery, with the flag sampled on this share, e.g. 1%.",
)
@click.option("--raw", is_flag=True, help="Also save every delivery: raw.ndjson, with the fields of vegeta's results.")
@click.option(
    "--otlp",
    metavar="URL",
    help="Send metrics each second, and with --trace spans of sampled deliveries, to this OpenTelemetry collector, "
    "e.g. http://localhost:4318.",
)
@click.option(
    "--live",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="While the run lasts, show it on a page at this port of 127.0.0.1 (0: any free port).",
)
@click.option("--open", "opened", is_flag=True, help="Show report.html in a browser when the run is over.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the report.")
@click.option("--check", is_flag=True, help="Validate, show the plan, send nothing.")
def command(what: str, **options: Any) -> None:
    """Run a load and judge it.

    An objective is '[metric{tag:value}: ]aggregation op value'. With 'over 10s' at its end, it must be met in every
    complete window of that length.

    SCENARIO is a file that ends in .toml, or a name that `loadsim scenarios` lists. TARGET is a URL, a name from
    loadsim.toml, or "embedded": the companion receiver, started beside the run on a free port with a random secret.

    \b
    Examples:
      loadsim run quickstart
      loadsim run embedded -r 500/s -d 30s --objective 'p(99) < 50ms'
      loadsim run https://example.test/hooks -c 64 -n 100000 -e desktop.app_tracking.captured
      loadsim run steady -t staging --seed 7
      loadsim run staging -r 100/s -d 60s --retry svix --time-scale 60
      loadsim run http://127.0.0.1:8080/webhooks/trackpilots --ledger http://127.0.0.1:8081/ledger -n 5000 \\
        --objective 'lost: count == 0'
      loadsim run staging -r 200/s -d 10m --abort 'success: rate >= 99%' --objective 'p(99) < 250ms over 10s'
      loadsim run steady --cluster local:2
      loadsim run embedded -r 200/s -d 1m --live 0
      loadsim run staging -r 200/s -d 1m --trace 1% --otlp http://localhost:4318
      loadsim run soak.toml --scale 0.1 --check
    """
    if options["check"] and options["json_file"] == "-":
        raise UsageError("--check sends nothing, so there is no result: leave out --json")
    if (options["duration"] or "").startswith("@"):
        raise UsageError(
            f"-d is the duration of a load, e.g. 30s; a body of your own is --payload {options['duration']}"
        )
    here = options["cluster"] is None and options["live"] is None
    with early_shard(wanted=here and not options["check"]) as early:
        outcome = _prepare_and_run(what, options, early)
    if outcome is None:
        return
    _report(outcome, options)


def _prepare_and_run(what: str, options: dict[str, Any], early: ShardProcess | None) -> LoadOutcome | None:
    """The outcome; None where the plan alone was to be shown."""
    with uncollected():
        import asyncio

        from loadsim.run.config_file import read_config
        from loadsim.run.scenario_text import shadowed_scenario
        from loadsim.run.spec_of_options import compose

        config = read_config()
        spec = compose(what, run_options(options), config=config)
    if note := shadowed_scenario(what, config):
        say(note)
    if options["check"]:
        _show_plan(spec)
        return None
    _check_json(options["json_file"])
    return asyncio.run(_run(spec, early, quiet=options["quiet"], live=options["live"]))


def _report(outcome: LoadOutcome, options: dict[str, Any]) -> None:
    from loadsim.cli.github import report_to_github
    from loadsim.judge import exit_code
    from loadsim.report.report_formats import FORMATS

    report_to_github(outcome.result)
    show(outcome, options["json_file"])
    if options["opened"]:
        _open(outcome.directory / FORMATS["html"].filename)
    sys.exit(exit_code(outcome.result, interrupted=outcome.result.run.interrupted))


# -- the run --------------------------------------------------------------------------------------------------------


async def _run(spec: RunSpec, early: ShardProcess | None, *, quiet: bool, live: int | None) -> LoadOutcome:
    from loadsim.cli.live_view import live_view
    from loadsim.report.numbers import printable

    with uncollected():
        from loadsim.launch.local_shards import LocalShards
        from loadsim.run.run_store_judge import run_load

    console = None if quiet else _redrawable()

    @contextlib.asynccontextmanager
    async def watch(run: Run) -> AsyncIterator[None]:
        def before(line: str) -> None:
            # the live view shows by itself that the run is stopping, and why
            if console is None or not run.started.is_set():
                say(line)

        def during(line: str) -> None:
            if console is None:
                say(line)
            else:
                with contextlib.suppress(OSError):
                    console.print(f"loadsim: {printable(line)}", markup=False)  # above the view that is redrawn

        run.say, run.tell = before, during
        async with _interruptible(run, quietly=console is not None), live_view(run, console, quiet=quiet):
            yield

    if live is None:
        return await run_load(spec, watch, None if early is None else LocalShards(spec.workers, early))
    require_pages("--live")
    from loadsim.dashboard.run_page import run_with_page

    return await run_with_page(spec, watch, live, say)


def _redrawable() -> Console | None:
    if not sys.stderr.isatty():
        return None  # which is known without rich
    from loadsim.cli.terminal import redrawable

    return redrawable()


@contextlib.asynccontextmanager
async def _interruptible(run: Run, *, quietly: bool) -> AsyncIterator[None]:
    """From the first event on, Ctrl-C stops the run in order. Before, nothing was measured, and it ends at once."""

    import asyncio

    interrupt = stopping(run, (lambda _: None) if quietly else say)

    async def listen() -> None:
        await run.started.wait()
        listening.enter_context(interrupts(interrupt))

    with contextlib.ExitStack() as listening:
        waiting = asyncio.get_running_loop().create_task(listen())
        listening.callback(waiting.cancel)
        yield


def show(outcome: LoadOutcome, json_file: str | None) -> None:
    """Print the report (or the JSON alone) and the place of the files on stdout."""
    from loadsim.cli.terminal import print_report
    from loadsim.launch.result_files import write_whole
    from loadsim.measure.result import dump_result
    from loadsim.report.run_report import run_report

    if json_file == "-":
        put(dump_result(outcome.result))
        return
    with report_of(outcome.directory):
        print_report(outcome.report or run_report(outcome.result), details=False)
        put_line(f"\nSaved to {outcome.directory}/: {', '.join(path.name for path in outcome.files)}")
    if json_file is not None:
        write_whole(Path(json_file), dump_result(outcome.result))


def _open(page: Path) -> None:
    """Show the page in the user's browser, or say where it is."""
    from loadsim.graphical_browser import graphical_browser

    browser = graphical_browser()
    if browser is None or not browser.open(page.absolute().as_uri()):
        say(f"there is no graphical browser here: open {page}")


def _check_json(json_file: str | None) -> None:
    """Check before the run that the JSON file can be written. Raises UsageError."""
    from loadsim.launch.result_files import check_writable

    if json_file is None or json_file == "-":
        return
    try:
        check_writable(Path(json_file))
    except LoadsimError as error:
        raise UsageError(f"--json: {error}") from None


def _show_plan(spec: RunSpec) -> None:
    from loadsim.report.plan_text import render_plan
    from loadsim.run.run_length import unsupported

    short = {objective.text: why for objective, why in unsupported(spec)}
    put(render_plan(spec.shown_plan(), spec.objectives, scale=spec.scale, short=short))
    if spec.scenario.watch:
        import asyncio

        from loadsim.run.watch.of_run import problems_now

        for line in asyncio.run(problems_now(spec.scenario.watch)):
            say(line)
