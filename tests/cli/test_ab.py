"""`loadsim ab`: what is refused before the first event."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["embedded"], "name two targets"),
        (["embedded", "embedded", "--aa"], "name one target"),
        (["one.toml", "embedded"], "--scenario one.toml"),
        (["embedded", "embedded", "-t", "x"], "TARGET_A and TARGET_B"),
        (["embedded", "embedded", "--scenario", "stead"], 'did you mean "steady"?'),
        (["embedded", "embedded", "--fail", "p98:5%"], "unknown figure"),
        (["embedded", "embedded", "-r", "10/s", "-d", "2s"], "each run has 20 events, p99 needs 368"),
        (["embedded", "embedded", "--warm-up", "2"], "--warm-up"),
        (["embedded", "embedded", "--warm-up", "2h"], "at most 1h"),
        (["embedded", "embedded", "--pairs", "6"], "7<=x<=16"),
        (["embedded", "nowhere"], "no endpoint is called"),
        (["embedded", "embedded", "--effects", "http://127.0.0.1:1/"], "--effects: ab compares answers only"),
        (["embedded", "embedded", "--scenario", "effects"], "effect: p(95) < 2s': ab compares answers only"),
    ],
)
def test_what_makes_no_sense_is_one_line(run: Run, tmp_path: Path, arguments: list[str], says: str) -> None:
    done = run("ab", *arguments)
    assert done.code == 2
    assert says in done.err
    assert not list(tmp_path.glob("reports/*"))
