"""The `loadsim` command: its subcommands, and how a failure becomes one line and an exit code."""

from __future__ import annotations

import re
import sys

import click

from loadsim import __version__
from loadsim.cli.failures import failed_with
from loadsim.cli.guarded_streams import guarded_output
from loadsim.cli.lazy_commands import LazyGroup, Table
from loadsim.cli.streams import prepare, say
from loadsim.exit_codes import Exit, exit_codes
from loadsim.model import LoadsimError
from loadsim.signals import taken_as_one

COMMANDS: Table = {
    "simulate": ("simulate", "Send one signed event and show the result panel."),
    "events": ("events", "List the event types, or print the exact body of one event."),
    "run": ("run", "Run a load against an endpoint and judge it."),
    "scenarios": ("scenarios", "List the scenarios that come with loadsim, show or copy one."),
    "schemes": ("schemes", "List the signature schemes, or explain why a delivery does not verify."),
    "probe": ("probe", "Find the bytes and times on which an endpoint's verification fails."),
    "receive": ("receive", "Start the companion receiver that verifies signatures."),
    "dashboard": ("dashboard", "Serve web pages to send events, watch load runs and compare results."),
    "capacity": ("capacity", "Find the highest rate that meets the objectives."),
    "ab": ("ab", "Compare two targets by interleaved pairs of runs."),
    "compare": ("compare", "Compare two stored results, percentile by percentile."),
    "bench": ("bench", "Measure the generator, the receiver and verification on this machine."),
    "explain": ("explain", "Show everything about one event of a run, made again from the seed."),
    "reconcile": ("reconcile", "Join a stored result with a file of what your own endpoint received."),
    "runs": ("runs", "List the stored results, newest first, or delete old ones."),
    "report": ("report", "Write a stored result again in any format."),
    "judge": ("judge", "Judge a stored result again, with the same or other objectives."),
    "schema": ("schema", "Print the JSON Schema of what a command prints with --json."),
    "init": ("init", "Write a loadsim.toml and a scenario for your endpoint."),
    "doctor": ("doctor", "Say what on this machine limits a load, and what to do about it."),
    "completion": ("completion", "Print the script that completes commands in bash, zsh or fish."),
}


@click.command(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exit_codes(
        Exit.error,
        Exit.invalid,
        Exit.interrupted,
        ok="done or passed",
        failed="an objective failed or something was found",
    ),
)
@click.version_option(__version__, prog_name="loadsim")
def cli() -> None:
    """Load and latency tester for webhook endpoints.

    \b
    Examples:
      loadsim run quickstart
      loadsim simulate http://127.0.0.1:8080/webhooks -e desktop.app_tracking.captured
      loadsim run http://127.0.0.1:8080/webhooks -r 500/s -d 30s --objective 'p(99) < 250ms'
    """


def main() -> None:
    """Run the command line; every expected failure is one line on stderr and its exit code."""
    prepare()
    with guarded_output():
        code = _run()
    sys.exit(code)


def _run() -> int:
    try:
        with taken_as_one():
            code = cli.main(prog_name="loadsim", standalone_mode=False)
    except SystemExit as done:
        code = done.code
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        _show(error)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        code = Exit.interrupted
    except LoadsimError as error:
        say(f"{error}{_of_words() if error.exit_code == Exit.usage else ''}")
        code = error.exit_code
    except Exception as error:  # noqa: BLE001 - it becomes words, and an exit code
        code = failed_with(error)
    return code if isinstance(code, int) else Exit.ok


def _with_hint(error: click.ClickException) -> str:
    """The message of an error and, where it is known, how loadsim says what was meant."""
    from loadsim.cli import other_tools

    if isinstance(error, click.NoSuchOption):
        sends_load = error.ctx is not None and error.ctx.info_name in other_tools.LOADS
        hint = other_tools.of_option(error.option_name, error.possibilities, sends_load=sends_load)
        if error.ctx is not None and error.ctx.parent is None:
            hint = ": options follow a command, such as loadsim run URL"
        return error.message.rstrip(".") + (_of_words() or hint)
    text = error.format_message().rstrip(".")
    extra = re.match(r"Got unexpected extra argument \((\S+)\)", text)
    return text + (_of_words() or other_tools.of_argument(extra[1], sys.argv)) if extra else text


def _of_words() -> str:
    """The hint that the whole command line gives, for the commands that send load."""
    from loadsim.cli import other_tools

    words = sys.argv[1:]
    command = cli.get_command(click.Context(cli), words[0]) if words and words[0] in other_tools.LOADS else None
    if command is None:
        return ""
    return other_tools.of_words(words, {option for parameter in command.params for option in parameter.opts})


def _show(error: click.ClickException) -> None:
    """Print the error in one line, or the help where the command line is empty."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    text = _with_hint(error)
    where = f" (see {error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
    say(f"{' '.join(text.split())}{where}")
