"""`loadsim shard`: one generator process, started by loadsim itself."""

from __future__ import annotations

import sys

import click

from loadsim.uncollected import uncollected


@click.command(hidden=True)
def command() -> None:
    """One generator process, started by loadsim itself: reads the run from stdin and writes frames to stdout."""
    with uncollected():
        from loadsim.engine.shard import main, prepare
        from loadsim.run.run_secrets import with_keys

        prepare()
    sys.exit(main(with_keys))
