"""`loadsim probe`: which bytes an endpoint's verification breaks on, and which times it accepts."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli.output import put, report_of
from loadsim.cli.single import event_for, single_options, target_with
from loadsim.exit_codes import Exit
from loadsim.model import NS_PER_S, Secret, UsageError

if TYPE_CHECKING:
    from loadsim.plan import Headers, Target
    from loadsim.settings import Endpoint
    from loadsim.signing import Scheme
    from loadsim.studies.probe.asker import ProbeRequest
    from loadsim.studies.probe.report import ClockReport, ProbeReport

LIMIT = "24h"
LONGEST_S = 10 * 365 * 86_400


@click.command()
@click.argument("target")
@click.option("--clock", is_flag=True, help="Find the window of time that is accepted, in place of the bytes.")
@click.option("-e", "--event", metavar="EVENT", help="Event type (default: the first that the endpoint takes).")
@click.option("--limit", metavar="TIME", help=f"With --clock: how old and how new to try (default {LIMIT}).")
@click.option("--tolerance", metavar="TIME", help="With --clock: the window that is due (default: the scheme's).")
@click.option("--pause", metavar="TIME", help="Wait so long between two events (default 0s).")
@single_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of the table.")
def command(target: str, **options: Any) -> None:
    """Find out what an endpoint's verification breaks on.

    A genuine event must be accepted and a forged one refused; then about 40 genuine events follow in unusual bytes:
    escapes, letters, numbers, white space, chunks. An endpoint that verifies the raw bytes accepts each. Where one
    fails, the cause is proven: the body is sent with the signature of what the endpoint is thought to make of it.

    With --clock: events that are ever older, then ever newer, until one is refused; the edge is found to the second.

    TARGET is a URL, the name of an endpoint in loadsim.toml, or embedded. Events are marked as simulations; what is
    accepted is an event like any other. At most 120 are sent, one after the other.

    \b
    Examples:
      loadsim probe http://127.0.0.1:8080/webhooks
      loadsim probe staging --json --pause 200ms
      loadsim probe staging --clock --tolerance 60s

    \b
    Exit codes: 0 nothing found, 99 findings, 1 no answer, 2 usage.
    """
    report = asyncio.run(_probe(target, options))
    _show(report, as_json=options["as_json"])
    sys.exit(Exit.failed if report.findings else Exit.ok)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line, `loadsim.toml` and the environment say, checked."""

    endpoint: Endpoint
    target: Target
    scheme: Scheme
    event: str
    headers: Headers
    pause_s: float
    window: tuple[int, float | None] | None
    """With --clock: how far to look, and what is due."""


async def _probe(argument: str, options: dict[str, Any]) -> ProbeReport | ClockReport:
    from loadsim.studies.probe.procedure import probe_clock, probe_rawness

    asked = _checked(argument, options)
    async with _asking(asked) as request:
        if asked.window is None:
            return await probe_rawness(request)
        limit_s, tolerance_s = asked.window
        return await probe_clock(request, tolerance_s=tolerance_s, limit_s=limit_s)


def _checked(argument: str, options: dict[str, Any]) -> _Asked:
    """Everything that can be wrong, before anything is sent. Raises UsageError."""
    from loadsim.run.compose import read_config
    from loadsim.settings import resolve_headers, resolve_target
    from loadsim.signing import scheme

    endpoint = resolve_target(argument, read_config())
    target = target_with(endpoint, options)
    chosen = scheme(target.scheme, target.custom)
    return _Asked(
        endpoint,
        target,
        chosen,
        event_for(endpoint, target, options["event"], any_will_do=True),
        resolve_headers(target.headers),
        _seconds("--pause", options["pause"] or "0s"),
        _window(chosen, options),
    )


def _window(scheme: Scheme, options: dict[str, Any]) -> tuple[int, float | None] | None:
    """How far to look for the window's edges and what is due, in seconds; None without --clock. Raises UsageError."""
    if not options["clock"]:
        if given := [name for name in ("limit", "tolerance") if options[name] is not None]:
            raise UsageError(f"--{given[0]} goes with --clock")
        return None
    if scheme.timestamp is None:
        raise UsageError(f"the scheme {scheme.name} signs no timestamp: there is no window of time to probe")
    limit_s = _seconds("--limit", options["limit"] or LIMIT)
    tolerance_s = scheme.tolerance_s if options["tolerance"] is None else _seconds("--tolerance", options["tolerance"])
    if not 1 <= limit_s <= LONGEST_S or limit_s != int(limit_s):
        raise UsageError("--limit: give whole seconds, from 1s to ten years")
    if tolerance_s is not None and not 1 <= tolerance_s < limit_s - 1:
        raise UsageError(
            f"a window of {tolerance_s:g} s is due: it must be at least 1 s, and --limit ({limit_s:g} s) beyond it"
        )
    return int(limit_s), tolerance_s


@contextlib.asynccontextmanager
async def _asking(asked: _Asked) -> AsyncIterator[ProbeRequest]:
    """The request to the endpoint; with `embedded`, to a receiver that lives as long as the context."""
    from loadsim.plan import EMBEDDED
    from loadsim.settings import read_secret

    target, scheme = asked.target, asked.scheme
    if target.url != EMBEDDED:
        secret = read_secret(
            secret_env=target.secret_env, secret_file=target.secret_file, default_env=scheme.default_secret_env
        )
        yield _request(asked, target.url, secret)
        return
    from loadsim.receiver.embedded import start_receiver
    from loadsim.receiver.options import ReceiverOptions

    secret = Secret(secrets.token_hex(24))
    options = ReceiverOptions(scheme=target.scheme, custom=target.custom, public_url=target.public_url, admin=None)
    async with await start_receiver(options, secret) as receiver:
        yield _request(asked, receiver.url, secret)


def _request(asked: _Asked, url: str, secret: Secret) -> ProbeRequest:
    from loadsim.engine.trust import trust_of
    from loadsim.plan.redact import from_environment
    from loadsim.settings import read_key_password
    from loadsim.studies.probe.asker import ProbeRequest
    from loadsim.studies.probe.report import Subject

    target = asked.target
    return ProbeRequest(
        Subject(url, asked.scheme.name, asked.event, asked.endpoint.name),
        asked.scheme,
        secret,
        target.public_url or url,
        asked.headers,
        target.timeout / NS_PER_S,
        trust_of(target, read_key_password(target.key_password_env)),
        from_environment(target.headers),
        asked.pause_s,
    )


def _seconds(option: str, text: str) -> float:
    from loadsim.plan import UnitError, parse_duration

    try:
        return parse_duration(text) / NS_PER_S
    except UnitError as error:
        raise UsageError(f"{option}: {error}") from None


def _show(report: ProbeReport | ClockReport, *, as_json: bool) -> None:
    """The table, or the JSON object, on standard output."""
    import orjson

    from loadsim.cli.terminal import print_report
    from loadsim.studies.probe.report import ClockReport, clock_document, probe_any_report, probe_document

    if not as_json:
        with report_of():
            print_report(probe_any_report(report))
    elif isinstance(report, ClockReport):
        put(orjson.dumps(clock_document(report)) + b"\n")
    else:
        put(orjson.dumps(probe_document(report)) + b"\n")
