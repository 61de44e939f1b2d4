"""How the properties of a machine are found, and the command that shows them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from loadsim.engine.scripted_endpoint import ScriptedPacer, VirtualLoop
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.studies.doctor import checks
from loadsim.studies.doctor.result import SCHEMA, Diagnosis
from tests.cli.running import Run


def measured(misses: list[int], span_ms: int = 30, step_ms: int = 5) -> list[int]:
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        pacer = ScriptedPacer(loop, misses)
        return runner.run(checks.lags(pacer, loop.now_ns, span_ms * NS_PER_MS, step_ms * NS_PER_MS))


def nearly(found: list[int], wanted_us: list[int]) -> bool:
    return [round(ns / 1000) for ns in found] == wanted_us


def test_the_timer_is_watched_at_every_step() -> None:
    assert nearly(measured([0, 200_000, 0, 1_000_000]), [0, 200, 0, 1000, 0, 0])


def test_a_pause_makes_all_late_that_were_due_in_it() -> None:
    assert nearly(measured([12 * NS_PER_MS]), [12_000, 7_000, 2_000, 0, 0, 0])


def test_a_timer_that_fires_early_is_awaited() -> None:
    assert nearly(measured([-2 * NS_PER_MS]), [0] * 6)


def test_a_timer_that_hardly_fires_ends_the_measurement() -> None:
    found = measured([NS_PER_S])
    assert nearly(found, [1_000_000])


@pytest.mark.parametrize(
    ("content", "quota"),
    [("max 100000\n", None), ("150000 100000\n", 1.5), ("", None), ("1 0", None), (None, None)],
)
def test_the_quota_of_the_control_group(tmp_path: Path, content: str | None, quota: float | None) -> None:
    path = tmp_path / "cpu.max"
    if content is not None:
        path.write_text(content, encoding="ascii")
    assert checks.quota_of(path) == quota


def test_extras_come_from_the_requirements_of_the_package() -> None:
    requirements = [
        "aiohttp>=3.14.3",
        'uvloop>=0.21; sys_platform != "win32"',
        'plotly>=6.0; extra == "report"',
        'jinja2>=3.1.6; extra == "dashboard"',
        'plotly>=6.0; extra == "dashboard"',
        "slack_sdk>=3.33 ; extra == 'interop'",
        'pytest>=9; extra == "test"',
    ]
    found = checks.missing_packages(requirements, lambda name: name != "plotly")
    assert found == {"dashboard": ["plotly"], "interop": [], "report": ["plotly"]}


def test_the_installed_package_has_extras() -> None:
    names = [check.name for check in checks._extras()]
    assert "extra report" in names
    assert "extra test" not in names


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, "PACED_NS", 20 * NS_PER_MS)
    return Run(monkeypatch, capsys)


def test_the_diagnosis_as_json_has_the_documented_form(run: Run) -> None:
    done = run("doctor", "--json")
    assert (done.code, done.err) == (0, "")
    found = msgspec.json.decode(done.out, type=Diagnosis)
    assert found.schema == SCHEMA == "loadsim.doctor/1"
    by_name = {check.name: check for check in found.checks}
    wanted = ["cores", "descriptors", "local ports", "pacing", "floor", "receive stamps", "event loop"]
    assert list(by_name)[: len(wanted)] == wanted
    assert by_name["cores"].figures["usable"] == found.environment.cpu_count
    assert by_name["event loop"].figures["uvloop"]
    assert isinstance(by_name["pacing"].figures["max_ms"], float)


def test_the_report_has_a_row_for_each_check(run: Run) -> None:
    done = run("doctor")
    assert done.code == 0
    assert done.out.split()[0] in {"READY", "LIMITED"}
    for name in ("cores", "descriptors", "local ports", "pacing", "floor", "receive stamps", "event loop"):
        assert name in done.out
