"""`loadsim completion`: prints the script with which a shell completes commands, options and values."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from loadsim.cli.output import put

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
VARIABLE = "_LOADSIM_COMPLETE"
"""The environment variable by which the script asks: the one that click derives from the name of the command."""


@click.command("completion")
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes loadsim in a shell: commands, options, and the names of event types, schemes,
    scenarios, endpoints of loadsim.toml, and stored results.

    \b
    Examples:
      loadsim completion bash
      eval "$(loadsim completion bash)"                                   (in ~/.bashrc)
      eval "$(loadsim completion zsh)"                                    (in ~/.zshrc, after compinit)
      loadsim completion fish > ~/.config/fish/completions/loadsim.fish
    """
    made = SHELLS[shell](ctx.find_root().command, {}, "loadsim", VARIABLE)
    put(f"{made.source()}\n")
