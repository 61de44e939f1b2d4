"""`loadsim run`: options become one validated request; nothing else sees the command line."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli.options import CLUSTER_KEYS, cluster_options, gate_option, target_options
from loadsim.cli.values import parse_epoch, parse_headers, types_of
from loadsim.model import UsageError

if TYPE_CHECKING:
    from loadsim.launch.cluster import Cluster
    from loadsim.launch.run import Run
    from loadsim.model import Objective
    from loadsim.plan import Scenario, Target
    from loadsim.studies.load import LoadOutcome, LoadRequest

_TARGET_KEYS = (
    *("scheme", "secret_env", "secret_file", "timeout", "cacert", "cert", "key"),
    *("transport", "reuse", "connect_to", "unix", "proxy", "ledger"),
)
_QUICK_ONLY = ("connections", "rate", "duration", "events", "mix", "payload")
_FLAGS = {"mix": "-e", "events": "-n", "payload": "--payload"}


@click.command()
@click.argument("what", metavar="SCENARIO|TARGET")
@click.option(
    "-c", "--connections", type=click.IntRange(1), help="Events in flight (closed model); with -r the pool's cap."
)
@click.option(
    "-r", "--rate", metavar="RATE", help="Open model: events per second in all, e.g. 500/s. Never per worker."
)
@click.option("-d", "--duration", metavar="TIME", help="How long, e.g. 30s (default 10s).")
@click.option("-n", "--events", type=click.IntRange(1), help="Stop after this many events.")
@target_options
@cluster_options
@gate_option
@click.option(
    "--epoch", metavar="T", help="Body times start at T (unix seconds or ISO 8601): bodies become byte-identical."
)
@click.option(
    "--json", "json_file", metavar="FILE|-", help="Also write the result as JSON; - is stdout, without the report."
)
@click.option("--retry", metavar="PROVIDER", help="Deliver again what fails, as this provider does, e.g. stripe.")
@click.option(
    "--time-scale", type=float, metavar="N", help="With --retry or [retry]: the provider's time passes N times as fast."
)
@click.option(
    "--ledger",
    metavar="URL",
    help="The receiver's books, such as http://127.0.0.1:8081/ledger: they tell what was lost or duplicated.",
)
@click.option(
    "--outcomes", is_flag=True, help="Also keep what became of each event (outcomes.bin), for loadsim reconcile."
)
@click.option("--raw", is_flag=True, help="Also keep every event: raw.ndjson, in the fields of vegeta's results.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the report.")
@click.option("--check", is_flag=True, help="Validate, show the plan, send nothing.")
def command(what: str, **options: Any) -> None:
    """Fire a load run and judge it.

    SCENARIO is a file that ends in .toml. TARGET is a URL, a name from loadsim.toml, or "embedded": the companion
    receiver, started beside the run on a free port with a random secret.

    \b
    Examples:
      loadsim run scenarios/quickstart.toml
      loadsim run embedded -r 500/s -d 30s --objective 'p(99) < 50ms'
      loadsim run https://example.test/hooks -c 64 -n 100000 -e desktop.app_tracking.captured
      loadsim run scenarios/steady.toml -t staging --seed 7
      loadsim run staging -r 100/s -d 60s --retry svix --time-scale 60
      loadsim run http://127.0.0.1:8080/webhooks/trackpilots --ledger http://127.0.0.1:8081/ledger -n 5000 \\
        --objective 'lost: count == 0'
      loadsim run scenarios/steady.toml --cluster tls://scheduler:8786 --cluster-ca ca.pem ...

    \b
    Exit codes: 0 pass, 1 unreachable or internal error, 2 usage, 3 INVALID measurement, 99 objective failed,
    130 interrupted (the result so far is written).
    """
    from loadsim.cli.github import tell_github
    from loadsim.judge import exit_code

    request = compose(what, options)
    if options["check"]:
        _show_plan(request)
        return
    outcome = asyncio.run(_run(request, quiet=options["quiet"]))
    show(outcome, options["json_file"])
    tell_github(outcome.result)
    sys.exit(exit_code(outcome.result, interrupted=outcome.result.run.interrupted))


# -- from options to a request --------------------------------------------------------------------------------------


def compose(what: str, options: dict[str, Any]) -> LoadRequest:
    """Everything that can be wrong is found here, before the first event. Raises UsageError."""
    from loadsim.cases import RequestMaker, check_cases
    from loadsim.cli.captures import captures_of
    from loadsim.cli.keys import read_secrets
    from loadsim.plan import EMBEDDED
    from loadsim.settings import resolve_headers
    from loadsim.signing import CUSTOM_TABLE, scheme
    from loadsim.studies.load import EMBEDDED_SECRET, LoadRequest, free_directory

    scenario = _scenario(what, options)
    target = scenario.target
    described = scheme(target.scheme, target.custom, where=f"{what}: {CUSTOM_TABLE}")
    check_cases(scenario, described, what)
    if options["raw"] and any(case.copies for case in scenario.cases):
        raise UsageError(f"--raw: a line is one event, and {what} has cases with copies: leave one of them out")
    if options["raw"] and scenario.retry is not None:
        raise UsageError("--raw: a line is one event, and with retries it may be several deliveries: leave one out")
    objectives = _objectives(what, scenario, added=len(options["objectives"]))
    cluster = _cluster(options, target)
    there = cluster is not None and not cluster.ship_secret and target.url != EMBEDDED
    secret = old_secret = None
    if target.url != EMBEDDED and not there:
        secret, old_secret = read_secrets(scenario)
    # an image or a path that no event has is found here and not by a shard
    recorded, pace = captures_of(scenario)
    url = target.public_url or target.url
    RequestMaker(
        scenario.events,
        described,
        secret or EMBEDDED_SECRET,
        0,
        cases=scenario.cases,
        secrets=[phase.secrets for phase in scenario.phases],
        old_secret=old_secret or EMBEDDED_SECRET,
        url=url,
        recorded=recorded,
    )
    request = LoadRequest(
        scenario=scenario,
        seed=scenario.seed if scenario.seed is not None else secrets.randbits(32),
        objectives=objectives,
        secret=secret,
        old_secret=old_secret,
        headers=dict(target.headers) if there else resolve_headers(target.headers),
        out=Path(options["out"]),
        workers=_workers(options["workers"]),
        cluster=cluster,
        raw=options["raw"],
        outcomes=options.get("outcomes", False) or scenario.outcomes,
        reading=options.get("gate", "point"),
        epoch_ns=None if options["epoch"] is None else parse_epoch(options["epoch"]),
        recorded=recorded,
        pace=pace,
    )
    if not options["check"]:
        free_directory(request.out)
    return request


def _objectives(what: str, scenario: Scenario, *, added: int) -> tuple[Objective, ...]:
    """The scenario's own objectives and, after them, those that the command line added; a wrong one names its file."""
    from loadsim.judge import objectives_of, vocabulary_of_scenario

    vocabulary = vocabulary_of_scenario(scenario)
    if what.endswith(".toml"):
        try:
            objectives_of(scenario.objectives[: len(scenario.objectives) - added], vocabulary)
        except UsageError as error:
            raise UsageError(f"{what}: {error}") from None
    return objectives_of(scenario.objectives, vocabulary)


