"""A group of commands that are imported only when they are run, so that `--help` is fast."""

from __future__ import annotations

import importlib
from typing import Any

import click
from click.shell_completion import CompletionItem

Table = dict[str, tuple[str, str]]
"""Name → (module in loadsim.cli, one-line help)."""


class LazyGroup(click.Group):
    """A group whose commands are listed in a table."""

    def __init__(self, *args: Any, table: Table, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._table:
            return None
        module = importlib.import_module(f"loadsim.cli.{self._table[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click; a command that does not exist is answered with the one that was meant."""
        name = args[0]
        if not name.startswith("-") and name not in self._table:
            from loadsim.cli.other_tools import of_command

            raise click.UsageError(f"No such command {name!r}{of_command(name, self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none of them."""
        rows = [(name, self._table[name][1]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names of the commands, importing none of them, and the group's own options."""
        names = [
            CompletionItem(name, help=self._table[name][1])
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)
