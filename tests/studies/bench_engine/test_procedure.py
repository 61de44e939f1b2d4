"""Calibration: it measures, keeps what is worth keeping, and reports show it."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from loadsim import __version__
from loadsim.cli.main import main
from loadsim.launch.environment import environment
from loadsim.measure.generator_limits import dump_limits, limits_name, load_limits
from loadsim.measure.result_generator import GeneratorLimits, LagAtRate
from loadsim.model import UsageError
from loadsim.report import terminal
from loadsim.report.what_limited import limit_lines
from loadsim.run.calibration import known_limits
from loadsim.studies.bench_engine import procedure as bench_engine
from loadsim.studies.bench_engine.report import engine_report
from tests.builders import run_result
from tests.launch.support import endpoint, loadsim, plain, stored

FLOOR = GeneratorLimits(
    measured_at="2026-05-04T09:10:00Z",
    rate_max=74_321.4,
    generator_cpu_share=0.99,
    service_p50_ms=0.061,
    service_p99_ms=0.123,
    paces=[LagAtRate(1000.0, 0.055, 0.149, 0.061, 0.123)],
)
LINE = "this generator's limits here: service p50 61.0 µs, p99 123 µs, at most 74,321/s per process"


def test_it_measures_and_keeps_what_a_quiet_machine_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bench_engine, "RATES", (400, 10**9))
    monkeypatch.setattr(sys, "argv", ["loadsim", "bench", "engine", "--step", "1s", "--json", "-q"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    floor = msgspec.convert(plain(out)["floor"], GeneratorLimits)
    assert floor.rate_max > 100
    assert [pace.rate for pace in floor.paces] == [400], "what is above the highest rate is left out"
    kept = list((tmp_path / "cache").glob("loadsim/engine-*.json"))
    assert ended.value.code == (0 if kept else 3), err
    for path in kept:
        assert load_limits(path.read_bytes(), str(path)) == floor


async def test_a_run_shows_the_limits_of_its_machine(tmp_path: Path) -> None:
    directory = tmp_path / "cache" / "loadsim"
    directory.mkdir(parents=True)
    here = environment()
    (directory / limits_name(here, __version__)).write_bytes(dump_limits(FLOOR, here, __version__))
    async with endpoint() as served:
        env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = await loadsim("run", served.url, "-n", "20", "-c", "2", "-q", cwd=tmp_path, env=env)
    assert done.code == 0, done.err
    assert stored(tmp_path).generator_limits == FLOOR
    assert "this generator's limits here" in done.out


def test_a_rate_that_another_was_the_limit_of_is_no_upper_bound() -> None:
    idle = msgspec.structs.replace(FLOOR, generator_cpu_share=0.35)
    (line,) = (line for line in limit_lines(run_result(generator_limits=idle)) if "generator's limits" in line)
    assert "at least 74,321/s per process" in line


def test_it_is_one_line_among_what_limited_the_run() -> None:
    assert f"{LINE} (measured 2026-05-04)" in limit_lines(run_result(generator_limits=FLOOR))
    assert not [line for line in limit_lines(run_result()) if "generator's limits" in line]


def test_another_machine_or_version_has_other_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = environment()
    path = tmp_path / "loadsim" / limits_name(here, __version__)
    path.parent.mkdir()
    path.write_bytes(dump_limits(FLOOR, here, __version__))
    assert known_limits(here) == FLOOR
    assert known_limits(msgspec.structs.replace(here, cpu_model="another")) is None
    assert limits_name(here, "0.0.0") != limits_name(here, __version__)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"schema": "loadsim.floor/9"}', b"\xff"])
def test_a_damaged_calibration_is_as_good_as_none(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "loadsim" / limits_name(environment(), __version__)
    path.parent.mkdir()
    path.write_bytes(data)
    assert known_limits(environment()) is None
    with pytest.raises(UsageError, match="bench engine"):
        load_limits(data, "x")


def test_the_page_says_who_was_the_limit() -> None:
    here = environment()
    page = terminal.render(engine_report(FLOOR, here))
    assert "74,321" in page
    assert "99 % of its core" in page
    slow = msgspec.structs.replace(FLOOR, generator_cpu_share=0.4)
    assert "40 % of its core: the receiver or the machine was the limit" in terminal.render(
        engine_report(slow, here), width=160
    )
    assert "INVALID" in terminal.render(engine_report(FLOOR, here, ["late"]))
