"""Every renderer against a file that somebody has looked at.

`python -m tests.golden` writes the files again and shows the difference: look at it before keeping them.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from loadsim.cases import case_rules
from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.measure.histogram_codec import decode
from loadsim.measure.progress import EffectCounts, Latencies, Progress
from loadsim.measure.result import RunResult
from loadsim.measure.result_generator import GeneratorLimits, LagAtRate
from loadsim.plan import Plan, from_document
from loadsim.report import terminal
from loadsim.report.hgrm import render_hgrm
from loadsim.report.hlog import render_hlog
from loadsim.report.junit import render_junit
from loadsim.report.k6_summary import render_k6_summary
from loadsim.report.live_view import progress_line, render_progress
from loadsim.report.openmetrics import render_openmetrics
from loadsim.report.plan_text import render_plan
from loadsim.report.series_csv import render_series
from loadsim.studies.bench_engine.report import engine_report
from tests.builders import run_result, with_course
from tests.plan.support import TYPES, scenario_of
from tests.report.rendering import render_page, render_summary, render_text
from tests.report.results import aborted, closed, compared, course, failed, invalid, pairs, retried, searched, worked

GOLDEN = Path(__file__).parent / "golden"


@functools.cache
def rendered() -> dict[str, str]:
    """File name → what the renderers make of it now."""
    return {
        "failed-80.txt": render_text(failed(), width=80),
        "failed-120.txt": render_text(failed(), width=120),
        "failed-80-colour.txt": render_text(failed(), width=80, colour=True),
        "invalid-100.txt": render_text(invalid(), width=100),
        "closed-80.txt": render_text(closed(), width=80),
        "retried-100.txt": render_text(retried(), width=100),
        "worked-100.txt": render_text(worked(), width=100),
        "worked.md": render_summary(worked()),
        "worked.html": render_page(worked(), None).decode(),
        "retried.md": render_summary(retried()),
        "failed.md": render_summary(failed()),
        "invalid.md": render_summary(invalid()),
        "failed.hgrm": render_hgrm(failed()),
        "failed.csv": render_series(failed()),
        "failed.xml": render_junit(failed()).decode(),
        "invalid.xml": render_junit(invalid()).decode(),
        "failed.json": render_k6_summary(failed()).decode(),
        "failed.openmetrics": render_openmetrics(failed()),
        "failed.html": render_page(course(), None).decode(),
        "closed.html": render_page(closed(), None).decode(),
        "aborted-80.txt": render_text(aborted(), width=80),
        "aborted.md": render_summary(aborted()),
        "aborted.xml": render_junit(aborted()).decode(),
        "aborted.html": render_page(aborted(), None).decode(),
        "ab-slower.txt": render_text(pairs(slower=1.2)),
        "ab-slower.md": render_summary(pairs(slower=1.2)),
        "ab-same.txt": render_text(pairs(same=True)),
        "compare.txt": render_text(compared()),
        "compare.md": render_summary(compared()),
        "compare.html": render_page(compared(), None).decode(),
        "capacity-80.txt": render_text(searched(), width=80),
        "capacity.md": render_summary(searched()),
        "course.hlog": without_blobs(render_hlog(few_slices())),
        "plan.txt": "\n".join(plans()),
        "bench-engine.txt": engine_limits(),
        "live.txt": "\n".join(live_views()),
    }


def few_slices() -> RunResult:
    """A run short enough for somebody to look at its intervals."""
    return with_course(run_result(), slices=3, per_slice=20)


def without_blobs(text: str) -> str:
    """How many samples each histogram holds, in its place: its bytes are the compressing library's."""
    return re.sub(r"HISTF\S+", lambda blob: f"<{decode(blob[0])[1].sum()} samples>", text)


