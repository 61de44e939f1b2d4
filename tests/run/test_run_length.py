"""`--scale`: checked whole, run short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadsim.model import UsageError
from loadsim.run.options import RunOptions
from loadsim.run.run_length import unsupported
from loadsim.run.spec_of_options import compose
from tests.cli.running import Run

SOAK = """
name = "soak"
objectives = [
    "p(99) < 1s", "p(95) < 1s over 10s", "success: rate >= 99%",
    { objective = "sent: count >= 500", abort = true }, { objective = "errors: count < 9", abort = true },
]
[target]
url = "embedded"
[[phases]]
name = "steady"
duration = "1m"
rate = "10/s"
"""


@pytest.fixture
def soak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "soak.toml"
    path.write_text(SOAK, encoding="utf-8")
    return path


def test_the_shortened_plan_is_run_and_the_whole_one_is_checked(soak: Path) -> None:
    spec = compose(str(soak), RunOptions(scale=0.1, check=True, seed=7))
    assert (spec.scale, spec.plan().count(0), spec.scenario.phases[0].duration) == (0.1, 60, 6_000_000_000)
    assert [objective.text for objective, _ in unsupported(spec)] == ["p(99) < 1s", "p(95) < 1s over 10s"]
    assert {objective.text for objective in spec.objectives if objective.abort} == {"errors: count < 9"}, (
        "a count that only the whole run has does not end this one"
    )
    soak.write_text(SOAK.replace("10/s", "1/s"), encoding="utf-8")
    with pytest.raises(UsageError, match="this run can never support it"):
        compose(str(soak), RunOptions(scale=0.1, check=True))


def test_check_shows_the_shortened_plan(
    soak: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Run(monkeypatch, capsys)("run", str(soak), "--check", "--scale", "0.1")
    lines: list[str] = [line.strip() for line in done.out.splitlines()]
    assert "phases     at scale 0.1" in lines
    assert "steady: 10/s for 6s: 60 events" in lines
    assert "p(99) < 1s (not judged (scaled): p(99) needs 368 samples, and this plan has 60 such events)" in lines
    assert "p(95) < 1s over 10s (not judged (scaled): no whole window of 10s is recorded)" in lines
    assert "sent: count >= 500 (a count below it is not judged (scaled))" in lines
    assert "success: rate >= 99%" in lines


@pytest.mark.parametrize("scale", ["0", "1.5", "-0.1", "nan", "x"])
def test_a_scale_is_a_part(scale: str, soak: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    done = Run(monkeypatch, capsys)("run", str(soak), "--check", "--scale", scale)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--scale" in done.err
