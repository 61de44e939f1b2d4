"""Exit codes are written in one file, and mean there what the documentation says."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import click
import pytest

import loadsim
from loadsim.exit_codes import BENCHES, CAPACITY, COMPARED, PAIRS, VERDICTS, Exit, exit_codes
from tests.cli.test_first_examples import COMMANDS

PACKAGE = Path(loadsim.__file__).parent
ENDS = {"exit", "Exit"}
"""What ends a command, called with its code; `os._exit` ends a process of ours that no user started."""


def numbers_at_exits(source: str) -> list[int]:
    """The plain numbers that a module ends a process with, or says that it does."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ENDS:
            within = node.args
        elif isinstance(node, ast.Assign | ast.AnnAssign) and "exit" in ast.unparse(node).partition("=")[0].lower():
            within = [node.value] if node.value is not None else []
        else:
            continue
        found += [each.value for arg in within for each in ast.walk(arg) if _is_number(each)]  # type: ignore[attr-defined]
    return found


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def test_codes_are_written_in_their_own_file_alone() -> None:
    assert numbers_at_exits("sys.exit(3 if x else 0)\nEXIT_CODES = {'a': 99}\nexit_code: int = 1\nctx.exit(code)") == [
        99, 1, 3, 0,
    ]  # fmt: skip
    found = {path: numbers_at_exits(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {path.name: numbers for path, numbers in found.items() if numbers} == {}


def test_codes_are_those_that_are_documented() -> None:
    assert {code.name: int(code) for code in Exit} == {
        "ok": 0, "error": 1, "usage": 2, "invalid": 3, "failed": 99, "interrupted": 130,
    }  # fmt: skip
    table = re.findall(r"^\| (\d+) \|", Path("docs/objectives.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(int(code) for code in table) == [int(code) for code in Exit]


@pytest.mark.parametrize("endings", [VERDICTS, COMPARED, PAIRS, BENCHES, CAPACITY])
def test_a_study_that_was_interrupted_or_cannot_say_is_no_pass(endings: dict[str, Exit]) -> None:
    assert Exit.ok in endings.values()
    assert Exit.failed in endings.values()
    for word, code in endings.items():
        assert (code is Exit.interrupted) is (word == "interrupted")


ENDINGS = {"CAPACITY": CAPACITY, "PAIRS": PAIRS, "BENCHES": BENCHES, "COMPARED": COMPARED}


def codes_used(command: click.Command) -> set[int]:
    """The exit codes that the function of a command speaks of, by name or by a table of endings."""
    callback = command.callback
    assert callback is not None
    source = inspect.getsource(inspect.unwrap(callback)).partition("\ndef ")[2]
    found = {int(Exit[name]) for name in re.findall(r"\bExit\.(\w+)", source)}
    found |= {int(code) for name, codes in ENDINGS.items() if f"{name}[" in source for code in codes.values()}
    return found | ({int(code) for code in VERDICTS.values()} if "exit_code(" in source else set())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_the_codes_that_a_command_ends_with(name: str) -> None:
    said = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name))
    listed = said.partition("Exit codes:")[2]
    codes = {int(code) for code in re.findall(r"(?:^|, )(\d+) ", f"{' '.join(listed.split())} ")}
    assert codes <= set(Exit)
    assert said.count("Exit codes:") <= 1
    used = codes_used(COMMANDS[name]) - {Exit.ok, Exit.usage}
    assert used <= codes
    assert Exit.usage in codes or not codes


def test_codes_of_help_have_words_of_their_own_or_the_usual_ones() -> None:
    assert exit_codes(Exit.interrupted, ok="pass", failed="B is worse") == (
        "Exit codes: 0 pass, 2 usage, 99 B is worse, 130 interrupted."
    )
