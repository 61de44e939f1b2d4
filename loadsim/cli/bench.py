"""`loadsim bench`: which benchmarks there are."""

from __future__ import annotations

import click

from loadsim.cli.lazy import LazyGroup, Table

COMMANDS: Table = {
    "engine": ("bench_engine", "The generator against a receiver that does nothing: its speed and its floor.", False),
}


@click.command(cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Measure what the tool itself costs on this machine.

    \b
    Examples:
      loadsim bench engine
      loadsim bench engine --step 10s
    """
