"""`loadsim bench verify`: turns the options into one benchmark, runs it, saves and prints its figures."""

from __future__ import annotations

import contextlib
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
from loadsim.signals import interrupts_here

if TYPE_CHECKING:
    from loadsim.studies.bench_verify.procedure import VerifyRequest


@click.command(
    epilog=exit_codes(
        Exit.interrupted,
        ok="right and within bounds",
        invalid="the machine was too noisy",
        failed="a verifier is wrong or a bound is missed",
    )
)
@click.option(
    "--scheme",
    "schemes",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.schemes,
    help="Signature scheme; repeatable. [default: all that sign with an HMAC]",
)
@click.option("--custom", metavar="FILE", help="TOML file that describes the scheme called custom.")
@click.option("--size", "sizes", multiple=True, metavar="SIZE", help="Body size, e.g. 1KB; repeatable. [64B to 256KB]")
@click.option("--verifier", metavar="PACKAGE.MODULE:FUNCTION", help="Your own verifier, called as (headers, body).")
@with_options(*secret_options("the secret that your verifier checks with"))
@click.option("--url", metavar="URL", help="The signed URL, for schemes that sign it.")
@click.option("--rounds", type=click.IntRange(6, 1000), default=15, show_default=True, help="Timings of each row.")
@click.option("--out", default="reports", show_default=True, metavar="DIR", help="Directory for the results.")
@json_option("loadsim.bench.verify/1")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the report.")
def command(**options: Any) -> None:
    """Measure cost of verifying one delivery, in this process, on one core.

    Measures our verifier, the MAC functions of Python's hmac and of cryptography, the providers' own libraries where
    they are installed, and your own function. Each verifier must first accept a genuine delivery and refuse tampered,
    forged, unsigned and stale ones; one that fails this is named and not timed. Your function is called as
    (headers, body). It accepts by a true value, or by None if it refuses by an exception. It reads its own secret.

    \b
    Examples:
      loadsim bench verify
      loadsim bench verify --scheme stripe --scheme github --size 300B --size 20KB
      loadsim bench verify --scheme trackpilots --verifier shop.webhooks:verify
    """
    from loadsim.cli.terminal import print_report
    from loadsim.run.run_store_judge import free_directory
    from loadsim.studies.bench_verify.procedure import VerifyBenchmark
    from loadsim.studies.bench_verify.report import verify_report
    from loadsim.studies.save import save_study

    request = _compose(options)
    out = Path(options["out"])
    free_directory(out)
    with step_lines(quiet=options["quiet"]) as lines, contextlib.ExitStack() as handling:
        bench = VerifyBenchmark(request, lines.say, lines.progress)
        handling.enter_context(interrupts_here(bench.interrupt))
        result = bench.execute()
    report = verify_report(result)
    directory = save_study(out, result.id, "verify.json", result, report)
    if options["as_json"]:
        put_json(result)
    else:
        with report_of(directory):
            print_report(report)
            put_line(f"\nSaved to {directory}/: verify.json, summary.md, report.html")
    sys.exit(BENCHES[result.ending])


def _compose(options: dict[str, Any]) -> VerifyRequest:
    """The options as one request, before anything is measured. Raises UsageError."""
    from loadsim.secret_sources import read_secret
    from loadsim.settings import read_custom
    from loadsim.signing import CUSTOM, scheme, scheme_names
    from loadsim.studies.bench_verify.deliveries import timeable
    from loadsim.studies.bench_verify.procedure import DEFAULT_SCHEME, SIZES, URL, VerifyRequest
    from loadsim.studies.bench_verify.verifiers import own

    names = list(dict.fromkeys(options["schemes"]))
    custom = None if options["custom"] is None else read_custom(options["custom"])
    if custom is not None and CUSTOM not in names:
        names.append(CUSTOM)
    verifier, secret = None, None
    if options["verifier"] is not None:
        if len(names) > 1:
            raise UsageError("--verifier needs exactly one --scheme: the one that it verifies")
        names = names or [DEFAULT_SCHEME]
    elif options["secret_env"] is not None or options["secret_file"] is not None:
        raise UsageError("a secret is for --verifier only: without it a random one is used")
    found = [
        scheme(name, custom, where=options["custom"]) if name == CUSTOM else scheme(name)
        for name in names or (name for name in scheme_names() if scheme(name).is_usual)
    ]
    for each in found:
        if not timeable(each):
            raise UsageError(
                f"--scheme {each.name}: only an HMAC in a header, over body, time, id and URL, or a token that holds a "
                "hash of the body, can be timed"
            )
    if options["verifier"] is not None:
        secret = read_secret(
            secret_env=options["secret_env"],
            secret_file=options["secret_file"],
            default_env=found[0].default_secret_env,
        )
        verifier = own(options["verifier"])
    return VerifyRequest(
        schemes=found,
        sizes=_sizes(options["sizes"]) or SIZES,
        rounds=options["rounds"],
        secret=secret,
        own=verifier,
        url=options["url"] or URL,
    )


def _sizes(texts: tuple[str, ...]) -> list[int]:
    from loadsim.plan import UnitError
    from loadsim.plan.units import parse_size
    from loadsim.studies.bench_verify.deliveries import SMALLEST_BODY

    sizes = []
    for text in texts:
        try:
            size = parse_size(text)
        except UnitError as error:
            raise UsageError(f"--size: {error}") from None
        if not SMALLEST_BODY <= size <= 16_000_000:
            raise UsageError(f"--size {text}: must lie between {SMALLEST_BODY}B and 16MB")
        sizes.append(size)
    return sorted(set(sizes))
