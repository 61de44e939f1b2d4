"""`loadsim simulate`: sends one signed event and prints the result panel."""

from __future__ import annotations

import datetime
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli import completing
from loadsim.cli.at_file import body_of, payload_file
from loadsim.cli.output import json_option, put, put_json, report_of
from loadsim.cli.single_event_options import event_for, single_options, target_with
from loadsim.exit_codes import Exit, exit_codes
from loadsim.model import NS_PER_S, UnreachableError, UsageError
from loadsim.uncollected import uncollected

if TYPE_CHECKING:
    from loadsim.plan import Target
    from loadsim.settings import Endpoint
    from loadsim.single.prepare import OneEvent, PreparedDelivery
    from loadsim.single.result import Simulation


@click.command(epilog=exit_codes(ok="delivered", error="no answer", failed="answered but not 2xx"))
@click.argument("target", shell_complete=completing.endpoints)
@click.option(
    "-e",
    "--event",
    metavar="EVENT",
    shell_complete=completing.events,
    help="Event type (default: the endpoint's, if it has registered exactly one).",
)
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Set a field, e.g. data.user.userId=u1.")
@click.option(
    "--payload",
    metavar="FILE",
    callback=payload_file,
    help="Send this JSON file, byte for byte, as the body; - is stdin.",
)
@click.option("-d", "--data", metavar="JSON|@FILE", help="Send this body, or that of a file, as curl does.")
@click.option("--live", is_flag=True, help='Leave out the field "simulation", as live events do.')
@click.option("--image", metavar="FORM", help="imageBuffer: placeholder, buffer:SIZE or base64:SIZE, e.g. buffer:64KB.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="S", help="Event 0 of this seed (default random).")
@single_options
@json_option("loadsim.simulation/1", instead_of="the panel")
def command(target: str, **options: Any) -> None:
    """Send one signed event and show the result panel.

    TARGET is a URL or the name of an endpoint in loadsim.toml; only its registered events can be sent. A header given
    with -H replaces the one that loadsim would send. Redirects are not followed.

    \b
    Examples:
      loadsim simulate http://127.0.0.1:8080/webhooks -e desktop.app_tracking.captured
      loadsim simulate staging -e desktop.activity_tracking.captured --set data.user.userId=u-1
      loadsim simulate staging --payload captured.json --json
      loadsim simulate staging -d @captured.json -H @headers.txt
    """
    now_ns = time.time_ns()
    with uncollected():
        import asyncio

        from loadsim.single.prepare import deliver

        delivery = _compose(target, options, now_ns)
    simulation = asyncio.run(deliver(delivery, now_ns))
    _show(simulation, now_ns, as_json=options["as_json"])
    if simulation.failure is not None:
        raise UnreachableError(simulation.failure.text)
    sys.exit(Exit.ok if simulation.delivered else Exit.failed)


def _compose(argument: str, options: dict[str, Any], now_ns: int) -> PreparedDelivery:
    """Check everything before anything is sent. Raises UsageError."""
    from loadsim.run.config_file import read_config
    from loadsim.settings import resolve_target
    from loadsim.single.prepare import prepare, refuse_embedded

    endpoint = resolve_target(argument, read_config())
    refuse_embedded(endpoint)
    target = target_with(endpoint, options)
    return prepare(endpoint, target, _event(endpoint, target, options, now_ns))


# -- what to send ---------------------------------------------------------------------------------------------------


def _event(endpoint: Endpoint, target: Target, options: dict[str, Any], now_ns: int) -> OneEvent:
    from loadsim.events import EventSource, parse_override
    from loadsim.single.prepare import made_event

    if options["payload"] is not None or options["data"] is not None:
        return _recorded(endpoint, target, options)
    name = event_for(endpoint, target, options["event"])
    seed = options["seed"] if options["seed"] is not None else secrets.randbits(32)
    source = EventSource(
        name,
        seed,
        simulation=not options["live"],
        image=options["image"] or "placeholder",
        overrides=map(parse_override, options["overrides"]),
    )
    return made_event(source, name, seed, now_ns)


def _recorded(endpoint: Endpoint, target: Target, options: dict[str, Any]) -> OneEvent:
    """The user's own body, sent unchanged."""
    from loadsim.inputs.event_names import full_name
    from loadsim.signing import family, scheme
    from loadsim.single.prepare import own_event

    option = "--payload" if options["data"] is None else "-d"
    given = [f"--{name}" for name in ("live", "image", "seed") if options[name] not in (None, False)]
    given += ["--set"] if options["overrides"] else []
    given += ["--payload"] if option == "-d" and options["payload"] is not None else []
    if given:
        raise UsageError(f"{option} sends a body unchanged: leave out {', '.join(given)}, or change the body")
    body, source = body_of(options["data"] if option == "-d" else f"@{options['payload']}")
    asked = options["event"]
    if asked is not None:
        asked = full_name(asked, family(scheme(target.scheme, target.custom)))
    return own_event(endpoint, body, asked, source)


# -- showing --------------------------------------------------------------------------------------------------------


def _show(simulation: Simulation, now_ns: int, *, as_json: bool) -> None:
    """Print the panel, or the JSON document, on standard output."""
    if as_json:
        from loadsim.single.simulation_document import simulation_document

        put_json(simulation_document(simulation, datetime.datetime.fromtimestamp(now_ns / NS_PER_S, datetime.UTC)))
        return
    from loadsim.cli.terminal import screen
    from loadsim.single.result_panel import render_panel

    width, colour = screen(narrowest=60, widest=120)
    with report_of():
        put(render_panel(simulation, width=width, colour=colour), colour=colour)
