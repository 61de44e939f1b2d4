"""`loadsim bench`: the group of the benchmark commands."""

from __future__ import annotations

import click

from loadsim.cli.lazy_commands import LazyGroup, Table

COMMANDS: Table = {
    "verify": ("bench_verify", "Verification in one process: ours, libraries, and your own function."),
    "receiver": ("bench_receiver", "A receiver over HTTP: ours, and your own application."),
    "engine": (
        "bench_engine",
        "The generator against a receiver that does nothing: its highest rate and least latency.",
    ),
}


@click.command(cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Measure what verification, a receiver and the tool itself cost on this machine.

    \b
    Examples:
      loadsim bench engine
      loadsim bench verify --scheme trackpilots --verifier shop.webhooks:verify
      loadsim bench receiver --app shop.web:make_app
      loadsim bench engine --step 10s
    """
