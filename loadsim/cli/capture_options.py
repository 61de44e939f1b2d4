"""The options of `loadsim receive` about captures and forwarding, with the names of ReceiverOptions."""

from __future__ import annotations

import click

from loadsim.cli.options import with_options
from loadsim.cli.receiver_options import DURATION, SIZE, Quantity
from loadsim.model import LARGEST_CAPTURE
from loadsim.plan.scenario_rules import with_scheme
from loadsim.plan.units import format_size

capture_options = with_options(
    click.option(
        "--capture", metavar="FILE", help="Append accepted deliveries to this file, as rows that `run --payload` sends."
    ),
    click.option(
        "--redact", metavar="PATH", multiple=True, help="Blank this field in the rows, e.g. items.*.name. Repeatable."
    ),
    click.option(
        "--capture-header",
        "capture_headers",
        metavar="NAME",
        multiple=True,
        help="Keep this header too, beside Content-Type and that of the event's name. Repeatable.",
    ),
    click.option(
        "--capture-size",
        type=SIZE,
        default=format_size(LARGEST_CAPTURE),
        show_default=True,
        help="Begin the next file, FILE with a number before its ending, where one would be larger.",
    ),
    click.option(
        "--capture-keep",
        type=click.IntRange(1),
        metavar="N",
        help="Keep the N newest files and delete older ones. [default: all are kept]",
    ),
    click.option(
        "--forward",
        type=Quantity("url", with_scheme),
        metavar="URL",
        help="Pass every delivery on to this server, unchanged, and its answer back; one line for each on stderr.",
    ),
    click.option(
        "--forward-timeout",
        "forward_timeout_ns",
        type=DURATION,
        default="30s",
        show_default=True,
        help="Longest time for that answer; after it 504 is answered.",
    ),
)
