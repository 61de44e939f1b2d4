"""The command-line options for the behaviour of a receiver. A scenario's `[receiver]` has keys of the same names."""

from __future__ import annotations

import re
from collections.abc import Callable

import click

from loadsim.cli.options import Decorator, with_options
from loadsim.plan import units
from loadsim.plan.receiver_behaviour import LONGEST_QUEUE, MOST_PROCESSORS
from loadsim.plan.typed_document import write
from loadsim.receiver.options import ENGINES, ReceiverOptions


class Quantity(click.ParamType[object]):
    """The type of an option that `parse` reads. Its ValueError becomes a usage error."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The parsed value. Values that are not strings are returned unchanged."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_address(text: str) -> tuple[str, int]:
    """`"127.0.0.1:8081"` or `"[::1]:8081"` → host and port. Raises UnitError."""
    host, _, port = text.rpartition(":")
    if not host or re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) is None or int(port) > 65535:
        raise units.UnitError(f"{text!r} is not HOST:PORT, such as '127.0.0.1:8081' (port 0: any free port)")
    return host.removeprefix("[").removesuffix("]"), int(port)


DURATION = Quantity("duration", units.parse_duration)
SIZE = Quantity("size", units.parse_size)
SHARE = Quantity("share", units.parse_share)
SPAN = Quantity("at:for", units.parse_span)
SLOW = Quantity("time:share", units.parse_slow)
FAILURE = Quantity("status:share", units.parse_failure)
SERVICE = Quantity("time", units.parse_service)
CYCLE = Quantity("every:for", units.parse_cycle)
SPEED = Quantity("size/s", units.parse_speed)
ADDRESS = Quantity("host:port", parse_address)

DEFAULTS = write(ReceiverOptions())
"""As texts, by the keys of a scenario's `[receiver]`. They are set in `plan/receiver_behaviour.py` and
`receiver/options.py`."""

_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "-w",
        "--workers",
        type=click.IntRange(1, 64),
        default=DEFAULTS["workers"],
        show_default=True,
        help="Number of processes.",
    ),
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default=DEFAULTS["engine"],
        show_default=True,
        help="HTTP engine.",
    ),
    click.option(
        "--max-body",
        type=SIZE,
        default=DEFAULTS["max_body"],
        show_default=True,
        help="Largest body; a larger one is answered 413.",
    ),
    click.option(
        "--max-buffered",
        type=SIZE,
        default=DEFAULTS["max_buffered"],
        show_default=True,
        help="Memory limit for incomplete bodies, shared by all workers; a body beyond it is answered 503.",
    ),
    click.option(
        "--delay",
        "delay_ns",
        type=DURATION,
        default=DEFAULTS["delay"],
        help="Service time of every accepted event.",
    ),
    click.option(
        "--delay-p99",
        "delay_p99_ns",
        type=DURATION,
        help="Log-normal service times: --delay is their median, this their 99th percentile.",
    ),
    click.option(
        "--slow",
        type=SLOW,
        help="TIME:SHARE, e.g. 500ms:2%: this share of the accepted events takes TIME instead.",
    ),
    click.option(
        "--slots",
        type=click.IntRange(1),
        help="At most N events in service, others wait in order: capacity = N / delay. Split evenly among the workers.",
    ),
    click.option(
        "--stall", type=SPAN, help="AT:FOR, e.g. 10s:1.4s: answer nothing for FOR, once, AT after the first request."
    ),
    click.option(
        "--down",
        type=SPAN,
        multiple=True,
        help="AT:FOR, repeatable: close connections and refuse new ones for FOR, AT after the first request.",
    ),
    click.option(
        "--fail",
        type=FAILURE,
        multiple=True,
        help="STATUS:SHARE, repeatable, e.g. 503:1%: answer this share of the accepted events with this status.",
    ),
    click.option(
        "--retry-after",
        "retry_after_ns",
        type=DURATION,
        help="The value of Retry-After in the 429 and 503 answers of --fail; whole seconds.",
    ),
    click.option(
        "--fail-rate",
        type=SHARE,
        default=DEFAULTS["fail_rate"],
        help="The same as --fail, with the status of --fail-status.",
    ),
    click.option(
        "--fail-status",
        type=click.IntRange(400, 599),
        default=DEFAULTS["fail_status"],
        show_default=True,
    ),
    click.option(
        "--reset",
        type=SHARE,
        default=DEFAULTS["reset"],
        help="Share of the accepted events whose connection is reset instead of an answer.",
    ),
    click.option(
        "--process",
        type=SERVICE,
        help="Answer at once and work later, for TIME each; or exp:MEAN, lognormal:MEDIAN or lognormal:MEDIAN:P99.",
    ),
    click.option(
        "--processors",
        type=click.IntRange(1, MOST_PROCESSORS),
        default=DEFAULTS["processors"],
        show_default=True,
        help="Do so much of that work at a time; the rest waits in order.",
    ),
    click.option(
        "--process-queue",
        type=click.IntRange(0, LONGEST_QUEUE),
        default=DEFAULTS["process_queue"],
        show_default=True,
        help="Most work that waits; an event beyond it is answered 503.",
    ),
    click.option(
        "--lose",
        type=SHARE,
        default=DEFAULTS["lose"],
        help="Share of the work that has no effect.",
    ),
    click.option(
        "--repeat",
        type=SHARE,
        default=DEFAULTS["repeat"],
        help="Share of the work whose effect appears twice.",
    ),
    click.option(
        "--process-stall",
        type=CYCLE,
        help="EVERY:FOR, e.g. 5s:2s: no work is done in the last FOR of every EVERY, counted from the first request.",
    ),
    click.option("--out-of-order", is_flag=True, help="Take the work that waits in random order."),
    click.option("--read-rate", type=SPEED, help="Read from each connection at most at this rate, e.g. 64KB/s."),
    click.option(
        "--read-timeout",
        "read_timeout_ns",
        type=DURATION,
        default=DEFAULTS["read_timeout"],
        show_default=True,
        help="Longest time for one request to arrive.",
    ),
    click.option(
        "--idle-timeout",
        "idle_timeout_ns",
        type=DURATION,
        default=DEFAULTS["idle_timeout"],
        show_default=True,
        help="Close a connection that is idle for this long.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=DEFAULTS["seed"],
        show_default=True,
        help="The same seed gives the same failures, resets and delays to the same events.",
    ),
)


receiver_options = with_options(*_OPTIONS)
"""The options, with the names of ReceiverOptions."""
