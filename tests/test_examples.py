"""A profile decides how often every law is tried, also one that sets its own number."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES, slow_but

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


@pytest.mark.parametrize("profile", slow_but(["quick"], EXAMPLES))
def test_every_law_is_tried_so_many_times(tmp_path: Path, profile: str) -> None:
    laws = tmp_path / "test_laws.py"
    laws.write_text(
        LAWS.replace("{expected}", str([math.ceil(own * EXAMPLES[profile]) for own in (100, 3)])), encoding="utf-8"
    )
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
        f"--hypothesis-profile={profile}",
        str(laws),
    )
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
