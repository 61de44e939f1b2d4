"""`loadsim shard`: one generator process, started by loadsim itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from loadsim.engine.shard import Keys
    from loadsim.plan import Scenario


@click.command(hidden=True)
def command() -> None:
    """One generator process: plan in on stdin, frames out on stdout. Started by loadsim itself."""
    from loadsim.engine.shard import main

    sys.exit(main(_keys_here))


def _keys_here(scenario: Scenario) -> Keys:
    """As this machine has them."""
    from loadsim.engine.shard import Keys
    from loadsim.run.keys import read_secrets
    from loadsim.settings import read_key_password, resolve_headers

    target = scenario.target
    return Keys(*read_secrets(scenario), resolve_headers(target.headers), read_key_password(target.key_password_env))
