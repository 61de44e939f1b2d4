"""The workflow for GitHub does what `.ci/run` does, on every Python that the project supports."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
(JOB,) = yaml.safe_load(TEXT)["jobs"].values()


def test_it_runs_the_same_script() -> None:
    assert JOB["steps"][-1]["run"] == ".ci/run"
    assert "Untested" in TEXT.splitlines()[0]


def test_it_begins_with_the_oldest_supported_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = JOB["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={versions[0]}"
    assert versions == sorted(versions, key=lambda version: int(version.partition(".")[2]))
