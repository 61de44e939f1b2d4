"""The options that all commands with load runs share: the target, the events, the transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from loadsim.cli import completing
from loadsim.cli.at_file import header_lines, payload_file

if TYPE_CHECKING:
    from loadsim.run.options import RunOptions

Decorator = Callable[[Any], Any]


def secret_options(what: str = "the signing secret", prefix: str = "") -> tuple[Decorator, Decorator]:
    """The two options for the source of a secret, the same in every command; see `settings.read_secret`."""
    return (
        click.option(f"--{prefix}secret-env", metavar="NAME", help=f"Environment variable that holds {what}."),
        click.option(f"--{prefix}secret-file", metavar="PATH", help=f"File that holds {what}."),
    )


def header_option(text: str = "Extra header, or a file of them; VALUE env:VAR reads a variable.") -> Decorator:
    """`-H`, the same in every command; `text` is its help."""
    return click.option(
        "-H",
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'|@FILE",
        callback=header_lines,
        help=text,
    )


HTTP_OPTIONS: tuple[Decorator, Decorator] = (
    click.option(
        "--http",
        type=click.Choice(["1.1", "2", "auto"]),
        help="HTTP version (default 1.1); auto: what https offers.",
    ),
    click.option("--http2", is_flag=True, help="The same as --http 2."),
)


def with_options(*options: Decorator) -> Decorator:
    """A decorator that adds these options to a command, in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_OPTIONS: tuple[Decorator, ...] = (
    click.option("-w", "--workers", default="1", show_default=True, metavar="N|auto", help="Generator processes."),
    click.option(
        "-e",
        "--event",
        "mix",
        multiple=True,
        metavar="TYPE[=WEIGHT]",
        shell_complete=completing.events,
        help="Event types to send (default: all).",
    ),
    click.option(
        "--payload",
        metavar="FILE",
        callback=payload_file,
        help="Send recorded bodies with new signatures: .ndjson rows, or one body; - is stdin.",
    ),
    click.option(
        "--effects",
        metavar="URL",
        help="Where the effects of events are read, e.g. http://127.0.0.1:8081/effects: when was the work done?",
    ),
    click.option("--effects-wait", metavar="TIME", help="How long to wait for effects after the load (default: 60s)."),
    click.option(
        "-t",
        "--target",
        metavar="TARGET",
        shell_complete=completing.targets,
        help="Run a scenario against this URL or endpoint instead of its own.",
    ),
    header_option(),
    click.option("--scheme", shell_complete=completing.schemes, help="Signature scheme (default trackpilots)."),
    *secret_options(),
    click.option("--timeout", metavar="TIME", help="Longest time of an event, to the last byte (default 10s)."),
    click.option("--drain", metavar="TIME", help="Longest wait for answers after the load (default: the timeout)."),
    click.option(
        "--objective", "objectives", multiple=True, metavar="'p(99) < 250ms'", help="Add an objective. Repeatable."
    ),
    click.option("--name", metavar="NAME", help="Name of the run in reports and directory (default: the scenario's)."),
    click.option(
        "--tag", "tags", multiple=True, metavar="K=V", help="Keep this with the result and show it. Repeatable."
    ),
    click.option(
        "--default-objectives/--no-default-objectives",
        default=True,
        help="Add 'success: rate >= 99%', and 'forged_accepted: count == 0' where a case expects refusal (default).",
    ),
    click.option(
        "--max-lag", metavar="TIME", help="A longer pause of the generator's own disturbs events (default 10ms)."
    ),
    click.option(
        "--seed", type=click.IntRange(0, 2**63 - 1), help="The same seed gives the same events (default random)."
    ),
    click.option("--out", default="reports", show_default=True, metavar="DIR", help="Directory for the results."),
    click.option("--insecure", is_flag=True, help="Do not verify the TLS certificate."),
    click.option("--cacert", metavar="FILE", help="Trust this CA certificate."),
    click.option("--cert", metavar="FILE", help="Client certificate."),
    click.option("--key", metavar="FILE", help="Private key of the certificate."),
    click.option("--key-password-env", metavar="NAME", help="Environment variable that holds the key's pass phrase."),
    *HTTP_OPTIONS,
    click.option(
        "--streams",
        type=click.IntRange(1),
        metavar="N",
        help="Over HTTP/2: events in flight that share a connection (default: what the endpoint allows, at most 100).",
    ),
    click.option("--transport", type=click.Choice(["direct", "aiohttp"]), help="Transport (default direct)."),
    click.option(
        "--reuse",
        type=click.IntRange(1),
        metavar="N",
        help="Close a connection after N events (1: a new one for each).",
    ),
    click.option(
        "--connect-to",
        metavar="HOST:PORT",
        help="Connect to this address instead of the URL's host; Host and TLS name stay.",
    ),
    click.option("--unix", metavar="PATH", help="Connect to this unix socket instead of the URL's host."),
    click.option("--proxy", metavar="URL", help="Use this HTTP proxy (needs --transport aiohttp)."),
)


_CLUSTER: tuple[Decorator, ...] = (
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Send from a Dask cluster: tcp://HOST:PORT, tls://HOST:PORT, or local:N on this machine.",
    ),
    click.option("--per-host", type=click.IntRange(1, 64), metavar="K", help="Generator processes on each host (1)."),
    click.option(
        "--ship-secret",
        is_flag=True,
        help="Send secrets to the hosts (tls or loopback) instead of reading them there.",
    ),
    click.option(
        "--allow-lost", type=click.IntRange(0), metavar="N", help="Number of hosts that may be lost in a valid run (0)."
    ),
    click.option(
        "--insecure-cluster",
        is_flag=True,
        help="Allow unencrypted tcp:// to other machines: anyone on the network can run code.",
    ),
    click.option("--cluster-ca", metavar="FILE", help="CA that signed the cluster's certificates (tls://)."),
    click.option("--cluster-cert", metavar="FILE", help="Our certificate for the cluster."),
    click.option("--cluster-key", metavar="FILE", help="Private key of the certificate."),
)


cluster_options = with_options(*_CLUSTER)
"""The options for a run on a cluster."""
target_options = with_options(*_OPTIONS)


def run_options(given: Mapping[str, Any]) -> RunOptions:
    """The run options among a command's options."""
    from loadsim.run.options import RunOptions

    return RunOptions(**{name: given[name] for name in RunOptions.__struct_fields__ if name in given})


def gate_option(default: str | None = "point", shown: str | bool = True) -> Callable[[Any], Any]:
    """`--gate`; `shown`: what help says of the default where that is None."""
    return click.option(
        "--gate",
        type=click.Choice(["point", "confident"]),
        default=default,
        show_default=shown,
        help="Judge the figure itself, or fail only when its whole 95 % interval is beyond the limit (a figure without "
        "an interval is judged itself).",
    )
