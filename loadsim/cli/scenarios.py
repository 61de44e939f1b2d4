"""`loadsim scenarios`: lists the scenarios that come with loadsim, shows one, and copies one for changes."""

from __future__ import annotations

from pathlib import Path

import click

from loadsim.cli import completing
from loadsim.cli.output import json_option, put, put_json, put_line
from loadsim.cli.streams import write_line
from loadsim.model import UsageError
from loadsim.shipped import SUFFIX, shipped_names, shipped_scenarios, shipped_text


class _Scenarios(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click; the name of a scenario alone is answered with the command that shows it."""
        if args[0] in shipped_names():
            raise click.UsageError(f"No such command {args[0]!r}: did you mean loadsim scenarios show {args[0]}?", ctx)
        return super().resolve_command(ctx, args)


@click.group("scenarios", cls=_Scenarios, invoke_without_command=True)
@json_option("loadsim.scenarios/1", instead_of="the list")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List the scenarios that come with loadsim, each with the question that it answers.

    `loadsim run NAME` runs one against the companion receiver, `loadsim run NAME -t TARGET` against your endpoint.

    \b
    Examples:
      loadsim scenarios
      loadsim scenarios show steady
      loadsim scenarios copy steady my-load.toml
    """
    if ctx.invoked_subcommand is not None:
        return
    listed = shipped_scenarios()
    if as_json:
        put_json(listed)
        return
    width = max(map(len, shipped_names()))
    for each in listed.scenarios:
        put_line(f"{each.name:<{width}}  {each.question}")


@command.command("show")
@click.argument("name", shell_complete=completing.shipped)
def show(name: str) -> None:
    """Print a scenario.

    \b
    Examples:
      loadsim scenarios show steady
    """
    put(shipped_text(name))


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of a scenario file, with which editors complete and check its keys.

    \b
    Examples:
      loadsim scenarios schema > scenario.schema.json
    """
    from loadsim.plan.schema import scenario_schema

    put_json(scenario_schema())


@command.command("copy")
@click.argument("name", shell_complete=completing.shipped)
@click.argument("file", type=click.Path(path_type=Path), required=False)
def copy(name: str, file: Path | None) -> None:
    """Copy a scenario into a file of your own, by default NAME.toml. A file that exists is not overwritten.

    \b
    Examples:
      loadsim scenarios copy steady
      loadsim scenarios copy steady my-load.toml
    """
    from loadsim.launch.result_files import write_new

    text = shipped_text(name)
    path = Path(f"{name}{SUFFIX}") if file is None else file / f"{name}{SUFFIX}" if file.is_dir() else file
    if path.suffix != SUFFIX:
        raise UsageError(f"{path}: the name of a scenario file ends in {SUFFIX}")
    write_new(path, text.replace(f"loadsim run {name}\n", f"loadsim run {path}\n", 1).encode())
    write_line(f"Saved to {path}")
