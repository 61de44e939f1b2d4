"""What `tests/anywhere` decides: its rounds, what a suite came to, and that nothing it starts outlives it."""

from __future__ import annotations

import os
import runpy
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.debian import inside
from tests.watching import watched

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tests" / "anywhere"

BUSY = """\
import runpy, sys, time
script = runpy.run_path(sys.argv[1])
with script["busy_loops"](2) as loops:
    print(*(loop.pid for loop in loops), flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    before = list(sys.path)
    try:
        return runpy.run_path(str(SCRIPT))
    finally:
        sys.path[:] = before


def test_the_help_names_every_round(script: dict[str, Any]) -> None:
    done = subprocess.run((sys.executable, SCRIPT, "--help"), capture_output=True, text=True, check=True)
    for name in script["ROUNDS"]:
        assert f"\n  {name}  " in done.stdout


def test_a_round_that_there_is_not_is_a_usage_error() -> None:
    done = subprocess.run((sys.executable, SCRIPT, "a", "x"), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("no such round: x; there are a, b, c, d\n")


def test_what_stands_after_the_dashes_is_pytests(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["anywhere", "b", "c", "--again", "--", "-m", "not slow", "--lf"])
    options = script["command_line"]()
    assert options.rounds == ["b", "c", "c"]
    assert options.arguments == ["-m", "not slow", "--lf"]


@pytest.mark.parametrize(
    ("said", "summary"),
    [
        ("=== 1 failed, 2 passed in 3.10s ===", "1 failed, 2 passed"),
        ("12 passed, 1 skipped in 348.33s (0:05:48)", "12 passed, 1 skipped"),
        (
            "FAILED tests/t.py::x[1] - E\nERROR tests/t.py::y\n= 1 failed, 1 error in 3.00s =",
            "1 failed, 1 error: tests/t.py::x[1], tests/t.py::y",
        ),
        ("Segmentation fault", "exit code 7"),
    ],
)
def test_a_suite_is_summed_up_by_its_closing_line(script: dict[str, Any], said: str, summary: str) -> None:
    assert script["summary_of"](said, 7) == summary


def test_the_readmes_two_commands_are_those_that_are_run(script: dict[str, Any]) -> None:
    commands = script["set_up_commands"](ROOT)
    assert list(commands) == ["quickstart", "tests"]
    assert all(command in inside(Path("/tree"), command)[-1] for command in ("true", "cd x"))
    assert commands["tests"].endswith('-m "not slow"')


def test_busy_loops_end_with_the_script_however_it_ends() -> None:
    process = subprocess.Popen((sys.executable, "-c", BUSY, SCRIPT), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        loops = [os.pidfd_open(int(word)) for word in process.stdout.readline().split()]
    process.kill()
    process.wait(timeout=60)
    for loop in loops:
        ended(loop)


def ended(descriptor: int) -> None:
    """Wait for the end of a process that is no child of ours."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(60_000)
    os.close(descriptor)


def test_a_command_is_kept_and_ends_with_all_that_it_started(tmp_path: Path) -> None:
    command = ("bash", "-c", "sleep 600 >/dev/null 2>&1 & echo $!; exit 3")
    code, said = watched(command, tmp_path / "log")
    assert (code, (tmp_path / "log").read_text()) == (3, said)
    try:
        left = os.pidfd_open(int(said))
    except ProcessLookupError:
        return
    ended(left)
