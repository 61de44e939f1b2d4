"""`loadsim shard`: one generator process, started by loadsim itself."""

from __future__ import annotations

import sys

import click


@click.command(hidden=True)
def command() -> None:
    """One generator process: plan in on stdin, frames out on stdout. Started by loadsim itself."""
    from loadsim.launch.shard import main

    sys.exit(main())
