"""`loadsim bench receiver`: turns the options into one benchmark, runs it, saves and prints its figures."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli import completing
from loadsim.cli.options import secret_options, with_options
from loadsim.cli.output import json_option, put_json, put_line, report_of
from loadsim.cli.step_lines import step_lines
from loadsim.exit_codes import BENCHES, Exit, exit_codes
from loadsim.model import UsageError
from loadsim.signals import interrupts

if TYPE_CHECKING:
    from loadsim.studies.bench_receiver.procedure import ReceiverBenchmark, ReceiverRequest
    from loadsim.studies.bench_receiver.result import ReceiverBench


@click.command(
    epilog=exit_codes(
        Exit.interrupted, ok="measured", invalid="the machine was too noisy", failed="a receiver is wrong"
    )
)
@click.option(
    "--app", metavar="PACKAGE.MODULE:NAME", help="Your aiohttp or ASGI application, or a function that makes it."
)
@click.option(
    "--path",
    default="/webhooks/trackpilots",
    show_default=True,
    help="The path where your application receives events.",
)
@click.option(
    "--scheme", default="trackpilots", shell_complete=completing.schemes, show_default=True, help="Signature scheme."
)
@click.option("--custom", metavar="FILE", help="TOML file that describes the scheme (sets --scheme custom).")
@click.option("--public-url", metavar="URL", help="The signed URL, for schemes that sign it.")
@with_options(*secret_options("the secret of your application"))
@click.option(
    "-r",
    "--rate",
    "rates",
    multiple=True,
    metavar="RATE",
    help="A rate to measure at; repeatable. [1000/s 4000/s 8000/s]",
)
@click.option(
    "--rounds", type=click.IntRange(3, 100), default=7, show_default=True, help="Number of windows at full speed."
)
@click.option("--step", default="2s", show_default=True, metavar="TIME", help="Length of a window.")
@click.option("--out", default="reports", show_default=True, metavar="DIR", help="Directory for the results.")
@json_option("loadsim.bench.receiver/1")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the report.")
def command(**options: Any) -> None:
    """Measure what a verified event costs over HTTP on this machine.

    Measures our receiver on its two engines, with and without verification, and your own application, which is started
    here in one process: an aiohttp web.Application, an ASGI application (needs uvicorn: the extra asgi), or a function
    that makes one. A WSGI application (Flask) has to be wrapped: asgiref.wsgi.WsgiToAsgi(app). It reads its own secret.
    The costs of framework and signature are separated by subtraction; response times are measured at several rates. A
    receiver that accepts forged events is named and not timed.

    \b
    Examples:
      loadsim bench receiver
      loadsim bench receiver --app shop.web:make_app --path /hooks --secret-env SHOP_SECRET
      loadsim bench receiver --app shop.api:app -r 500/s -r 2000/s
    """
    from loadsim.cli.terminal import print_report
    from loadsim.run.run_store_judge import free_directory
    from loadsim.studies.bench_receiver.procedure import ReceiverBenchmark
    from loadsim.studies.bench_receiver.report import receiver_report
    from loadsim.studies.save import save_study

    request = _compose(options)
    out = Path(options["out"])
    free_directory(out)
    with step_lines(quiet=options["quiet"]) as lines:
        result = asyncio.run(_execute(ReceiverBenchmark(request, lines.say, lines.progress)))
    report = receiver_report(result)
    directory = save_study(out, result.id, "receiver.json", result, report)
    if options["as_json"]:
        put_json(result)
    else:
        with report_of(directory):
            print_report(report)
            put_line(f"\nSaved to {directory}/: receiver.json, summary.md, report.html")
    sys.exit(BENCHES[result.ending])


async def _execute(bench: ReceiverBenchmark) -> ReceiverBench:
    with interrupts(bench.interrupt):
        return await bench.execute()


def _compose(options: dict[str, Any]) -> ReceiverRequest:
    """The options as one request, before anything is started. Raises UsageError."""
    from loadsim.events import default_types
    from loadsim.plan import UnitError, parse_duration
    from loadsim.secret_sources import new_secret, read_secret
    from loadsim.settings import read_custom
    from loadsim.signing import CUSTOM, family, scheme
    from loadsim.studies.bench_receiver.procedure import RATES, ReceiverRequest
    from loadsim.studies.bench_receiver.subjects import Setting

    custom = None if options["custom"] is None else read_custom(options["custom"])
    name = CUSTOM if custom is not None else options["scheme"]
    described = scheme(name, custom, where=options["custom"] or "--custom")
    own = options["app"] is not None
    if not own and (options["secret_env"] is not None or options["secret_file"] is not None):
        raise UsageError("a secret is for --app only: without it a random one is used")
    secret = new_secret(described)
    if own:
        secret = read_secret(
            secret_env=options["secret_env"],
            secret_file=options["secret_file"],
            default_env=described.default_secret_env,
        )
    described.verifier(secret, url=options["public_url"] or "http://127.0.0.1/")  # raises for a key in the wrong format
    if not options["path"].startswith("/"):
        raise UsageError(f"--path {options['path']}: begins with '/'")
    try:
        step_ns = parse_duration(options["step"])
    except UnitError as error:
        raise UsageError(f"--step: {error}") from None
    if not 10**9 <= step_ns <= 60 * 10**9:
        raise UsageError(f"--step {options['step']}: must lie between 1s and 60s")
    setting = Setting(
        secret=secret,
        scheme=name,
        custom=custom,
        public_url=options["public_url"],
        app=options["app"],
        path=options["path"],
        events=default_types(family(described))[:1],
    )
    return ReceiverRequest(setting, _rates(options["rates"]) or RATES, options["rounds"], step_ns)


def _rates(texts: tuple[str, ...]) -> list[int]:
    from loadsim.plan import UnitError
    from loadsim.plan.units import parse_rate

    rates = []
    for text in texts:
        try:
            rate = parse_rate(text)
        except UnitError as error:
            raise UsageError(f"--rate: {error}") from None
        if rate.denominator != 1 or not 1 <= rate <= 100_000:
            raise UsageError(f"--rate {text}: must be a whole number of events per second from 1 to 100,000")
        rates.append(int(rate))
    return sorted(set(rates))
