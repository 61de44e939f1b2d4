"""`loadsim probe`: finds the bytes on which an endpoint's verification fails, or the times that it accepts."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli import completing
from loadsim.cli.output import json_option, put_json, put_line, report_of
from loadsim.cli.single_event_options import event_for, single_options, target_with
from loadsim.exit_codes import Exit, exit_codes
from loadsim.model import NS_PER_S, Secret, UsageError

if TYPE_CHECKING:
    from loadsim.plan import Headers, Target
    from loadsim.settings import Endpoint
    from loadsim.signing import Scheme
    from loadsim.studies.probe.asker import ProbeRequest
    from loadsim.studies.probe.result import ClockResult, ProbeResult, StoredProbe

LIMIT = "24h"
LONGEST_S = 10 * 365 * 86_400


@click.command(epilog=exit_codes(ok="nothing found", error="no answer", failed="findings"))
@click.argument("target", shell_complete=completing.endpoints)
@click.option("--clock", is_flag=True, help="Find the window of time that is accepted, instead of testing bytes.")
@click.option(
    "-e",
    "--event",
    metavar="EVENT",
    shell_complete=completing.events,
    help="Event type (default: the first that the endpoint accepts).",
)
@click.option("--limit", metavar="TIME", help=f"With --clock: the largest age and lead to try (default {LIMIT}).")
@click.option("--tolerance", metavar="TIME", help="With --clock: the expected window (default: the scheme's).")
@click.option("--pause", metavar="TIME", help="Time to wait between two events (default 0s).")
@single_options
@click.option("--out", default="reports", show_default=True, metavar="DIR", help="Directory for the results.")
@json_option("loadsim.probe.forms/1", "loadsim.probe.clock/1")
def command(target: str, **options: Any) -> None:
    """Find the bytes on which an endpoint's verification fails.

    A genuine event must be accepted and a forged one refused; then about 40 genuine events follow in unusual bytes:
    escapes, letters, numbers, white space, chunks. An endpoint that verifies the raw bytes accepts each. Where one
    fails, the cause is proven: the body is sent with the signature that fits the suspected fault of the endpoint.

    With --clock: sends older and older, then newer and newer events until one is refused, and finds both limits to the
    second.

    TARGET is a URL, the name of an endpoint in loadsim.toml, or embedded. Events are marked as simulations, but the
    endpoint processes those that it accepts. At most 120 are sent, one after the other.

    \b
    Examples:
      loadsim probe http://127.0.0.1:8080/webhooks
      loadsim probe staging --json --pause 200ms
      loadsim probe staging --clock --tolerance 60s
    """
    from loadsim.cli.terminal import print_report
    from loadsim.run.run_store_judge import free_directory
    from loadsim.studies.probe.document import probe_document
    from loadsim.studies.probe.report import stored_report
    from loadsim.studies.save import save_study, utc_now

    out = Path(options["out"])
    started_at = utc_now()
    result = asyncio.run(_probe(target, options, lambda: free_directory(out)))
    stored = _stored(result, started_at)
    report = stored_report(stored)
    directory = save_study(out, stored.id, "probe.json", stored, report)
    if options["as_json"]:
        put_json(probe_document(stored))
    else:
        with report_of(directory):
            print_report(report)
            put_line(f"\nSaved to {directory}/: probe.json, summary.md, report.html")
    sys.exit(Exit.failed if result.findings else Exit.ok)


@dataclass(frozen=True, slots=True)
class _Settings:
    """The checked settings of a probe, from the command line, `loadsim.toml` and the environment."""

    endpoint: Endpoint
    target: Target
    scheme: Scheme
    event: str
    headers: Headers
    pause_s: float
    window: tuple[int, float | None] | None
    """With --clock: the limit of the search, and the expected tolerance, in seconds."""


async def _probe(argument: str, options: dict[str, Any], prepare: Callable[[], None]) -> ProbeResult | ClockResult:
    """Probe the endpoint. `prepare` is called once everything was checked, before the first event."""
    from loadsim.studies.probe.procedure import probe_clock, probe_rawness

    settings = _checked(argument, options)
    prepare()
    async with _request_to(settings) as request:
        if settings.window is None:
            return await probe_rawness(request)
        limit_s, tolerance_s = settings.window
        return await probe_clock(request, tolerance_s=tolerance_s, limit_s=limit_s)


def _checked(argument: str, options: dict[str, Any]) -> _Settings:
    """Check everything before the first event. Raises UsageError."""
    from loadsim.run.config_file import read_config
    from loadsim.secret_sources import resolve_headers
    from loadsim.settings import resolve_target
    from loadsim.signing import scheme

    endpoint = resolve_target(argument, read_config())
    target = target_with(endpoint, options)
    chosen = scheme(target.scheme, target.custom)
    event = event_for(endpoint, target, options["event"], any_will_do=True)
    if not options["clock"]:
        _check_raw(chosen, event)
    return _Settings(
        endpoint,
        target,
        chosen,
        event,
        resolve_headers(target.headers),
        _seconds("--pause", options["pause"] or "0s"),
        _window(chosen, options),
    )


def _check_raw(scheme: Scheme, event: str) -> None:
    """Raise UsageError where there is nothing to find out: the endpoint need not verify the raw bytes, or the forms,
    which are JSON, cannot be sent."""
    from loadsim.events import FORM_TYPE, event_type, holds_json

    kind = event_type(event)
    if kind.content_type == FORM_TYPE:
        # Values are enough: an endpoint that reads one of them otherwise than it was sent fails.
        if scheme.signature.place != "header" or not (
            scheme.covers_body or any(part.source == "form-sorted" for part in scheme.parts)
        ):
            raise UsageError(f"the scheme {scheme.name} does not sign the form as a whole: there is nothing to probe")
        return
    if not scheme.covers_body:
        raise UsageError(f"the scheme {scheme.name} does not sign the raw bytes of the body: there is nothing to probe")
    if not holds_json(kind.content_type) or not kind.template.startswith(b"{"):
        raise UsageError(f"{event} is neither a JSON object nor a form: its forms are not probed (--clock works)")


def _window(scheme: Scheme, options: dict[str, Any]) -> tuple[int, float | None] | None:
    """The limit of the search and the expected tolerance, in seconds; None without --clock. Raises UsageError."""
    if not options["clock"]:
        if given := [name for name in ("limit", "tolerance") if options[name] is not None]:
            raise UsageError(f"--{given[0]} needs --clock")
        return None
    if scheme.timestamp is None:
        raise UsageError(f"the scheme {scheme.name} signs no timestamp: there is no window of time to probe")
    limit_s = _seconds("--limit", options["limit"] or LIMIT)
    tolerance_s = scheme.tolerance_s if options["tolerance"] is None else _seconds("--tolerance", options["tolerance"])
    if not 1 <= limit_s <= LONGEST_S or limit_s != int(limit_s):
        raise UsageError("--limit: give whole seconds, from 1s to ten years")
    if tolerance_s is not None and not 1 <= tolerance_s < limit_s - 1:
        raise UsageError(
            f"the expected window is {tolerance_s:g} s: it must be at least 1 s, and --limit ({limit_s:g} s) beyond it"
        )
    return int(limit_s), tolerance_s


@contextlib.asynccontextmanager
async def _request_to(settings: _Settings) -> AsyncIterator[ProbeRequest]:
    """The request to the endpoint; with `embedded`, to a receiver that lives as long as the context."""
    from loadsim.plan import EMBEDDED
    from loadsim.secret_sources import new_secret, read_secret

    target, scheme = settings.target, settings.scheme
    if target.url != EMBEDDED:
        secret = read_secret(
            secret_env=target.secret_env, secret_file=target.secret_file, default_env=scheme.default_secret_env
        )
        yield _request(settings, target.url, secret)
        return
    from loadsim.receiver.embedded import start_receiver
    from loadsim.receiver.options import ReceiverOptions

    secret = new_secret(scheme)
    options = ReceiverOptions(scheme=target.scheme, custom=target.custom, public_url=target.public_url, admin=None)
    async with await start_receiver(options, secret) as receiver:
        yield _request(settings, receiver.url, secret)


def _request(settings: _Settings, url: str, secret: Secret) -> ProbeRequest:
    from loadsim.engine.tls_settings import trust_of
    from loadsim.plan.redact import from_environment
    from loadsim.secret_sources import read_key_password
    from loadsim.studies.probe.asker import ProbeRequest
    from loadsim.studies.probe.result import ProbedEndpoint

    target = settings.target
    return ProbeRequest(
        ProbedEndpoint(url, settings.scheme.name, settings.event, settings.endpoint.name),
        settings.scheme,
        secret,
        target.public_url or url,
        settings.headers,
        target.timeout / NS_PER_S,
        trust_of(target, read_key_password(target.key_password_env)),
        target.http,
        from_environment(target.headers),
        settings.pause_s,
    )


def _seconds(option: str, text: str) -> float:
    from loadsim.plan import UnitError, parse_duration

    try:
        return parse_duration(text) / NS_PER_S
    except UnitError as error:
        raise UsageError(f"{option}: {error}") from None


def _stored(result: ProbeResult | ClockResult, started_at: str) -> StoredProbe:
    """The result with what identifies it."""
    from loadsim import __version__
    from loadsim.run.run_ids import new_id
    from loadsim.studies.probe.result import stored_probe
    from loadsim.studies.save import utc_now

    return stored_probe(
        result, probe_id=new_id("probe"), started_at=started_at, ended_at=utc_now(), version=__version__
    )
