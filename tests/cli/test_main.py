"""What click refuses is one line as well, and says where help is."""

from __future__ import annotations

import sys

import pytest

from loadsim.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frob"], "No such command 'frob' (see loadsim --help)"),
        (["run"], "Missing argument 'SCENARIO|TARGET' (see loadsim run --help)"),
        (["run", "http://127.0.0.1:9/", "-c", "-5"], "-5 is not in the range x>=1 (see loadsim run --help)"),
        (["run", "http://127.0.0.1:9/", "--no-such"], "No such option '--no-such'"),
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
