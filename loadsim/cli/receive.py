"""`loadsim receive`: runs the companion receiver until an interrupt."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import click

from loadsim.cli import completing
from loadsim.cli.capture_options import capture_options
from loadsim.cli.options import secret_options, with_options
from loadsim.cli.output import json_option, put_json
from loadsim.cli.receiver_options import ADDRESS, DURATION, receiver_options
from loadsim.cli.streams import write_line
from loadsim.exit_codes import exit_codes
from loadsim.host_checks import is_loopback
from loadsim.model import NS_PER_S, UsageError, counted
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.options import DEFAULT_LEDGER_LIMIT, DEFAULT_PATH, ReceiverOptions
from loadsim.receiver.summary import ReceiverSummary
from loadsim.receiver.supervisor import ReceiverStats
from loadsim.secret_sources import read_secret
from loadsim.settings import read_custom
from loadsim.signals import interrupts
from loadsim.signing import CUSTOM
from loadsim.signing import scheme as find_scheme
from loadsim.studies.save import utc_now


@click.command("receive", epilog=exit_codes(ok="stopped", error="the address cannot be used or internal error"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free port.")
@click.option("--path", default=DEFAULT_PATH, show_default=True, help="The path for webhooks, or 'any'.")
@click.option(
    "--scheme", default="trackpilots", shell_complete=completing.schemes, show_default=True, help="Signature scheme."
)
@click.option("--custom", metavar="FILE", help="TOML file that describes the scheme (sets --scheme custom).")
@click.option("--public-url", metavar="URL", help="The URL that senders use, for schemes that sign it.")
@with_options(*secret_options(), *secret_options("the old secret of a rotation, accepted too", "old-"))
@click.option(
    "--retire-after", type=DURATION, help="Refuse the old secret after this time, counted from the first request."
)
@click.option("--no-verify", is_flag=True, help="Accept every request without checking signatures.")
@click.option(
    "--tolerance", type=DURATION, help="Largest age and lead of a timestamp; 0s: any. [default: the scheme's]"
)
@click.option(
    "--fetch-certificates",
    is_flag=True,
    help="Fetch certificates that deliveries name from the provider's own hosts, and take these too.",
)
@receiver_options
@capture_options
@click.option(
    "--admin",
    type=ADDRESS,
    default="127.0.0.1:8081",
    show_default=True,
    help="Address for GET /stats, GET /ledger?run=ID and GET /effects?run=ID (port 0: any free port).",
)
@click.option(
    "--admin-name",
    "admin_names",
    metavar="HOST",
    multiple=True,
    help="A Host name that is accepted there, beside IP addresses and localhost. Repeatable.",
)
@click.option(
    "--ledger-limit",
    type=click.IntRange(0),
    default=DEFAULT_LEDGER_LIMIT,
    show_default=True,
    help="The ledger counts events with an index below this; 0: no ledger.",
)
@click.option("--effects-db", metavar="FILE", help="Write effects to the table `effects` of this SQLite file too.")
@click.option("--effects-file", metavar="FILE", help="Append effects to this file too, as JSON lines.")
@click.option("-v", "--verbose", is_flag=True, help="Print one line per verified event on stderr.")
@click.option("--log-json", is_flag=True, help="Print one JSON object per verified event, without its body, on stdout.")
@json_option("loadsim.receiver/1", instead_of="the counts at the end")
def command(
    *,
    host: str,
    port: int,
    path: str,
    scheme: str,
    custom: str | None,
    public_url: str | None,
    secret_env: str | None,
    secret_file: str | None,
    old_secret_env: str | None,
    old_secret_file: str | None,
    retire_after: int | None,
    no_verify: bool,
    tolerance: int | None,
    fetch_certificates: bool,
    admin: tuple[str, int],
    admin_names: tuple[str, ...],
    ledger_limit: int,
    effects_db: str | None,
    effects_file: str | None,
    verbose: bool,
    log_json: bool,
    as_json: bool,
    **behaviour: Any,
) -> None:
    """Start the companion receiver: it verifies signed webhooks and counts them.

    It answers 200 to a verified event and 400 or 401 to others. On Ctrl-C it answers the requests in flight and stops.
    Counters are at http://ADMIN/stats. http://ADMIN/ledger?run=ID has the events of a load run that arrived: with
    `ledger = "http://ADMIN/ledger"` in the scenario, or `run --ledger`, the run reports lost and duplicated events.
    With --process, http://ADMIN/effects?run=ID shows when the work behind each event was done.
    With --capture, accepted deliveries are kept in a file that `run --payload` sends again. With --forward, every
    delivery is passed on to a server of yours, which answers.

    \b
    Examples:
      loadsim receive --verbose
      loadsim receive --port 9000 --delay 50ms --slots 10     (capacity: 200 events/s)
      loadsim receive --stall 10s:1.4s --workers 2
      loadsim receive --down 10s:5s --down 30s:1s             (two outages)
      loadsim receive --delay 20ms --delay-p99 400ms          (log-normal: a long tail)
      loadsim receive --capture deliveries.ndjson --redact data.user.email
      loadsim receive --scheme stripe --no-verify --path /hooks --forward localhost:4242/webhook
      loadsim receive --process lognormal:50ms --processors 4 (answers at once, works later)
      loadsim receive --fail 503:1% --fail 429:2% --retry-after 2s --reset 0.5% --seed 7
    """
    options = ReceiverOptions(
        host=host,
        port=port,
        path=path,
        scheme=CUSTOM if custom else scheme,
        custom=read_custom(custom) if custom else None,
        public_url=public_url,
        verify=not no_verify,
        fetch_certificates=fetch_certificates,
        tolerance_s=None if tolerance is None else tolerance / NS_PER_S,
        retire_ns=retire_after,
        admin=admin,
        admin_names=admin_names,
        ledger_limit=ledger_limit,
        effects_db=effects_db,
        effects_file=effects_file,
        verbose=verbose,
        log_json=log_json,
        **behaviour,
    )
    if as_json and log_json:
        raise UsageError("--log-json and --json both write to standard output: leave one of them out")
    has_old = old_secret_env is not None or old_secret_file is not None
    if no_verify and (secret_env or secret_file or has_old):
        raise UsageError("--no-verify uses no secret: leave out the options that name one")
    if retire_after is not None and not has_old:
        raise UsageError("--retire-after needs an old secret: give --old-secret-env or --old-secret-file")
    secret = old_secret = None
    if has_old:
        old_secret = read_secret(secret_env=old_secret_env, secret_file=old_secret_file, default_env=None)
    if not no_verify:
        default_env = find_scheme(options.scheme, options.custom).default_secret_env
        secret = read_secret(secret_env=secret_env, secret_file=secret_file, default_env=default_env)

    async def serve() -> ReceiverSummary:
        stop = asyncio.Event()
        started_at = utc_now()
        with contextlib.ExitStack() as handling:
            handling.enter_context(interrupts(stop.set))  # before the address is printed
            receiver = await start_receiver(options, secret, old_secret=old_secret, say=_say)
            async with receiver:
                _announce(receiver, options)
                await stop.wait()
                handling.close()  # a second interrupt ends the process at once
                _say("stopping: answering the requests in flight")
        return ReceiverSummary(
            url=receiver.url,
            scheme=options.scheme if options.verify else None,
            started_at=started_at,
            ended_at=utc_now(),
            stats=receiver.stats(),
        )

    summary = asyncio.run(serve())
    if as_json:
        put_json(summary)
    else:
        _summary(summary.stats)


def _say(line: str) -> None:
    write_line(line)


def _announce(receiver: RunningReceiver, options: ReceiverOptions) -> None:
    how = f"verifies {options.scheme}" if options.verify else "without verification"
    _say(f"receiving on {receiver.url} ({how}, {options.engine}, {counted(options.workers, 'worker')})")
    effects = "" if receiver.effects_url is None else f", effects at {receiver.effects_url}"
    if receiver.certificate_url is not None:
        _say(f"certificate at {receiver.certificate_url}")
    _say(f"counters at {receiver.admin_url}/stats{effects}; press Ctrl-C to stop")
    if options.forward is not None:
        _say(f"passing deliveries on to {options.forward}")
    if options.capture is not None:
        _say(f"capturing accepted deliveries in {options.capture}")
    if options.admin is not None and not is_loopback(options.admin[0]):
        _say(f"warning: {options.admin[0]} is not loopback: anyone can read the counters and register runs there")


def _summary(stats: ReceiverStats) -> None:
    total = stats.total
    words = [f"received {total.received:,}", f"verified {total.verified:,}"]
    if total.unchecked:
        words.append(f"accepted unverified {total.unchecked:,}")
    words += [f"{name.replace('_', ' ')} {count:,}" for name, count in total.rejected.items()]
    if total.failed_on_purpose:
        resets = f" ({total.reset_on_purpose:,} by a reset)" if total.reset_on_purpose else ""
        words.append(f"failed on purpose {total.failed_on_purpose:,}{resets}")
    if stats.restarts:
        words.append(f"worker restarts {stats.restarts:,}")
    _say(" · ".join(words))
    answers = ", ".join(f"{status}: {count:,}" for status, count in total.status.items())
    _say(f"answered {total.answered:,}" + (f" ({answers})" if answers else ""))
    if (captured := stats.captured) is not None:
        where = (
            captured.last if captured.files == 1 else f"{counted(captured.files, 'file')}, the last is {captured.last}"
        )
        lost = f", not captured {captured.lost:,}" if captured.lost else ""
        _say(f"captured {captured.rows:,} in {where}{lost}")
    if (work := stats.work) is not None:
        words = [f"done after the answer {work.done:,}", f"repeated {work.repeated:,}", f"lost {work.lost:,}"]
        words += [f"backlog {work.backlog:,}", f"refused for a full queue {work.refused:,}"]
        _say(" · ".join(words))