def _scenario(what: str, options: dict[str, Any]) -> Scenario:
    from loadsim.cases import case_rules
    from loadsim.events import catalogue
    from loadsim.plan import load_scenario, override, quick_scenario
    from loadsim.settings import load_config, read_text_file, resolve_target
    from loadsim.signing import scheme_names

    types, schemes = [event.name for event in catalogue()], scheme_names()
    config = load_config(known_types=types, known_schemes=schemes)
    changes = _target_changes(options)
    retry = {
        key: options[option]
        for key, option in (("profile", "retry"), ("time_scale", "time_scale"))
        if options.get(option) is not None
    }
    if not what.endswith(".toml"):
        if options["target"]:
            raise UsageError("-t replaces a scenario's target: name either a scenario or a target, not both")
        endpoint = resolve_target(what, config)
        table = {key: value for key, value in endpoint.given.items() if key != "custom" or "scheme" not in changes}
        payload = options["payload"]
        if payload and options["mix"]:
            raise UsageError("--payload sends the file's own bodies: leave -e out")
        return quick_scenario(
            endpoint.url,
            connections=options["connections"],
            rate=_unit("-r", options["rate"]),
            duration=_unit("-d", options["duration"]),
            events=options["events"],
            mix=_mix(options["mix"], endpoint.events),
            objectives=options["objectives"],
            target={**table, **changes, "headers": {**endpoint.target.headers, **changes.get("headers", {})}},
            retry=retry,
            seed=options["seed"],
            known_types=types,
            known_schemes=schemes,
            types_of=types_of,
            payloads=(Path(payload).stem, payload) if payload else None,
        )
    given = [name for name in _QUICK_ONLY if options[name]]
    if given:
        flags = ", ".join(_FLAGS.get(name, f"-{name[0]}") for name in given)
        raise UsageError(f"{flags}: a scenario says this itself; change {what}, or name a target instead of a scenario")
    if options["target"]:
        elsewhere = dict(resolve_target(options["target"], config).given)
        if "scheme" in changes:
            elsewhere.pop("custom", None)
        changes = {**elsewhere, **changes}
    scenario = load_scenario(
        read_text_file(what),
        source=what,
        known_types=types,
        known_schemes=schemes,
        known_cases=case_rules(),
        types_of=types_of,
        signing={key: changes[key] for key in ("scheme", "custom") if "scheme" in changes and key in changes},
    )
    return override(
        scenario,
        target=changes,
        retry=retry,
        objectives=options["objectives"],
        seed=options["seed"],
        known_schemes=schemes,
    )


