"""`loadsim ab`: turns the options into one validated comparison by pairs of runs, and runs it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
import msgspec

from loadsim.cli import completing
from loadsim.cli.ctrl_c import stopping
from loadsim.cli.option_groups import GroupedCommand
from loadsim.cli.options import run_options, target_options
from loadsim.cli.output import json_option, put_json, put_line, report_of
from loadsim.cli.step_lines import step_lines
from loadsim.exit_codes import PAIRS, Exit, exit_codes
from loadsim.model import UsageError, counted
from loadsim.signals import interrupts
from loadsim.studies.ab.judgement import LEAST_PAIRS, MOST_PAIRS

if TYPE_CHECKING:
    from loadsim.judge.slowdown_gates import Gate
    from loadsim.plan import RunSpec
    from loadsim.settings import Config
    from loadsim.studies.ab.procedure import AbComparison, AbOutcome, AbRequest


@click.command(
    cls=GroupedCommand,
    epilog=exit_codes(
        Exit.error, Exit.interrupted, ok="no regression shown", invalid="a run was INVALID", failed="B is worse"
    ),
)
@click.argument("target_a", metavar="TARGET_A", shell_complete=completing.targets)
@click.argument("target_b", metavar="[TARGET_B]", required=False, shell_complete=completing.targets)
@click.option(
    "--pairs",
    type=click.IntRange(LEAST_PAIRS, MOST_PAIRS),
    default=LEAST_PAIRS,
    show_default=True,
    help="Number of pairs of runs.",
)
@click.option(
    "--fail",
    "gates",
    multiple=True,
    metavar="p99:5%",
    help="Fail when this figure of B is significantly higher, by at least this much (default p99:5%). Repeatable.",
)
@click.option("--aa", "same", is_flag=True, help="Compare A with itself: the rate of false alarms on this machine.")
@click.option(
    "--scenario",
    metavar="SCENARIO",
    shell_complete=completing.scenarios,
    help="Run this scenario (a file, or one that loadsim ships) against both targets.",
)
@click.option(
    "--warm-up", default="2s", show_default=True, metavar="TIME", help="Load before each run, which is not measured."
)
@click.option(
    "-c", "--connections", type=click.IntRange(1), help="Events in flight (closed model); with -r the size of the pool."
)
@click.option("-r", "--rate", metavar="RATE", help="Open model: events per second, e.g. 500/s.")
@click.option("-d", "--duration", metavar="TIME", help="Duration of each run, e.g. 30s (default 10s).")
@click.option("-n", "--events", type=click.IntRange(1), help="Stop each run after this many events.")
@target_options
@json_option("loadsim.ab/1")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the report.")
def command(target_a: str, target_b: str | None, **options: Any) -> None:
    """Compare two targets by interleaved pairs of runs.

    Each pair is one run against each target, in random order, on this machine. B fails when an exact test over the
    pairs shows that B is slower (5 % over all gates together), and the median of the pairs is higher by at least the
    given share. A percentile q needs runs of at least 100 / (1 - q) events: 10,000 for p99.

    \b
    Examples:
      loadsim ab http://127.0.0.1:8080/webhooks http://127.0.0.1:8081/webhooks -r 500/s -d 20s --fail p99:5%
      loadsim ab blue green --scenario steady --pairs 10 --fail p50:3% --fail p99:5%
      loadsim ab staging --aa -r 500/s -d 20s
      loadsim ab https://staging.example.test/hooks --http2 -c 64 -d 20s   # B is the same over HTTP/2: does it pay?
    """
    from loadsim.cli.terminal import print_report
    from loadsim.studies.ab.procedure import AbComparison
    from loadsim.studies.ab.report import ab_report

    request = _compose(target_a, target_b, options)
    with step_lines(quiet=options["quiet"]) as lines:
        outcome = asyncio.run(_execute(AbComparison(request, lines.say, lines.progress), lines.say))
    if options["as_json"]:
        put_json(outcome.result)
    else:
        with report_of(outcome.directory):
            print_report(ab_report(outcome.result))
            put_line(f"\nSaved to {outcome.directory}/: ab.json, summary.md, report.html and the result of every run")
    sys.exit(PAIRS[outcome.result.ending])


async def _execute(comparison: AbComparison, tell: Callable[[str], None]) -> AbOutcome:
    with interrupts(stopping(comparison, tell)):
        return await comparison.execute()


def _compose(target_a: str, target_b: str | None, options: dict[str, Any]) -> AbRequest:
    """Check everything before the first event. Raises UsageError."""
    from pathlib import Path

    from loadsim.judge.slowdown_gates import parse_gates
    from loadsim.run.config_file import read_config
    from loadsim.run.scenario_text import names_scenario
    from loadsim.settings import resolve_target
    from loadsim.studies.ab.procedure import AbRequest

    same = options["same"]
    if same and target_b is not None:
        raise UsageError("--aa compares a target with itself: name one target")
    versions = options["http2"] and target_b is None and not same
    if target_b is None and not same and not versions:
        raise UsageError("name two targets, TARGET_A and TARGET_B (or one, with --aa or --http2)")
    config = read_config()
    for target in (target_a, target_b or target_a):
        if names_scenario(target, config):
            raise UsageError(f"{target}: name targets, and the scenario that both run with --scenario {target}")
        resolve_target(target, config)
    if options["effects"] or options["effects_wait"]:
        raise UsageError("--effects: ab compares answers only; measure the work of each target with run")
    if options["target"]:
        raise UsageError("-t: the targets are TARGET_A and TARGET_B")
    a = _load(target_a, {**options, "http2": False} if versions else options, config)
    _check_objectives(a)
    b = a if same else msgspec.structs.replace(_load(target_b or target_a, options, config), seed=a.seed)
    request = AbRequest(
        a=a,
        b=b,
        gates=parse_gates(options["gates"]),
        pairs=options["pairs"],
        seed=a.seed,
        same=same,
        warm_up_ns=_warm_up(options["warm_up"]),
        out=Path(options["out"]),
    )
    _check_events(request.a, request.gates)
    return request


def _load(target: str, options: dict[str, Any], config: Config) -> RunSpec:
    from loadsim.run.scenario_text import names_scenario
    from loadsim.run.spec_of_options import compose
    from loadsim.shipped import shipped_names
    from loadsim.spelling import did_you_mean

    rest = run_options(options)
    if options["scenario"] is None:
        return compose(target, rest, config=config)
    if not names_scenario(options["scenario"], config):
        raise UsageError(
            f"--scenario {options['scenario']}: a scenario is a file that ends in .toml, or one that loadsim ships "
            f"(loadsim scenarios){did_you_mean(options['scenario'], shipped_names(), '; ')}"
        )
    return compose(options["scenario"], msgspec.structs.replace(rest, target=target), config=config)


def _check_objectives(load: RunSpec) -> None:
    """Refuse objectives on what pairs do not measure. Raises UsageError."""
    from loadsim.judge.vocabulary import EFFECT_METRICS, LEDGER_METRICS, WATCH

    for objective in load.objectives:
        if objective.metric in (*EFFECT_METRICS, *LEDGER_METRICS, WATCH):
            raise UsageError(
                f"objective {objective.text!r}: ab compares answers only, it reads no effects, ledger or watches"
            )


def _check_events(load: RunSpec, gates: tuple[Gate, ...]) -> None:
    """Refuse runs that are too short for their gates, as far as the plan shows. Raises UsageError."""
    from loadsim.measure.hdr import PERCENTILES
    from loadsim.measure.sample_sizes import least_count

    plan = load.shown_plan()
    expected = [plan.expected_events(phase.number) for phase in plan.phases if phase.record]
    if None in expected:
        return
    events = sum(count for count in expected if count is not None)
    for gate in gates:
        needed = least_count(PERCENTILES[gate.figure]) if gate.figure in PERCENTILES else 1
        if events < needed:
            raise UsageError(
                f"--fail {gate.text}: each run has {counted(round(events), 'event')}, {gate.label} needs {needed:,}"
            )


def _warm_up(text: str) -> int:
    from loadsim.plan import UnitError, parse_duration

    try:
        duration = parse_duration(text)
    except UnitError as error:
        raise UsageError(f"--warm-up: {error}") from None
    if duration > 3600 * 10**9:
        raise UsageError(f"--warm-up {text}: must be at most 1h")
    return duration
