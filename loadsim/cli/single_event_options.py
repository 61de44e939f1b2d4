"""Shared by the commands that send single events: their options, which override an endpoint's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from loadsim.cli import completing
from loadsim.cli.options import HTTP_OPTIONS, Decorator, header_option, secret_options, with_options

if TYPE_CHECKING:
    from loadsim.plan import Target
    from loadsim.settings import Endpoint

_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--scheme", metavar="NAME", shell_complete=completing.schemes, help="Signature scheme (default trackpilots)."
    ),
    *secret_options(),
    header_option(),
    click.option("--timeout", metavar="TIME", help="Longest time of an event, to the last byte (default 10s)."),
    *HTTP_OPTIONS,
    click.option("--insecure", is_flag=True, help="Do not verify the TLS certificate."),
    click.option("--cacert", metavar="FILE", help="Trust this CA certificate (PEM)."),
)


single_options = with_options(*_OPTIONS)


def target_with(endpoint: Endpoint, options: dict[str, Any]) -> Target:
    """The endpoint's settings, overridden by the options. Raises UsageError."""
    from loadsim.inputs.event_names import settled
    from loadsim.inputs.values import http_version, parse_headers
    from loadsim.model import UsageError
    from loadsim.plan import UnitError, headers_over, parse_duration
    from loadsim.single.prepare import changed_target

    changes: dict[str, Any] = {}
    if options["scheme"] is not None:
        changes.update(scheme=options["scheme"], custom=None)
    if options["secret_env"] is not None or options["secret_file"] is not None:
        changes.update(secret_env=options["secret_env"], secret_file=options["secret_file"])
    if options["insecure"] or options["cacert"] is not None:
        changes.update(insecure=options["insecure"], cacert=options["cacert"])
    if http := http_version(options["http"], options["http2"]):
        changes["http"] = http
    if options["headers"]:
        changes["headers"] = headers_over(endpoint.target.headers, parse_headers(options["headers"]))
    try:
        if options["timeout"] is not None:
            changes["timeout"] = parse_duration(options["timeout"])
    except UnitError as error:
        raise UsageError(f"--timeout: {error}") from None
    target = changed_target(endpoint, changes, "command line")
    named = (options["event"],) if options["event"] is not None else endpoint.events[:1]
    is_chosen = options["scheme"] is not None or "scheme" in endpoint.given
    scheme, _ = settled(target, named, names_scheme=is_chosen)
    return (
        target if scheme == target.scheme else changed_target(endpoint, {**changes, "scheme": scheme}, "command line")
    )


def event_for(endpoint: Endpoint, target: Target, asked: str | None, *, any_will_do: bool = False) -> str:
    """The event type to send: the given one, if it is registered, or the only one that the endpoint accepts.

    With `any_will_do`, the first one that it accepts. Raises UsageError.
    """
    from loadsim.events import event_type
    from loadsim.inputs.event_names import full_name
    from loadsim.model import UsageError
    from loadsim.signing import family, scheme
    from loadsim.single.prepare import check_registered, offered_types

    offered = offered_types(endpoint, target)
    if asked is None:
        if len(offered) == 1 or any_will_do:
            return offered[0]
        raise UsageError(f"no event type was given: name one with -e: {', '.join(offered)}")
    name = event_type(full_name(asked, family(scheme(target.scheme, target.custom)))).name
    check_registered(endpoint, name)
    return name
