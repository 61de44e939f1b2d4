"""The GitHub action: its script is run as the runner would run it, with inputs that try to be code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / ".github/actions/loadsim/action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]


def test_inputs_reach_scripts_by_the_environment_only() -> None:
    for step in STEPS:
        assert "${{" not in step.get("run", "")
        if "run" in step:
            assert step["shell"] == "bash"


def test_every_input_is_used_and_every_one_used_is_declared() -> None:
    text = str(STEPS)
    assert all(f"inputs.{name}" in text for name in ACTION["inputs"])
    declared = {f"inputs.{name}" for name in ACTION["inputs"]}
    used = {word.strip("()'\"},:") for word in text.split() if word.strip("()'\"},:").startswith("inputs.")}
    assert used <= declared


def run(tmp_path: Path, what: str, arguments: str) -> tuple[int, dict[str, str]]:
    """The action's step `run`: exit code and outputs."""
    (step,) = (step for step in STEPS if step.get("id") == "run")
    given = {"RUN": what, "ARGUMENTS": arguments, "OUT": "out"}
    assert set(step["env"]) == set(given)
    output = tmp_path / "output"
    output.touch()
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    (tools / "python").chmod(0o755)
    environment = os.environ | given | {"GITHUB_OUTPUT": str(output), "PATH": f"{tools}:{os.environ['PATH']}"}  # noqa: TID251
    environment.pop("GITHUB_STEP_SUMMARY", None)
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = (line.partition("=") for line in output.read_text(encoding="utf-8").splitlines())
    return done.returncode, {name: value for name, _, value in lines}


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "code"), [("response: p(50) < 1m", 0), ("response: p(50) < 0.001ms", 99)])
def test_the_step_ends_as_the_run_does(tmp_path: Path, objective: str, code: int) -> None:
    arguments = f"--rate=50/s\n--events=20\n--objective={objective}\n"
    ended, outputs = run(tmp_path, "embedded", arguments)
    if outputs["exit-code"] != "3":  # a crowded machine makes the generator late, which is no concern here
        assert outputs["exit-code"] == str(code)
    assert str(ended) == outputs["exit-code"]
    directory = tmp_path / outputs["directory"]
    assert {"result.json", "report.html", "junit.xml"} <= {path.name for path in directory.iterdir()}


def test_an_input_is_never_code(tmp_path: Path) -> None:
    ended, outputs = run(tmp_path, '$(touch "$OUT/pwned")', "; touch out/pwned\n`touch out/pwned`")
    assert ended == 2
    assert outputs == {"exit-code": "2", "directory": ""}
    assert not list((tmp_path / "out").iterdir())
