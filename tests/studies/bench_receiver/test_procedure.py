"""What a verified event costs over HTTP: one small sitting with a user's application, and what the figures become."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from loadsim.measure.timing_statistics import spread
from loadsim.model import NS_PER_S, Secret, UsageError
from loadsim.studies.bench_receiver import procedure as bench_receiver
from loadsim.studies.bench_receiver import subjects
from loadsim.studies.bench_receiver.procedure import (
    ReceiverBenchmark,
    ReceiverRequest,
    _differences,
    _ending,
    _Found,
    _noise,
    _row,
    _Window,
)
from loadsim.studies.bench_receiver.report import receiver_report
from loadsim.studies.bench_receiver.result import SCHEMA, PaceRow, ReceiverBench, ReceiverRow
from loadsim.studies.bench_receiver.subjects import OURS, Running, Setting, Subject, faults, running
from loadsim.studies.save import save_study
from tests.builders import run_result
from tests.launch.support import SECRET, SECRET_ENV, loadsim
from tests.report.rendering import render_page, render_summary, render_text

EVENT = "desktop.app_tracking.captured"
BARE_OPEN, BARE, AIOHTTP_OPEN, AIOHTTP = OURS
SHOP = f"""
import os, time
from aiohttp import web
from loadsim.receiver.middleware import verifying
from loadsim.signing import Secret, scheme

VERIFIER = scheme("trackpilots").verifier(Secret(os.environ["{SECRET_ENV}"]))

async def receive(request):
    return web.json_response({{"received": True}})

def careful():
    app = web.Application(middlewares=[verifying(VERIFIER)])
    app.router.add_post("/hook", receive)
    return app

def careless():
    app = web.Application()
    app.router.add_post("/hook", receive)
    return app
