"""The options that every command has which fires a plan: whom to fire at, what, and how it travels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from loadsim.run.options import RunOptions

Decorator = Callable[[Any], Any]


def secret_options(what: str = "the signing secret", prefix: str = "") -> tuple[Decorator, Decorator]:
    """The two options that say where a secret is read, the same in every command; `settings.read_secret` reads it."""
    return (
        click.option(f"--{prefix}secret-env", metavar="NAME", help=f"Environment variable that holds {what}."),
        click.option(f"--{prefix}secret-file", metavar="PATH", help=f"File that holds {what}."),
    )


def with_options(*options: Decorator) -> Decorator:
    """The command with these options, listed in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_OPTIONS: tuple[Decorator, ...] = (
    click.option("-w", "--workers", default="1", show_default=True, metavar="N|auto", help="Generator processes."),
    click.option(
        "-e", "--event", "mix", multiple=True, metavar="TYPE[=WEIGHT]", help="Event types to send (default: all)."
    ),
    click.option("--payload", metavar="FILE", help="Send recorded bodies, signed anew: .ndjson rows, or one body."),
    click.option(
        "-t", "--target", metavar="TARGET", help="Fire a scenario at this URL or endpoint instead of its own."
    ),
    click.option(
        "-H",
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="Extra header; VALUE env:VAR reads a variable.",
    ),
    click.option("--scheme", help="Signature scheme (default trackpilots)."),
    *secret_options(),
    click.option("--timeout", metavar="TIME", help="Give an event up after this long (default 10s)."),
    click.option("--drain", metavar="TIME", help="At the end wait so long for answers (default: the timeout)."),
    click.option("--objective", "objectives", multiple=True, metavar="'p(99) < 250ms'", help="Adds an objective."),
    click.option("--name", metavar="NAME", help="Call the run so, in reports and its directory (default: scenario's)."),
    click.option(
        "--seed", type=click.IntRange(0, 2**63 - 1), help="The same seed gives the same events (default random)."
    ),
    click.option(
        "--out", default="reports", show_default=True, metavar="DIR", help="Where the run's directory is made."
    ),
    click.option("--insecure", is_flag=True, help="Do not verify the TLS certificate."),
    click.option("--cacert", metavar="FILE", help="Trust this CA certificate."),
    click.option("--cert", metavar="FILE", help="Client certificate."),
    click.option("--key", metavar="FILE", help="Its private key."),
    click.option("--key-password-env", metavar="NAME", help="Environment variable that holds the key's pass phrase."),
    click.option("--transport", type=click.Choice(["direct", "aiohttp"]), help="How bytes travel (default direct)."),
    click.option(
        "--reuse", type=click.IntRange(1), metavar="N", help="Close a connection after N events (1: a new one each)."
    ),
    click.option(
        "--connect-to", metavar="HOST:PORT", help="Connect there, whatever the URL's host; names and TLS stay."
    ),
    click.option("--unix", metavar="PATH", help="Connect to this unix socket instead of the URL's host."),
    click.option("--proxy", metavar="URL", help="Go through this HTTP proxy (with the aiohttp transport)."),
)


_CLUSTER: tuple[Decorator, ...] = (
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Fire from a Dask cluster: tcp://HOST:PORT, tls://HOST:PORT, or local:N on this machine.",
    ),
    click.option("--per-host", type=click.IntRange(1, 64), metavar="K", help="Generator processes on each host (1)."),
    click.option(
        "--ship-secret",
        is_flag=True,
        help="Send secrets to the hosts (tls or loopback) in place of reading them there.",
    ),
    click.option(
        "--allow-lost", type=click.IntRange(0), metavar="N", help="Go on, and stay valid, without so many hosts (0)."
    ),
    click.option(
        "--insecure-cluster", is_flag=True, help="Accept plain tcp:// to other machines: anyone there can run code."
    ),
    click.option("--cluster-ca", metavar="FILE", help="CA that signed the cluster's certificates (tls://)."),
    click.option("--cluster-cert", metavar="FILE", help="Our certificate for the cluster."),
    click.option("--cluster-key", metavar="FILE", help="Its private key."),
)


cluster_options = with_options(*_CLUSTER)
"""Those that spread a run over hosts."""
target_options = with_options(*_OPTIONS)


def run_options(given: Mapping[str, Any]) -> RunOptions:
    """What a command was given of the options of a run; its own options are left out."""
    from loadsim.run.options import RunOptions

    return RunOptions(**{name: given[name] for name in RunOptions.__struct_fields__ if name in given})


gate_option = click.option(
    "--gate",
    type=click.Choice(["point", "confident"]),
    default="point",
    show_default=True,
    help="Fail by the figure itself, or only when its whole 95 % interval is beyond the limit.",
)
