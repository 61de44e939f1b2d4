"""Nothing in printed text is a runner's command or steers a terminal, in however many pieces it is written."""

from __future__ import annotations

import io
import json
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadsim.cli.guarded_streams import Guarded
from loadsim.foreign_text import harmless, shown
from loadsim.report.numbers import printable
from tests.runner import obeyed, sent

PIECES = st.sampled_from(
    [
        "::",
        ":",
        "#",
        "##",
        "[",
        "error",
        "vso",
        " ",
        "\n",
        "\r",
        "\t",
        "x",
        "\x1b[1m",
        "\x1b",
        "\x85",
        "\u00ad",
        "\u034f",
    ]
)
TEXT = st.lists(PIECES | st.characters(codec="utf-8"), max_size=30).map("".join)
COMMANDS = (
    "::error::x",
    "  ::stop-commands::x",
    "\u034f::error::x",
    ":\u034f:error::x",
    "\x1b[1m::error::x",
    "a ##[error]b",
    "#\u034f#\u034f[error]b",
    "###[group]b",
    "##vso[task.setvariable]x",
    "##teamcity[x]",
    "a\r::error::x",
    "a\r\n\t::error::x",
)


@pytest.mark.parametrize("text", COMMANDS)
def test_the_model_of_a_runner_obeys_what_is_not_made_harmless(text: str) -> None:
    assert obeyed(text)
    assert not obeyed(harmless(text.encode()).decode())


@pytest.mark.parametrize(
    "text", ["[::1]:8080 Foo::Bar a::b", "# a heading", "## [a link](x)", "#[x]", "c# [x]", "12:34"]
)
def test_what_is_no_command_stays(text: str) -> None:
    assert harmless(text.encode()).decode() == text


@given(TEXT)
def test_no_text_is_a_command(text: str) -> None:
    made = harmless(text.encode())
    assert not obeyed(made.decode())
    assert harmless(made) == made
    assert not obeyed(printable(text, lines=True))
    assert not obeyed(printable(text))


@given(TEXT)
@example("\xa0")
def test_control_characters_are_shown(text: str) -> None:
    left = sent(re.sub(r"\x1b\[[0-9;]*m", "", shown(text.encode()).decode()))
    assert not {char for char in left if unicodedata.category(char) == "Cc" or char == "\xad"}


@given(TEXT)
def test_json_means_the_same(text: str) -> None:
    written = json.dumps({text: text}, ensure_ascii=False)
    made = harmless(shown(written.encode())).decode()
    assert json.loads(made) == {text: text}
    assert not obeyed(made)


@given(st.lists(TEXT, max_size=8))
def test_a_command_in_pieces_is_none(pieces: list[str]) -> None:
    under = io.BytesIO()
    guard = Guarded(under, utf8=True)
    for piece in pieces:
        guard.write(piece.encode())
    assert not obeyed(under.getvalue().decode())


def test_a_long_line_costs_no_more_than_its_length() -> None:
    """Each would take minutes where the pattern looked at a run of characters again from each of them."""
    for piece in (b"#", b"a", b"\xff", b":\xff", b"##\xff", b"##a"):
        assert harmless(b"##" + piece * 600_000)
