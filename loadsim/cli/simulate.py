"""`loadsim simulate`: one signed event, and the result panel."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli.single import check_registered, event_for, single_options, target_with
from loadsim.model import NS_PER_S, SignedRequest, UnreachableError, UsageError

if TYPE_CHECKING:
    from loadsim.plan import Target
    from loadsim.report.panel import Simulation
    from loadsim.settings import Endpoint
    from loadsim.signing import Signer

NOT_DELIVERED = 99


@click.command()
@click.argument("target")
@click.option("-e", "--event", metavar="EVENT", help="Event type (default: the endpoint's, if it has registered one).")
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Set a field, e.g. data.user.userId=u1.")
@click.option("--payload", metavar="FILE", help="Send this JSON file, byte for byte, as the body.")
@click.option("--live", is_flag=True, help='Without the field "simulation", as live events are.')
@click.option("--image", metavar="FORM", help="imageBuffer: placeholder, buffer:SIZE or base64:SIZE, e.g. buffer:64KB.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="S", help="Event 0 of this seed (default random).")
@single_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of the panel.")
def command(target: str, **options: Any) -> None:
    """Send one signed event and show the result panel.

    TARGET is a URL or the name of an endpoint in loadsim.toml; an endpoint's registered events limit the choice. A
    header given with -H wins over the one that loadsim would send. Redirects are not followed.

    \b
    Examples:
      loadsim simulate http://127.0.0.1:8080/webhooks -e desktop.app_tracking.captured
      loadsim simulate staging -e desktop.activity_tracking.captured --set data.user.userId=u-1
      loadsim simulate staging --payload captured.json --json

    \b
    Exit codes: 0 delivered, 99 answered but not 2xx, 1 no answer, 2 usage.
    """
    simulation = asyncio.run(_simulate(_compose(target, options)))
    _show(simulation, as_json=options["as_json"])
    if simulation.failure is not None:
        raise UnreachableError(simulation.failure.text)
    sys.exit(0 if simulation.delivered else NOT_DELIVERED)


@dataclass(frozen=True, slots=True)
class _Event:
    """What is to be sent: `seed` is None where the body came from a file."""

    name: str
    topic: str
    """As the provider's headers have it."""
    id: str
    body: bytes
    seed: int | None


@dataclass(frozen=True, slots=True)
class _Delivery:
    """Everything that sending takes, checked."""

    endpoint: Endpoint
    target: Target
    headers: Mapping[str, str]
    event: _Event
    signer: Signer
    now_ns: int


def _compose(argument: str, options: dict[str, Any]) -> _Delivery:
    """Everything that can be wrong is found here, before anything is sent. Raises UsageError."""
    from loadsim.events import catalogue
    from loadsim.plan import EMBEDDED
    from loadsim.settings import load_config, read_secret, resolve_headers, resolve_target
    from loadsim.signing import scheme, scheme_names

    config = load_config(known_types=[each.name for each in catalogue()], known_schemes=scheme_names())
    endpoint = resolve_target(argument, config)
    if endpoint.url == EMBEDDED:
        raise UsageError("embedded is for load runs: start `loadsim receive` and simulate to its URL")
    target = target_with(endpoint, options)
    now_ns = time.time_ns()
    event = _event(endpoint, target, options, now_ns)
    chosen = scheme(target.scheme, target.custom)
    secret = read_secret(
        secret_env=target.secret_env, secret_file=target.secret_file, default_env=chosen.default_secret_env
    )
    signer = chosen.signer(secret, url=target.public_url or target.url, event=event.topic)
    return _Delivery(endpoint, target, resolve_headers(target.headers), event, signer, now_ns)


# -- what to send ---------------------------------------------------------------------------------------------------


def _event(endpoint: Endpoint, target: Target, options: dict[str, Any], now_ns: int) -> _Event:
    from loadsim.events import EventSource, parse_override

    if options["payload"] is not None:
        return _recorded(endpoint, options)
    name = event_for(endpoint, target, options["event"])
    seed = options["seed"] if options["seed"] is not None else secrets.randbits(32)
    source = EventSource(
        name,
        seed,
        simulation=not options["live"],
        image=options["image"] or "placeholder",
        overrides=map(parse_override, options["overrides"]),
    )
    return _Event(name, source.topic, source.event_id(0), source.body(0, now_ns), seed)


def _recorded(endpoint: Endpoint, options: dict[str, Any]) -> _Event:
    """The user's own body: any JSON, sent as it is. Its `event` field, where there is one, says the type."""
    import orjson

    from loadsim.settings import read_bytes_file

    path = options["payload"]
    given = [f"--{name}" for name in ("live", "image", "seed") if options[name] not in (None, False)]
    given += ["--set"] if options["overrides"] else []
    if given:
        raise UsageError(f"--payload sends {path} as it is: leave {', '.join(given)} out, or change the file")
    body = read_bytes_file(path)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    found = document.get("event") if isinstance(document, dict) else None
    asked = options["event"]
    if asked is not None and found is not None and asked != found:
        raise UsageError(f"{path}: its event is {found}, not {asked}: leave -e out or change the file")
    name = asked or found
    if isinstance(name, str):
        check_registered(endpoint, name)
    return _Event(str(name or path), _topic(name), f"msg_{secrets.token_hex(12)}", body, None)


def _topic(name: object) -> str:
    """What a provider's headers call the event of a recorded body; nothing where nobody says."""
    from loadsim.events import catalogue

    known = {each.name: each.topic for each in catalogue()}
    return known.get(name, name) if isinstance(name, str) else ""


# -- sending and showing --------------------------------------------------------------------------------------------


async def _simulate(delivery: _Delivery) -> Simulation:
    from loadsim.cases import CONTENT_TYPE
    from loadsim.report.panel import Simulation
    from loadsim.studies.simulate import Trust, exchange

    target, event = delivery.target, delivery.event
    signed = delivery.signer.headers(event.body, delivery.now_ns, event.id)
    done = await exchange(
        target.url,
        SignedRequest(CONTENT_TYPE + signed, event.body),
        headers=delivery.headers,
        timeout_s=target.timeout / NS_PER_S,
        trust=Trust(target.insecure, target.cacert, target.cert, target.key),
    )
    return Simulation(
        event=event.name,
        url=target.url,
        headers=done.headers,
        payload=event.body,
        timings=done.timings,
        outcome=done.outcome,
        endpoint=delivery.endpoint.name,
        seed=event.seed,
        scheme=target.scheme,
    )


def _show(simulation: Simulation, *, as_json: bool) -> None:
    """The panel, or the JSON object, on standard output."""
    import orjson
    from rich.console import Console

    from loadsim.report.panel import panel_document, render_panel

    if as_json:
        click.echo(orjson.dumps(panel_document(simulation)))
        return
    console = Console()
    colour = console.is_terminal and not console.no_color and console.color_system is not None
    width = max(60, min(console.width, 120)) if console.is_terminal else 100
    click.echo(render_panel(simulation, width=width, colour=colour), nl=False, color=colour)
