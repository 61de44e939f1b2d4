"""Builds plausible RunResults for the tests of judging and reporting."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from loadsim.measure.hdr import MICROSECONDS, PERCENTILES, Ints, rank
from loadsim.measure.histogram_codec import encode
from loadsim.measure.result import SCHEMA, Environment, RunInfo, RunResult
from loadsim.measure.result_deliveries import AttemptRow, RetryTotals
from loadsim.measure.result_events import DeadlineCount, SampleRow, SeriesRow, Stats, Totals
from loadsim.measure.result_generator import Limits, ShardRow
from loadsim.measure.result_verdict import Validity, VerdictRow
from loadsim.measure.sample_sizes import least_count
from loadsim.model import NS_PER_S
from loadsim.plan.providers import DEADLINES_NS

TYPES = (
    "desktop.activity_tracking.captured",
    "desktop.app_tracking.captured",
    "desktop.screenshot_tracking.captured",
)


def stats(scale: float = 1.0, count: int = 60_000, *, ci95: bool = True) -> Stats:
    """A right-skewed latency whose median is `scale` ms."""
    shape = {"p50": 1.0, "p75": 1.6, "p90": 2.9, "p95": 4.1, "p99": 11.0, "p99_9": 42.0, "p99_99": 77.7}
    values = {name: factor * scale for name, factor in shape.items() if count >= least_count(PERCENTILES[name])}
    intervals = {name: (0.93 * value, 1.08 * value) for name, value in values.items() if name != "p99_99"}
    rest = {"min": 0.31 * scale, "mean": 1.42 * scale, "stdev": 2.2 * scale, "max": 88.0 * scale}
    return msgspec.structs.replace(Stats(count=count, ci95=intervals if ci95 else None), **values, **rest)


def totals(planned: int = 60_000, **changes: Any) -> Totals:
    """Balanced accounts of a run in which nearly everything succeeded."""
    status = {"200": planned - planned // 100 - planned // 1000, "503": planned // 100}
    errors = {"reset": planned // 1000} if planned >= 1000 else {}
    base = Totals(
        planned=planned,
        sent=planned,
        completed=sum(status.values()),
        succeeded=status["200"],
        failed=planned - status["200"],
        dropped=0,
        unfinished=planned - sum(status.values()) - sum(errors.values()),
        unsent=0,
        attempts=planned,
        bytes_sent=planned * 812,
        bytes_received=planned * 130,
        duration_s=30.0,
        rate_planned=planned / 30,
        rate_sent=planned / 30,
        rate_completed=sum(status.values()) / 30,
        success_rate=status["200"] / planned if planned else None,
        status=status,
        errors=errors,
        latency_ms={
            "response": stats(4.0, planned),
            "service": stats(3.1, planned),
            "lag": stats(0.05, planned),
            "wait": stats(0.4, planned),
            "connect": stats(0.2, 64, ci95=False),
            "first_byte": stats(3.0, planned),
            "sign": stats(0.0021, planned // 100, ci95=False),
        },
        by_status=by_status(status["200"], status["503"]),
    )
    changed = msgspec.structs.replace(base, **changes)
    exact = None if changed.duration_s is None else round(changed.duration_s * NS_PER_S)
    return msgspec.structs.replace(changed, duration_ns=changes.get("duration_ns", exact))


def by_status(good: int, bad: int) -> dict[str, dict[str, Stats]]:
    """Latencies by class of status: `bad` answers 503 came somewhat quicker than `good` answers 200."""
    found = {}
    for name, scale, count in (("2xx", 1.0, good), ("5xx", 0.6, bad)):
        if count:
            shapes = {"response": 4.0, "service": 3.1, "first_byte": 3.0}
            found[name] = {metric: stats(scale * height, count) for metric, height in shapes.items()}
    return found


def refused(planned: int = 60_000, code: str = "401") -> Totals:
    """Totals of a run in which every answer was one refusal."""
    return totals(
        planned,
        completed=planned,
        succeeded=0,
        failed=planned,
        unfinished=0,
        success_rate=0.0,
        status={code: planned},
        errors={},
        by_status={f"{code[0]}xx": by_status(planned, 0)["2xx"]} if planned else {},
    )


def samples() -> list[SampleRow]:
    """First answers of a failing status and of an error kind."""
    headers = [("content-type", "text/plain"), ("retry-after", "1")]
    busy = "upstream connect error or disconnect/reset before headers"
    return [
        SampleRow("503", 17, TYPES[1], 0.0085, headers, busy, ""),
        SampleRow("503", 23, TYPES[0], 0.0115, headers, busy, ""),
        SampleRow("503", 40, TYPES[1], 0.02, headers, "<html>\r\n<b>overloaded|</b>\x1b[31m </html>", ""),
        SampleRow("reset", 1031, TYPES[2], 0.5155, [], "", "connection reset by peer after 812 bytes"),
    ]


def series(slices: int = 6) -> list[SeriesRow]:
    """A few slices, one of them empty."""
    rows = [
        SeriesRow(5.0 * i, 10_000, 10_000, 9_990, 9_890, 110, 3, 4.0, 11.6, 44.0, 352.0, 0.55) for i in range(slices)
    ]
    rows[-1] = SeriesRow(5.0 * (slices - 1), 0, 0, 0, 0, 0, 0, None, None, None, None, None)
    return rows


def shard(number: int = 0, **changes: Any) -> ShardRow:
    """A healthy generator process."""
    row = ShardRow(
        shard=number, host="localhost", pid=4000 + number, planned=30_000, sent=30_000, completed=29_970, frames=31
    )
    return msgspec.structs.replace(row, **changes)


def run_result(**changes: Any) -> RunResult:
    """An open run of 60,000 events in two phases, not judged yet. `changes` replace fields of the result."""
    whole = changes.get("totals", totals())
    third = totals(20_000)
    base = RunResult(
        schema=SCHEMA,
        run=run_info(),
        environment=Environment(
            python="3.12.7",
            platform="Linux-6.8-x86_64",
            cpu_model="Example CPU @ 2.4 GHz",
            cpu_count=2,
            packages={"numpy": "2.1.0", "uvloop": "0.21.0"},
        ),
        totals=whole,
        by_event=dict.fromkeys(TYPES, third),
        by_case={"genuine": whole},
        by_phase={"warm-up": totals(500), "steady": whole},
        series=series(),
        slice_s=5.0,
        series_histograms={},
        histograms={},
        samples=samples(),
        shards=[shard(0), shard(1)],
        limits=Limits(
            connections=64,
            connections_peak=64,
            saturated_share=0.031,
            generator_cpu_share=0.38,
            lag_p99_ms=0.55,
        ),
        reconciliation=None,
        validity=Validity(valid=True, reasons=[]),
        verdict=VerdictRow(outcome="none", objectives=[]),
        deadlines=[DeadlineCount(deadline_ns=ns, past=12 if ns < 3 * NS_PER_S else 0) for ns in DEADLINES_NS],
    )
    return msgspec.structs.replace(base, **changes)


def retries(**changes: Any) -> RetryTotals:
    """An outage under a retry profile, and the peak load after it."""
    found = RetryTotals(
        profile="svix",
        title="Svix (cloud)",
        time_scale=60.0,
        modelled=False,
        retried=2_000,
        attempts=64_000,
        delivered=1_990,
        delivery_p50_ms=5_011,
        delivery_p99_ms=36_051,
        delivery_max_ms=41_123,
        given_up=10,
        cut_off=0,
        no_room=0,
        waiting=0,
        undelivered=0,
        in_doubt=7,
        base_rate=200.0,
        peak_rate=602.0,
        peak_s=20.25,
        backlog=1_899,
        backlog_s=20.0,
        drain_s=16.25,
        off_s=None,
        why="",
        by_attempt=[
            AttemptRow(1, 60_000, 58_000, {"200": 58_000}, {"refused": 1_993, "timeout": 7}, 0),
            AttemptRow(2, 2_000, 0, {"503": 2_000}, {}, 0),
            AttemptRow(3, 2_000, 1_990, {"200": 1_990, "503": 10}, {}, 0),
        ],
    )
    return msgspec.structs.replace(found, **changes)


def run_info(**changes: Any) -> RunInfo:
    """Which run the built result is of."""
    scenario = {
        "name": "steady",
        "objectives": ["p(99) < 250ms"],
        "target": {"url": "http://127.0.0.1:8080/webhooks", "scheme": "trackpilots", "timeout": "10s"},
        "phases": [
            {"name": "warm-up", "duration": "5s", "rate": "100/s", "record": False},
            {"name": "steady", "duration": "30s", "rate": "2000/s", "record": True},
        ],
        "validity": {"lag": "10ms"},
    }
    info = RunInfo(
        id="20260504-091000-steady-3f2a",
        name="steady",
        started_at="2026-05-04T09:10:00Z",
        ended_at="2026-05-04T09:10:35Z",
        seed=42,
        version="0.1.0",
        model="open",
        workers=2,
        interrupted=False,
        scenario=scenario,
    )
    return msgspec.structs.replace(info, **changes)


def with_histograms(result: RunResult, seed: int = 7) -> RunResult:
    """The result with log-normal response times, overall and by event type, and the statistics that belong to them."""
    generator = np.random.Generator(np.random.Philox(seed))
    histograms = {}
    groups = {"response": result.totals} | {
        f"response{{event:{name}}}": group for name, group in result.by_event.items()
    }
    filled = {}
    for key, group in groups.items():
        values = np.maximum(1, generator.lognormal(math.log(4000), 0.9, group.sent)).astype(np.int64)
        histograms[key] = encode(
            np.bincount(MICROSECONDS.index(values), minlength=MICROSECONDS.counts_len), MICROSECONDS
        )
        latency = group.latency_ms | {"response": stats_of(values)}
        filled[key] = msgspec.structs.replace(group, latency_ms=latency)
    whole = filled.pop("response")
    return msgspec.structs.replace(
        result,
        totals=whole,
        by_case={"genuine": whole},
        by_phase={**result.by_phase, "steady": whole},
        by_event=dict(zip(result.by_event, filled.values(), strict=True)),
        histograms=histograms,
    )


def with_course(result: RunResult, slices: int = 40, per_slice: int = 200, seed: int = 11) -> RunResult:
    """The result as a run of so many slices of 0.25 s, with its histograms by slice; one slice is empty, one slow."""
    generator = np.random.Generator(np.random.Philox(seed))
    rows, blobs, everything = [], [], []
    for number in range(slices):
        n = 0 if number == slices // 2 else per_slice
        slow = 50 if number == slices // 3 else 1
        us = np.maximum(1, slow * generator.lognormal(math.log(4000), 0.5, n)).astype(np.int64)
        everything.append(us)
        counts = np.bincount(MICROSECONDS.index(us), minlength=MICROSECONDS.counts_len)
        blobs.append(encode(counts, MICROSECONDS) if n else None)
        bad = n // 20
        top = float(us.max()) / 1000 if n else None
        rows.append(
            SeriesRow(1 + number / 4, n, n, n - bad // 2, n - bad, bad, 0, None, None, None, top, 0.1 if n else None)
        )
    values = np.concatenate(everything)
    whole = encode(np.bincount(MICROSECONDS.index(values), minlength=MICROSECONDS.counts_len), MICROSECONDS)
    latency = result.totals.latency_ms | {"response": stats_of(values), "service": stats_of(values)}
    total = msgspec.structs.replace(totals(len(values)), latency_ms=latency)
    return msgspec.structs.replace(
        result,
        totals=total,
        series=rows,
        slice_s=0.25,
        series_histograms={"response": blobs, "service": blobs},
        histograms={"response": whole, "service": whole},
    )


def stats_of(us: Ints) -> Stats:
    """The statistics of so many microseconds, by sorting: what a histogram should say within its precision."""
    ordered = np.sort(us) / 1000
    n = len(ordered)
    named = {name: float(ordered[rank(q, n) - 1]) if n >= least_count(q) else None for name, q in PERCENTILES.items()}
    rest = {
        "min": float(ordered[0]),
        "mean": float(ordered.mean()),
        "stdev": float(ordered.std()),
        "max": float(ordered[-1]),
    }
    intervals = {name: (0.97 * value, 1.03 * value) for name, value in named.items() if value is not None}
    return msgspec.structs.replace(Stats(count=n, ci95=intervals), **named, **rest)
