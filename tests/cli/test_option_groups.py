"""The options of a load are listed by what they are about."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from loadsim.cli.main import cli
from loadsim.cli.option_groups import GROUPS, OTHERS, group_of


def parameters(name: str) -> list[click.Parameter]:
    """All options of a command but `--help`."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


@pytest.mark.parametrize("name", ["run", "capacity", "ab"])
def test_every_option_has_a_heading(name: str) -> None:
    assert [parameter.name for parameter in parameters(name) if group_of(parameter) == OTHERS] == []


def test_every_listed_name_is_an_option_of_one_of_them_and_under_one_heading() -> None:
    known = {parameter.name for name in ("run", "capacity", "ab") for parameter in parameters(name)}
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == known


def test_the_help_shows_the_headings_in_order() -> None:
    shown = CliRunner().invoke(cli, ["run", "--help"]).output
    places = [shown.index(f"\n{title}:\n") for title in (*GROUPS, OTHERS)]
    assert places == sorted(places)
    assert shown.count("--objective ") >= 1