"""


@pytest.mark.slow
@pytest.mark.long
async def test_a_sitting_measures_what_is_right_and_names_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench_shop.py").write_text(SHOP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    monkeypatch.setattr(subjects, "OURS", (BARE,))
    allowed = os.sched_getaffinity(0)
    setting = Setting(Secret(SECRET), app="bench_shop:careful", path="/hook", events=(EVENT,))
    request = ReceiverRequest(setting, rates=(4_000,), rounds=1, step_ns=NS_PER_S // 5)
    result = await ReceiverBenchmark(request).execute()
    assert os.sched_getaffinity(0) == allowed
    assert [(row.key, row.faults) for row in result.rows] == [("bare", []), ("own", [])]
    for row in result.rows:
        assert row.cpu_us is not None
        assert 0 < row.cpu_us.median < 100_000
        assert [pace.rate for pace in row.paces] == [4_000.0]
    careless = replace(setting, app="bench_shop:careless")
    async with running(careless.subjects()[-1], careless) as started:
        assert await faults(started, careless) == [
            "answers a tampered body with 200",
            "answers a signature under another key with 200",
            "answers a delivery without a signature with 200",
            "answers a stale delivery with 200",
        ]


async def test_an_application_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    done = await loadsim("bench", "receiver", "--app", "nowhere:app", "-q", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("loadsim: --app nowhere:app: the module nowhere is neither here")


def test_everything_is_kept(tmp_path: Path) -> None:
    directory = save_study(tmp_path, shown().id, "receiver.json", shown(), receiver_report(shown()))
    assert {path.name for path in directory.iterdir()} == {"receiver.json", "summary.md", "report.html"}
    assert msgspec.json.decode((directory / "receiver.json").read_bytes(), type=ReceiverBench) == shown()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--secret-env", "X"], "for --app only"),
        (["--step", "1ms"], "between 1s and 60s"),
        (["-r", "0.5/s"], "whole number"),
        (["--app", "a:b", "--path", "hook"], "begins with '/'"),
        (["--scheme", "strip"], 'did you mean "stripe"?'),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_started(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from loadsim.cli.bench_receiver import command

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    found = CliRunner().invoke(command, arguments).exception
    assert isinstance(found, UsageError)
    assert said in str(found)
    assert not (tmp_path / "reports").exists()


def entry(subject: Subject, *cpu: float, faults: tuple[str, ...] = (), generator: float = 0.5) -> _Found:
    windows = [_Window(1e6 / us, us, 0.6, generator) for us in cpu]
    return _Found(Running(subject, "http://127.0.0.1:1/", 1), list(faults), windows)


def test_parts_are_differences_within_a_round() -> None:
    slow = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)  # what each round was slower by, for all
    found = [
        entry(BARE_OPEN, *[10 + x for x in slow]),
        entry(BARE, *[12 + x for x in slow]),
        entry(AIOHTTP, 1, faults=("errs",)),
    ]
    parts = {part.name: part for part in _differences(found)}
    assert set(parts) == {"HTTP and the rest of the bare engine", "the signature, on the bare engine"}
    assert parts["the signature, on the bare engine"].us == pytest.approx(2.0)
    assert parts["the signature, on the bare engine"].interval == pytest.approx((2.0, 2.0))


def test_a_generator_at_its_limit_makes_a_speed_a_lower_bound() -> None:
    assert _row(entry(BARE, 10, 10, 10, generator=0.97)).at_least
    assert not _row(entry(BARE, 10, 10, 10, generator=0.5)).at_least


def test_noise_is_refused_and_what_errs_is_certain() -> None:
    assert list(_noise([_row(entry(BARE, 10, 10, 10, 10.2))])) == []
    (reason,) = _noise([_row(entry(BARE, 10, 14, 20, 10))])
    assert "a noisy machine" in reason
    endings = [_ending(faulty=faulty, noisy=noisy, whole=True) for faulty in (False, True) for noisy in (False, True)]
    assert endings == ["pass", "unsure", "fail", "fail"]
    assert _ending(faulty=True, noisy=True, whole=False) == "interrupted"


def shown() -> ReceiverBench:
    pace = bench_receiver._left_out(8000, "INVALID: the generator was late")
    rows = [
        ReceiverRow(
            key="bare",
            name="loadsim, bare engine",
            verifies=True,
            faults=[],
            events_per_s=spread([50_000.0, 52_000.0]),
            at_least=True,
            cpu_us=spread([12.0, 12.4]),
            core_share=0.7,
            paces=[msgspec.structs.replace(pace, why="", p50_ms=0.15, p99_ms=4.0), pace],
        ),
        ReceiverRow(
            key="own",
            name="<script>:x\x1b",
            verifies=True,
            faults=["answers a tampered body with 200"],
            events_per_s=None,
            at_least=False,
            cpu_us=None,
            core_share=None,
            paces=[],
        ),
    ]
    return ReceiverBench(
        schema=SCHEMA,
        id="x",
        started_at="2026-05-04T09:10:00Z",
        ended_at="2026-05-04T09:12:00Z",
        version="0",
        scheme="trackpilots",
        app="<script>:x",
        connections=64,
        rounds=3,
        cores=(0, 1),
        rows=rows,
        parts=[],
        ending="fail",
        reasons=["<script>:x\x1b answers a tampered body with 200"],
        environment=run_result().environment,
    )


def test_all_three_reports_say_the_same_and_foreign_text_stays_text() -> None:
    texts = [
        render_text(shown()),
        render_summary(shown()),
        render_page(shown(), None).decode(),
        render_page(shown(), "/* library */").decode(),
    ]
    for text in texts:
        assert "FAIL" in text
        assert "51,000" in text
        assert "70 %" in text
        assert "✗ errs" in text
        assert "4.00 ms" in text
        assert "INVALID" in text
        assert "\x1b" not in text
    assert all("<script>:x" not in text for text in texts[1:])
    assert 'id="chart-cpu"' in texts[3]


def test_a_pace_is_kept_without_figures_that_are_not_known() -> None:
    assert bench_receiver._left_out(10, "x") == msgspec.convert(
        {**dict.fromkeys(PaceRow.__struct_fields__), "rate": 10.0, "why": "x"}, PaceRow
    )