def plans() -> Iterator[str]:
    """The plan of a scenario that uses much of what there is, and of a closed run."""
    phases: list[dict[str, Any]] = [
        {"name": "warm-up", "duration": "5s", "rate": "100/s", "record": False},
        {"name": "ramp", "duration": "10s", "from": "0/s", "to": "500/s"},
        {
            "name": "busy hour",
            "duration": "30s",
            "rate": "500/s",
            "arrivals": "poisson",
            "shares": {"tampered_body": 0.02},
        },
        {"name": "bursts", "duration": "10s", "rate": "10/s", "arrivals": "burst", "burst": "5s"},
    ]
    phases[2]["shares"] = {"tampered_body": 0.02}
    document: dict[str, Any] = {
        "name": "full",
        "target": {"url": "https://user:pass@example.test/hook?token=secret", "connections": 64},
        "events": [{"type": TYPES[0], "weight": 3}, {"type": TYPES[1]}],
        "cases": [{"kind": "wrong_secret", "share": 0.01}, {"kind": "tampered_body", "share": 0.005}],
        "phases": phases,
        "retry": {"profile": "svix", "time_scale": 60},
        "objectives": ["p(99) < 250ms over 10s", {"objective": "http_req_failed: rate < 1%", "abort": True}],
    }
    full = from_document(document, "f.toml", known_cases=case_rules())
    closed = scenario_of({"connections": 8, "events": 10_000})
    for scenario in (full, closed):
        yield render_plan(Plan(scenario, 7), objectives_of(scenario.objectives, vocabulary_of_scenario(scenario)))


def engine_limits() -> str:
    """What a calibration says, kept and not kept."""
    paces = [LagAtRate(1_000.0, 0.061, 0.148, 0.071, 0.134), LagAtRate(20_000.0, 0.083, None, 0.091, 0.412)]
    floor = GeneratorLimits("2026-05-04T09:10:00Z", 81_250.0, 0.97, 0.068, 0.121, paces)
    slow = msgspec.structs.replace(floor, generator_cpu_share=0.61)
    where = run_result().environment
    found = (engine_report(floor, where), engine_report(slow, where, ["the machine was busy"]))
    return "".join(map(terminal.render, found))


def live_views() -> Iterator[str]:
    """A run in its second phase, one that is being ended, a closed one, and one that waits for its effects, wide and
    narrow; then in lines."""
    phases: list[dict[str, Any]] = [
        {"name": "warm-up", "duration": "5s", "rate": "100/s", "record": False},
        {"name": "busy hour", "duration": "30s", "rate": "500/s"},
        {"name": "night", "duration": "10s", "rate": "10/s"},
    ]
    plan = Plan(scenario_of(*phases), 1)
    closed_plan = Plan(scenario_of({"connections": 8, "events": 10_000}), 1)
    progress = Progress(
        elapsed_s=12.4,
        planned=4_200,
        sent=4_190,
        done=4_100,
        in_flight=100,
        queued=10,
        connections=64,
        succeeded=4_000,
        failed_status=98,
        errors=2,
        rate_planned=500.0,
        rate_sent=505.2,
        rate_done=512.3,
        failures=(("503", 90), ("429", 8), ("reset", 2)),
        last_second=Latencies(4.1, 88.2, 1_204.0, 0.21),
        total=Latencies(3.9, 41.0, 1_730.0, 0.34),
        rates=(0.0, 98.0, 100.0, 250.0, 512.3, 500.0),
    )
    lost = replace(progress, elapsed_s=47, lost_shards=(1,))
    waiting = replace(progress, elapsed_s=57, in_flight=0, effects=EffectCounts(4_000, 2_766, 1_234, 12.0, 60.0))
    views = (
        (plan, progress, ""),
        (plan, lost, "ending the run: why"),
        (closed_plan, progress, ""),
        (plan, waiting, ""),
    )
    for width in (80, 40):
        for of, seen, stopping in views:
            console = Console(file=io.StringIO(), width=width)
            console.print(render_progress(of, seen, width=width, stopping=stopping))
            assert isinstance(console.file, io.StringIO)
            yield "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"
    yield from (f"{progress_line(plan, each)}\n" for each in (progress, waiting))


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_golden(name: str) -> None:
    assert rendered()[name].encode() == (GOLDEN / name).read_bytes()


def test_every_file_is_rendered() -> None:
    assert set(rendered()) == {path.name for path in GOLDEN.iterdir()}
