"""The first example of every help works for somebody who has loadsim and no clone of it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from loadsim.cli.main import cli
from tests.cli.running import Run
from tests.cli.test_runs import OLD, store


def commands(command: click.Command, name: str) -> dict[str, click.Command]:
    """The command and those below it that have a help of their own."""
    found = {name: command}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for inner in command.list_commands(context):
            each = command.get_command(context, inner)
            assert each is not None
            found |= commands(each, f"{name} {inner}")
    return found


COMMANDS = commands(cli, "loadsim")


def first_example(command: click.Command) -> list[str]:
    """Its words."""
    found = re.search(r"Examples?:\n\s+(loadsim .*)", command.help or "")
    assert found, "no example"
    return shlex.split(re.split("  | > ", found[1])[0])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_example_needs_no_clone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store(OLD)  # what `latest` means
    words = first_example(COMMANDS[name])
    assert words[: len(name.split())] == name.split()
    assert not [word for word in words if "scenarios/" in word or word.endswith(".toml")]
    context = cli.make_context("loadsim", words[1:])
    command: click.Command = cli
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        _, inner, rest = command.resolve_command(context, rest)
        assert inner is not None
        command, context = inner, inner.make_context(inner.name, rest, parent=context)
    assert not context.args


@pytest.mark.parametrize("name", ["loadsim", "loadsim run"])
def test_the_first_load_can_be_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = Run(monkeypatch, capsys)(*first_example(COMMANDS[name])[1:], "--check")
    assert (done.code, done.err) == (0, "")
