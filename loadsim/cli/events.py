"""`loadsim events`: prints the catalogue, a sample payload, or the exact body of one event of a run."""

from __future__ import annotations

import itertools
import sys
import time

import click

from loadsim.cli import completing
from loadsim.cli.output import indented, json_option, put, put_json, put_line, write_exact
from loadsim.model import UsageError


@click.command()
@click.argument("event", required=False, shell_complete=completing.events)
@click.option(
    "--scheme", metavar="NAME", shell_complete=completing.schemes, help="Only the events of this signature scheme."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="S",
    help="The seed of a run: print the exact body of one event.",
)
@click.option(
    "--index", type=click.IntRange(0, 2**48 - 1), metavar="I", help="Index of the event in the run (default 0)."
)
@click.option("--epoch", metavar="T", help="The time in the body: unix seconds or ISO 8601 (default: now).")
@click.option("--live", is_flag=True, help='Leave out the field "simulation", as live events do.')
@click.option("--image", metavar="FORM", help="imageBuffer: placeholder, buffer:SIZE or base64:SIZE, e.g. buffer:64KB.")
@click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Set a field, e.g. data.0.user.userId=u1."
)
@json_option("loadsim.events/1", instead_of="the list")
def command(
    event: str | None,
    scheme: str | None,
    seed: int | None,
    index: int | None,
    epoch: str | None,
    live: bool,
    image: str | None,
    overrides: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """List the event types, or print a payload of one.

    With --seed the output, in a pipe or a file, is the exact body, byte for byte, of event I of a run with that seed;
    on a terminal it is indented. Its times are --epoch; in a run with an epoch they are that epoch plus the event's due
    time.

    \b
    Examples:
      loadsim events
      loadsim events --scheme github
      loadsim events --scheme stripe charge.succeeded
      loadsim events desktop.app_tracking.captured
      loadsim events desktop.app_tracking.captured --seed 7 --index 1234 --epoch 2026-05-04T09:10:00Z
      loadsim events desktop.screenshot_tracking.captured --live --image buffer:64KB
    """
    from loadsim.signing import family
    from loadsim.signing import scheme as find_scheme

    if event is None:
        if seed is not None or index is not None or epoch or live or image or overrides:
            raise UsageError("these options need an event type: loadsim events EVENT [options]")
        _print_catalogue(None if scheme is None else family(find_scheme(scheme)), as_json=as_json)
        return
    if as_json:
        raise UsageError("--json lists the event types: leave out EVENT, whose payload is JSON by itself")
    if scheme is not None:
        event = _of_scheme(event, scheme, family(find_scheme(scheme)))
    if seed is None:
        if index is not None or epoch:
            raise UsageError("--index and --epoch need the seed of the run: give --seed too")
        _print_sample(event, live, image, overrides)
    else:
        _print_body(event, seed, index or 0, epoch, live, image, overrides)


def _of_scheme(event: str, scheme: str, schemes: tuple[str, ...]) -> str:
    """The full name of an event of this scheme. Raises UsageError for an event of another scheme."""
    from loadsim.events import default_types, event_type
    from loadsim.inputs.event_names import full_name

    name = event_type(full_name(event, schemes)).name
    if name not in default_types(schemes):
        raise UsageError(f"{name} is not an event of scheme {scheme}: see loadsim events --scheme {scheme}")
    return name


def _print_catalogue(schemes: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Print all event types by provider, or those of the first of `schemes` that has any."""
    from rich.table import Table

    from loadsim.cli.listings import EventList, EventRow
    from loadsim.cli.terminal import stdout_console
    from loadsim.events import catalogue, default_types
    from loadsim.signing import scheme

    chosen = [each for each in catalogue() if schemes is None or each.name in default_types(schemes)]
    if as_json:
        rows = (EventRow(each.name, each.topic, each.scheme, each.description) for each in chosen)
        put_json(EventList(events=tuple(rows)))
        return
    console = stdout_console()
    if not console.is_terminal:
        for each in chosen:
            put_line(f"{each.name}\t{each.description}")
        return
    table = Table("Event type", "When", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name, group in itertools.groupby(chosen, key=lambda each: each.scheme):
        table.add_row(f"[bold]{scheme(name).title}[/] [dim](--scheme {name})[/]", "")
        for each in group:
            table.add_row(f"  {each.name}", each.description)
    console.print(table)


def _print_sample(event: str, live: bool, image: str | None, overrides: tuple[str, ...]) -> None:
    """Print the documented sample, indented, with the changes of the options."""
    import orjson

    from loadsim.events import parse_override, sample_payload

    document = sample_payload(
        event, simulation=not live, image=image or "placeholder", overrides=map(parse_override, overrides)
    )
    put(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _print_body(
    event: str,
    seed: int,
    index: int,
    epoch: str | None,
    live: bool,
    image: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Print the exact bytes, so that they can be hashed and compared; on a terminal, indented."""
    from loadsim.events import EventSource, parse_override
    from loadsim.inputs.values import parse_epoch

    source = EventSource(
        event, seed, simulation=not live, image=image or "placeholder", overrides=map(parse_override, overrides)
    )
    now_ns = time.time_ns() if epoch is None else parse_epoch(epoch)
    body = source.body(index, now_ns)
    write_exact(indented(body) + b"\n" if sys.stdout.isatty() else body)
