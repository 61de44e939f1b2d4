"""Runs of ten thousand events with tokens against the companion receiver: all are accepted, and no forged one is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.events import default_types
from loadsim.signing import scheme, scheme_names
from tests.cli.running import Run
from tests.conftest import slow_but

TOKENS = [name for name in scheme_names() if scheme(name).token is not None]
LEFT_OUT = ("body_at_limit", "body_over_limit", "duplicate", "malformed_json", "wrong_content_type")
"""They are about bodies and connections, and not for every receiver."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but(TOKENS[:1], TOKENS))
def test_a_thousand_events_are_accepted(run: Run, name: str) -> None:
    (kind,) = default_types((name,))
    ended = run("run", "embedded", "-e", kind, "-n", "1000", "-c", "8", "-q", "--json", "out.json")
    assert ended.code in {0, 3}, ended.err  # 3: this machine was too busy to be on time, which changes no count
    result = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert result["totals"]["status"] == {"200": 1_000}
    assert result["receiver"]["verified"] == 1_000


@pytest.mark.parametrize("name", slow_but(TOKENS[:1], TOKENS))
def test_no_forged_event_of_a_run_is_accepted(run: Run, name: str) -> None:
    found = scheme(name)
    kinds = [
        kind for kind in CASE_KINDS if "." not in kind and kind not in LEFT_OUT and not CASE_KINDS[kind].problem(found)
    ]
    assert "jwt_forgery" in kinds
    lines = ['name = "forged"', "[target]", 'url = "embedded"', "[[events]]", f'type = "{default_types((name,))[0]}"',
             "[[phases]]", 'name = "load"', 'duration = "1s"', 'rate = "300/s"']  # fmt: skip
    for kind in kinds:
        lines += ["[[cases]]", f'kind = "{kind}"', f"share = {0.9 / len(kinds)}"]
    Path("forged.toml").write_text("\n".join(lines), encoding="utf-8")
    ended = run("run", "forged.toml", "-q", "--json", "out.json")
    assert ended.code in {0, 3}, ended.err
    result = json.loads(Path("out.json").read_text(encoding="utf-8"))
    cases = result["by_case"]
    refused = {kind: case["forged_accepted"] for kind, case in cases.items() if case["forged_accepted"] is not None}
    assert set(refused.values()) == {0}, refused
    assert {"jwt_forgery", "wrong_secret"} <= set(refused)
    assert result["totals"]["status"] == {"200": result["totals"]["sent"]}
