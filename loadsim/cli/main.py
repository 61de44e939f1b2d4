"""The `loadsim` command: which subcommands there are, and how a failure becomes one line and an exit code.

Subcommands are imported only when they are asked for, so that `--help` loads nothing heavy.
"""

from __future__ import annotations

import importlib
import sys

import click

from loadsim import __version__
from loadsim.model import LoadsimError

# name -> (module in loadsim.cli, one-line help, hidden)
COMMANDS: dict[str, tuple[str, str, bool]] = {
    "simulate": ("simulate", "Send one signed event and show the result panel.", False),
    "events": ("events", "List the event types, or print the exact body of one event.", False),
    "run": ("run", "Fire a load run at an endpoint and judge it.", False),
    "schemes": ("schemes", "List the signature schemes, or explain why a delivery does not verify.", False),
    "receive": ("receive", "Start the companion receiver that verifies signatures.", False),
    "report": ("report", "Write a stored result again in any format.", False),
    "judge": ("judge", "Judge a stored result again, with these or other objectives.", False),
    "shard": ("shard", "One generator process (started by loadsim itself).", True),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for name, (_, _, hidden) in COMMANDS.items() if not hidden]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"loadsim.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above, importing none of them."""
        rows = [(name, COMMANDS[name][1]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loadsim")
def cli() -> None:
    """Load and latency tester for webhook endpoints.

    \b
    Examples:
      loadsim run scenarios/quickstart.toml
      loadsim simulate http://127.0.0.1:8080/webhooks -e desktop.app_tracking.captured
      loadsim run http://127.0.0.1:8080/webhooks -r 500/s -d 30s --objective 'p(99) < 250ms'
    """


def main() -> None:
    """Run the command line; every foreseen failure is one line on stderr and its exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("loadsim: interrupted", err=True)
        code = 130
    except LoadsimError as error:
        click.echo(f"loadsim: {error}", err=True)
        code = error.exit_code
    sys.exit(code if isinstance(code, int) else 0)
