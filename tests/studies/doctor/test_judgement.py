"""What each property of a machine is judged to be, and what is advised."""

from __future__ import annotations

import pytest

from loadsim.measure.result_generator import GeneratorLimits
from loadsim.model import NS_PER_MS
from loadsim.studies.doctor import judgement
from loadsim.studies.doctor.result import Check


@pytest.mark.parametrize(
    ("usable", "quota", "load", "state"),
    [(4, None, 0.5, "good"), (4, None, None, "good"), (4, None, 4.1, "note"), (1, None, 0.1, "note"),
     (8, 1.5, 0.1, "note"), (8, 0.5, 0.1, "limit"), (8, 2.0, 2.5, "note")],
)  # fmt: skip
def test_cores(usable: int, quota: float | None, load: float | None, state: str) -> None:
    check = judgement.cores(usable, 8, quota, load)
    assert check.state == state
    assert bool(check.advice) == (state != "good")
    assert check.figures == {"usable": usable, "present": 8, "quota": quota, "load": load}


@pytest.mark.parametrize(
    ("soft", "hard", "state", "says"),
    [(1024, 524_288, "good", "at most 524,256"), (1024, 1024, "limit", "at most 992"), (None, None, "good", "any")],
)
def test_descriptors(soft: int | None, hard: int | None, state: str, says: str) -> None:
    check = judgement.descriptors(soft, hard)
    assert check.state == state
    assert says in check.meaning
    assert ("ulimit" in check.advice) == (state == "limit")


def test_local_ports() -> None:
    usual = judgement.ports(32_768, 60_999)
    assert (usual.state, usual.found) == ("good", "28,232 (32768 to 60999)")
    assert "470 new ones per second" in usual.meaning
    few = judgement.ports(50_000, 50_999)
    assert few.state == "note"
    assert "ip_local_port_range" in few.advice
    assert judgement.ports(None, None).found == "not known"
    assert set(judgement.ports(None, None).figures) == set(usual.figures)


@pytest.mark.parametrize(
    ("lags_ms", "state"),
    [([0.05] * 100, "good"), ([0.05] * 98 + [1.5] * 2, "note"), ([0.05] * 99 + [10.5], "limit"), ([0.05, 9.9], "note")],
)
def test_pacing(lags_ms: list[float], state: str) -> None:
    check = judgement.pacing([round(ms * NS_PER_MS) for ms in lags_ms])
    assert check.state == state
    assert bool(check.advice) == (state != "good")
    assert check.figures["max_ms"] == max(lags_ms)
    assert check.figures["p50_ms"] == sorted(lags_ms)[len(lags_ms) // 2]


def test_pacing_that_was_not_measured_is_not_called_good() -> None:
    check = judgement.pacing([])
    assert (check.state, check.found) == ("note", "not known")
    assert check.figures == {"p50_ms": None, "p99_ms": None, "max_ms": None}


def test_the_floor_is_what_bench_engine_measured() -> None:
    limits = GeneratorLimits("2026-05-04T09:10:00Z", 41_234.0, 0.97, 0.051, 0.2, [])
    known = judgement.floor(limits)
    assert known.state == "good"
    assert "41,234 signed events/s" in known.found
    assert known.figures == {"rate_max": 41_234.0, "service_p50_ms": 0.051, "service_p99_ms": 0.2}
    unknown = judgement.floor(None)
    assert (unknown.state, unknown.advice) == ("note", "loadsim bench engine")
    assert set(unknown.figures) == set(known.figures)


def test_what_is_missing_says_how_to_get_it() -> None:
    checks: list[Check] = [
        judgement.stamps(supported=False),
        judgement.loop(None),
        judgement.optional("report", "charts", ["plotly"], "pip install 'loadsim[report]'"),
    ]
    assert [check.state for check in checks] == ["note", "limit", "note"]
    assert all(check.advice for check in checks)
    assert checks[2].found == "without plotly"


def test_what_is_there_needs_no_advice() -> None:
    checks = [judgement.stamps(supported=True), judgement.loop("0.22.1"), judgement.optional("report", "", [], "no")]
    assert {check.state for check in checks} == {"good"}
    assert not any(check.advice for check in checks)
