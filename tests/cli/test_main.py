"""What click refuses is one line as well, and says where help is."""

from __future__ import annotations

import re
import sys

import click
import pytest

from loadsim.cli.main import cli, main
from loadsim.cli.other_tools import COMMANDS, NEVER, OPTIONS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["xyzzy"], "No such command 'xyzzy' (see loadsim --help)"),
        (["run"], "Missing argument 'SCENARIO|TARGET' (see loadsim run --help)"),
        (["run", "http://127.0.0.1:9/", "-c", "-5"], "-5 is not in the range x>=1 (see loadsim run --help)"),
        (["run", "http://127.0.0.1:9/", "--no-such"], "No such option '--no-such'"),
        (["attack", "http://127.0.0.1:9/"], "No such command 'attack': did you mean loadsim run? (see loadsim --help)"),
        (["simulat"], "did you mean loadsim simulate?"),
        (["run", "http://127.0.0.1:9/", "--vus", "50"], "'--vus': a closed load of N users is -c N (see loadsim run"),
        (["run", "http://127.0.0.1:9/", "-q", "50"], "(50): -n 50 events, -c 50 users, -r 50/s or -d 50s?"),
        (["run", "http://127.0.0.1:9/", "-r", "50"], "-r: '50' has no unit: write /s, /m or /h, such as '50/s'"),
        (["run", "http://127.0.0.1:9/", "--objectiv", "x"], "'--objectiv': did you mean --objective?"),
        (["report", "--vus", "50"], "No such option '--vus' (see loadsim report --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["loadsim", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("loadsim: ")
    assert said in err


def options_of(name: str) -> set[str]:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts}


def test_a_hint_names_only_what_exists_and_never_insecure() -> None:
    known = options_of("run")
    assert not OPTIONS.keys() & known, "these are ours: no hint is ever shown"
    named = {word for hint in OPTIONS.values() for word in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", hint)}
    assert named - {"--format"} <= known
    assert NEVER not in named
    assert set(COMMANDS.values()) <= set(cli.list_commands(click.Context(cli)))


@pytest.mark.parametrize("near", ["--insecur", "--insecured"])
def test_not_even_a_near_word_suggests_it(
    near: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["loadsim", "run", "http://127.0.0.1:9/", near])
    with pytest.raises(SystemExit):
        main()
    assert NEVER not in capsys.readouterr().err.replace(near, "")
