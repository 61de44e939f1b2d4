"""Under the profile `thorough` every law is tried twenty times as often, also one that sets its own number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import THOROUGH, TIMES

LAWS = """\
from hypothesis import given, settings, strategies

usual, few = [], []

@given(strategies.integers())
def test_usual(number):
    usual.append(number)

@settings(max_examples=3)
@given(strategies.integers())
def test_few(number):
    few.append(number)

def test_counts():
    assert [len(usual), len(few)] == {expected}
"""


@pytest.mark.parametrize(
    ("options", "times"), [((), 1), (("--hypothesis-profile", THOROUGH), TIMES)], ids=["as usual", THOROUGH]
)
def test_every_law_is_tried_so_many_times(tmp_path: Path, options: tuple[str, ...], times: int) -> None:
    laws = tmp_path / "test_laws.py"
    laws.write_text(LAWS.replace("{expected}", f"[{100 * times}, {3 * times}]"), encoding="utf-8")
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:randomly",  # the laws come before the test that counts them
        "-p",
        "tests.conftest",
        f"--rootdir={tmp_path}",
        *options,
        str(laws),
    )
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
