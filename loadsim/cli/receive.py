"""`loadsim receive`: the companion receiver, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import click

from loadsim.addresses import is_loopback
from loadsim.cli.conduct import ADDRESS, DURATION, conduct_options
from loadsim.cli.options import secret_options, with_options
from loadsim.cli.output import write_line
from loadsim.interrupts import interrupts
from loadsim.model import NS_PER_S, UsageError
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.ledger import DEFAULT_LIMIT
from loadsim.receiver.options import DEFAULT_PATH, ReceiverOptions
from loadsim.receiver.supervisor import Stats
from loadsim.settings import read_custom, read_secret
from loadsim.signing import CUSTOM
from loadsim.signing import scheme as find_scheme


@click.command("receive")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 = a free port.")
@click.option("--path", default=DEFAULT_PATH, show_default=True, help="The path that takes webhooks, or 'any'.")
@click.option("--scheme", default="trackpilots", show_default=True, help="Signature scheme.")
@click.option("--custom", metavar="FILE", help="TOML file that describes the scheme (sets --scheme custom).")
@click.option("--public-url", metavar="URL", help="The URL that senders have on file, for schemes that sign it.")
@with_options(*secret_options(), *secret_options("one that is rotated out, accepted beside it", "old-"))
@click.option("--retire-after", type=DURATION, help="Refuse the old secret from so long after the first request on.")
@click.option("--no-verify", is_flag=True, help="Take everything without looking at signatures.")
@click.option("--tolerance", type=DURATION, help="How old or new a timestamp may be; 0s = any. [default: the scheme's]")
@conduct_options
@click.option(
    "--admin",
    type=ADDRESS,
    default="127.0.0.1:8081",
    show_default=True,
    help="Where GET /stats and GET /ledger?run=ID are served (port 0: any).",
)
@click.option(
    "--admin-name",
    "admin_names",
    metavar="HOST",
    multiple=True,
    help="A host name that requests there may name, beside addresses and localhost. Repeatable.",
)
@click.option(
    "--ledger-limit",
    type=click.IntRange(0),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Keep which events of a load run came, by indexes below this; 0 keeps no ledger.",
)
@click.option("-v", "--verbose", is_flag=True, help="One line per verified event, on stderr.")
@click.option("--log-json", is_flag=True, help="One JSON object per verified event, on stdout; never its body.")
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
    admin: tuple[str, int],
    admin_names: tuple[str, ...],
    ledger_limit: int,
    verbose: bool,
    log_json: bool,
    **conduct: Any,
) -> None:
    """Start the companion receiver: it verifies signed webhooks and counts what came.

    It answers 200 to a verified event, 400 or 401 to one that is not, and stops on Ctrl-C after it has answered what is
    in flight. The counters are at http://ADMIN/stats. Which events of a load run came is at http://ADMIN/ledger?run=ID:
    with `ledger = "http://ADMIN/ledger"` in the scenario, or `run --ledger`, the run tells what was lost or duplicated.

    \b
    Examples:
      loadsim receive --verbose
      loadsim receive --port 9000 --delay 50ms --slots 10     (capacity: 200 events/s)
      loadsim receive --stall 10s:1.4s --workers 2
      loadsim receive --down 10s:5s --down 30s:1s             (away twice)
      loadsim receive --delay 20ms --delay-p99 400ms          (log-normal: a long tail)
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
        tolerance_s=None if tolerance is None else tolerance / NS_PER_S,
        retire_ns=retire_after,
        admin=admin,
        admin_names=admin_names,
        ledger_limit=ledger_limit,
        verbose=verbose,
        log_json=log_json,
        **conduct,
    )
    has_old = old_secret_env is not None or old_secret_file is not None
    if no_verify and (secret_env or secret_file or has_old):
        raise UsageError("--no-verify needs no secret: leave out the options that name one")
    if retire_after is not None and not has_old:
        raise UsageError("--retire-after needs the secret that it retires: give --old-secret-env or --old-secret-file")
    secret = old_secret = None
    if has_old:
        old_secret = read_secret(secret_env=old_secret_env, secret_file=old_secret_file, default_env=None)
    if not no_verify:
        default_env = find_scheme(options.scheme, options.custom).default_secret_env
        secret = read_secret(secret_env=secret_env, secret_file=secret_file, default_env=default_env)

    async def serve() -> Stats:
        stop = asyncio.Event()
        with contextlib.ExitStack() as hearing:
            hearing.enter_context(interrupts(stop.set))  # before anyone can know that we are here
            receiver = await start_receiver(options, secret, old_secret=old_secret, say=_say)
            async with receiver:
                _announce(receiver, options)
                await stop.wait()
                hearing.close()  # the next one has its usual effect, for those who cannot wait
                _say("stopping: answering what is in flight")
        return receiver.stats()

    _summary(asyncio.run(serve()))


def _say(line: str) -> None:
    write_line(line)


def _announce(receiver: RunningReceiver, options: ReceiverOptions) -> None:
    how = f"verifies {options.scheme}" if options.verify else "verifies nothing"
    processes = "1 worker" if options.workers == 1 else f"{options.workers} workers"
    _say(f"receiving on {receiver.url} ({how}, {options.engine}, {processes})")
    _say(f"counters at {receiver.admin_url}/stats; Ctrl-C stops")
    if options.admin is not None and not is_loopback(options.admin[0]):
        _say(f"warning: {options.admin[0]} is not loopback: whoever reaches it can read the counters and register runs")


def _summary(stats: Stats) -> None:
    total = stats.total
    words = [f"received {total.received:,}", f"verified {total.verified:,}"]
    if total.unchecked:
        words.append(f"taken unchecked {total.unchecked:,}")
    words += [f"{name.replace('_', ' ')} {count:,}" for name, count in total.rejected.items()]
    if total.failed_on_purpose:
        resets = f" ({total.reset_on_purpose:,} by a reset)" if total.reset_on_purpose else ""
        words.append(f"failed on purpose {total.failed_on_purpose:,}{resets}")
    if stats.restarts:
        words.append(f"worker restarts {stats.restarts:,}")
    _say(" · ".join(words))
    answers = ", ".join(f"{status}: {count:,}" for status, count in total.status.items())
    _say(f"answered {total.answered:,}" + (f" ({answers})" if answers else ""))