def _target_changes(options: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {name: options[name] for name in _TARGET_KEYS if options.get(name) is not None}
    if options["insecure"]:
        changes["insecure"] = True
    headers = parse_headers(options["headers"])
    if headers:
        changes["headers"] = headers
    return changes


def _mix(given: tuple[str, ...], registered: tuple[str, ...]) -> list[tuple[str, float]]:
    mix = []
    for text in given:
        name, equals, weight = text.partition("=")
        try:
            mix.append((name, float(weight) if equals else 1.0))
        except ValueError:
            raise UsageError(f"-e {text}: the weight is not a number; write TYPE=3") from None
        if registered and name not in registered:
            raise UsageError(f"-e {name}: not registered for this endpoint; registered: {', '.join(registered)}")
    return mix or [(name, 1.0) for name in registered]


def _unit(flag: str, text: str | None) -> Any:
    from loadsim.plan import UnitError, parse_duration, parse_rate

    if text is None:
        return None
    try:
        return parse_rate(text) if flag == "-r" else parse_duration(text)
    except UnitError as error:
        raise UsageError(f"{flag}: {error}") from None


def _cluster(options: dict[str, Any], target: Target) -> Cluster | None:
    """Where `--cluster` spreads the run, and whether this target can be reached from there."""
    from loadsim.launch.cluster import cluster_of
    from loadsim.plan import EMBEDDED

    text = options.get("cluster")
    if not text:
        given = [f"--{name.replace('_', '-')}" for name in CLUSTER_KEYS if options.get(name)]
        if given:
            raise UsageError(f"{', '.join(given)}: only with --cluster")
        return None
    if options["workers"] != "1":
        raise UsageError("-w: with --cluster, --per-host says how many generator processes there are")
    found = cluster_of(
        text,
        per_host=options["per_host"] or 1,
        ship_secret=options["ship_secret"],
        allow_lost=options["allow_lost"] or 0,
        insecure=options["insecure_cluster"],
        ca=options["cluster_ca"],
        cert=options["cluster_cert"],
        key=options["cluster_key"],
    )
    if target.url == EMBEDDED and not found.here:
        raise UsageError("the embedded receiver is on this machine only: no other host can fire at it")
    return found


def _workers(text: str) -> int:
    from loadsim.launch.environment import available_cores

    if text == "auto":
        return available_cores()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 256:
        raise UsageError(f"-w {text}: a number from 1 to 256, or auto")
    return int(text)


# -- the run --------------------------------------------------------------------------------------------------------


async def _run(request: LoadRequest, *, quiet: bool) -> LoadOutcome:
    from loadsim.cli.live import live_view
    from loadsim.studies.load import run_load

    @contextlib.asynccontextmanager
    async def watch(run: Run) -> AsyncIterator[None]:
        run.say = lambda line: click.echo(f"loadsim: {line}", err=True)
        # the live view of a terminal says by itself that the run is stopping
        async with _interruptible(run, say=quiet or not sys.stderr.isatty()), live_view(run, quiet=quiet):
            yield

    return await run_load(request, watch)


@contextlib.asynccontextmanager
async def _interruptible(run: Run, *, say: bool) -> AsyncIterator[None]:
    """From the first event on Ctrl-C stops the run in an orderly way; before, there is nothing to keep."""
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if say and not run.interrupted:
            click.echo("loadsim: stopping: what is under way may still end (Ctrl-C again ends at once)", err=True)
        run.interrupt()

    async def listen() -> None:
        await run.started.wait()
        loop.add_signal_handler(signal.SIGINT, interrupt)

    listening = loop.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()
        loop.remove_signal_handler(signal.SIGINT)


def show(outcome: LoadOutcome, json_file: str | None) -> None:
    """The report on stdout (or the JSON alone), and where the files are."""
    from loadsim.cli.terminal import print_report
    from loadsim.launch.store import write_whole
    from loadsim.measure.result import dump_result

    if json_file == "-":
        sys.stdout.buffer.write(dump_result(outcome.result))
        return
    if json_file:
        write_whole(Path(json_file), dump_result(outcome.result))
    print_report(outcome.result)
    click.echo(f"\nKept in {outcome.directory}/: {', '.join(path.name for path in outcome.files)}")


def _show_plan(request: LoadRequest) -> None:
    from loadsim.plan import Plan
    from loadsim.report.plan_text import render_plan

    click.echo(render_plan(Plan(request.scenario, request.seed, request.pace), request.objectives), nl=False)
