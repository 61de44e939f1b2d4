"""Judged results that the tests of reports share: one of each kind."""

from __future__ import annotations

import functools
import statistics
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.judge.compare import CompareResult, compare_gates, compare_results
from loadsim.judge.slowdown_gates import Gate
from loadsim.measure.hdr import MICROSECONDS
from loadsim.measure.histogram_codec import encode
from loadsim.measure.result import RunResult
from loadsim.measure.result_effects import BacklogRow, EffectsFound, Forecast, SourceClock
from loadsim.measure.result_events import EventRow, WindowCourse
from loadsim.measure.result_generator import ShortWindow
from loadsim.measure.result_verdict import Aborted
from loadsim.measure.trace_ids import TraceIds
from loadsim.plan.scenario import ValidityRules
from loadsim.studies.ab.judgement import compare_pairs, self_check
from loadsim.studies.ab.result import SCHEMA as AB_SCHEMA
from loadsim.studies.ab.result import AbResult, CheckRow, GateRow, PairRow, SideRow
from loadsim.studies.capacity.result import SCHEMA as CAPACITY_SCHEMA
from loadsim.studies.capacity.result import CapacityResult, StepRow
from loadsim.studies.probe.result import Finding, ProbedEndpoint, ProbeResult, Row
from tests.builders import TYPES, refused, retries, run_info, run_result, stats, with_course, with_histograms

HOSTILE = 'a"b\\c\n<x> & {y="z"} \x00\x1b[2J ]]> \ud800'
"""Text that would end a piece of almost any document."""
OBJECTIVES = ("p(99) < 250ms", "http_req_duration: p(95)<4", f"response{{event:{TYPES[1]}}}: p(99.9) < 100ms")


@functools.cache
def failed() -> RunResult:
    """An open run that misses objectives."""
    result = with_histograms(run_result(**named_events()))
    return evaluate(result, objectives_of(OBJECTIVES, vocabulary_of(result)), ValidityRules())


def named_events() -> dict[str, Any]:
    """The slowest and the first failing events, of a run that sent trace contexts."""
    ids = TraceIds("20260504-091000-steady-3f2a", 0.5)

    def event(index: int, kind: str, response_ms: float, service_ms: float | None) -> EventRow:
        context = ids.of(index)
        return EventRow(
            index=index, type=TYPES[index % 3], case="genuine", phase="steady", kind=kind, attempt=1,
            due_s=5 + index / 2000, response_ms=response_ms, service_ms=service_ms,
            trace_id=context.trace_id, sampled=context.sampled, link=f"https://traces.test/{context.trace_id}?x=1",
        )  # fmt: skip

    slow = [event(41_000 + 7 * place, "200", 352.0 - 9 * place, 350.0 - 9 * place) for place in range(7)]
    slow[2] = event(59_990, "unfinished", 334.0, None)
    by_service = [*slow[:2], event(12, "200", 340.0, 339.9)]
    plain = {"trace_id": None, "sampled": None, "link": None}
    failing = [event(100, "503", 12.5, 12.1), replace(event(1_234, "reset", 0.8, None), attempt=0, **plain)]
    return {"slowest": {"response": slow, "service": by_service}, "failing": failing}


@functools.cache
def invalid() -> RunResult:
    """A run that came late, against an endpoint with another secret, interrupted."""
    limits = msgspec.structs.replace(
        run_result().limits,
        lag_p99_ms=9_400.0,
        away_s=9.2,
        pauses=3,
        longest_pause_s=9.0,
        short=[ShortWindow(2, 1, 10, 4)],
    )
    lags = np.bincount(MICROSECONDS.index(np.array([400] * 290 + [9_400_000] * 10)), minlength=MICROSECONDS.counts_len)
    late = {"lag": encode(lags, MICROSECONDS)}
    result = run_result(totals=refused(300), limits=limits, histograms=late, run=run_info(interrupted=True), samples=[])
    return evaluate(result, objectives_of(["p(99) < 250ms"], vocabulary_of(result)), ValidityRules())


@functools.cache
def worked() -> RunResult:
    """An open run whose endpoint accepts quickly and works slowly: something was left when the wait ended."""
    rows = [BacklogRow(t / 2, min(t * 500, 30_000), t * 150, t * 350 if t % 10 else None) for t in range(1, 61)]
    found = EffectsFound(
        source="http",
        place="http://127.0.0.1:8081/effects",
        looks=240,
        gaps=2,
        first_gap="answered 503 busy",
        look_cpu_s=0.31,
        rows=9012,
        others=10,
        clock=SourceClock(ahead_ms=12.5, drift_ppm=3.1, error_ms=0.4),
        acknowledged=30_000,
        done=9_000,
        undone=21_000,
        repeated=2,
        before_ack=1,
        unacknowledged_done=4,
        refused_done=0,
        effect_ms=replace(stats(9_000.0, 30_000), unfinished=21_000, lower_bounds=["p95", "p99", "mean", "max"]),
        ack_to_effect_ms=replace(stats(8_990.0, 30_000), unfinished=21_000, lower_bounds=["p95", "p99", "mean", "max"]),
        backlog_max=21_000,
        backlog_max_s=30.0,
        backlog_avg=10_400.0,
        backlog_at_end=21_000,
        backlog_last=21_000,
        load_s=30.0,
        drained_s=60.0,
        drained=False,
        rate_done=300.0,
        forecast=Forecast(rate=300.0, left_s=70.0, low_s=68.0, high_s=72.5, from_done=4_000),
        series=rows,
        examples={"undone": [9_000, 9_001], "repeated": [17, 204]},
    )
    work = {"done": 9_000, "lost": 12, "repeated": 2, "backlog": 20_988, "refused": 3}
    result = run_result(effects=found, receiver={"received": 30_003, "verified": 30_003, "work": work})
    texts = ["effect: p(99) < 5s", "backlog: max < 1000", "drained: value < 30s", "undone: count == 0"]
    return evaluate(result, objectives_of(texts, vocabulary_of(result)), ValidityRules())


@functools.cache
def closed() -> RunResult:
    """A closed run that passes."""
    result = run_result(run=run_info(model="closed"))
    return evaluate(result, objectives_of(["success: rate > 98%"], vocabulary_of(result)), ValidityRules())


@functools.cache
def retried() -> RunResult:
    """An open run through an outage, under a retry profile."""
    result = run_result(retries=retries())
    return evaluate(result, objectives_of(["given_up: count == 0"], vocabulary_of(result)), ValidityRules())


@functools.cache
def course() -> RunResult:
    """An open run with its course over a few slices, and objectives of both kinds."""
    result = with_course(run_result(), slices=24, per_slice=40)
    return evaluate(result, objectives_of(OBJECTIVES, vocabulary_of(result)), ValidityRules())


ABORTED = Aborted(
    objective="p(90) < 20ms over 2s",
    at_s=9.2,
    why="p(90) of response in the window from 7 to 9 s is 31.4 ms",
)


@functools.cache
def aborted() -> RunResult:
    """An open run that an objective over windows ended, with another one left open."""
    result = with_course(run_result(run=run_info(aborted=ABORTED)), slices=33, per_slice=40)
    windows = [
        WindowCourse("response: p(90)", 2.0, [1, 3, 5, 7], [7.1, 17.9, None, 31.4], [320, 320, 3, 320], 0.25),
        WindowCourse("success: rate", 5.0, [1], [0.95], [1280], 3.25),
    ]
    totals = result.totals
    after_end = replace(totals, after_end={"200": 60}, rate_completed=(totals.completed - 60) / 30)
    result = msgspec.structs.replace(result, windows=windows, totals=after_end)
    texts = ["p(90) < 20ms over 2s", "success: rate >= 90% over 5s", "service: p(99.99) < 1s", "success: rate > 90%"]
    return evaluate(result, objectives_of(texts, vocabulary_of(result)), ValidityRules())


@functools.cache
def compared() -> CompareResult:
    """Two runs of one thing, one gate that holds and one that cannot be judged."""
    base, new = (
        with_course(run_result(run=run_info(id=name, workers=workers)), seed=seed)
        for name, seed, workers in (("base-1", 11, 2), ("new-2", 12, 3))
    )
    return compare_results(base, new, compare_gates(["p50:10%", "p99.99:5%"]))


def pairs(*, same: bool = False, slower: float = 1.0) -> AbResult:
    """Seven pairs with a noise of a few percent, judged; B is `slower` times A in p99."""
    gates = (Gate("p99:5%", "response", "p99", 0.05), Gate("service.p50:3%", "service", "p50", 0.03))
    noise = (1.02, 0.97, 1.01, 1.05, 0.99, 1.03, 0.98)
    p99, p50 = (gate.text for gate in gates)
    rows = []
    for number, factor in enumerate(noise, start=1):
        a = SideRow(f"runs/{number}-a", "pass", 1.0, 500.0, {p99: 12.0, p50: 1.4})
        b = replace(a, run=f"runs/{number}-b", figures={p99: 12.0 * factor * slower, p50: 1.4 * factor})
        rows.append(PairRow(number, "b" if number % 3 else "a", a, b))
    figures = {
        gate: [(a, a * factor * (slower if gate.figure == "p99" else 1.0)) for factor in noise]
        for gate, a in zip(gates, (12.0, 1.4), strict=True)
    }
    judged = [
        GateRow(
            found.gate.text,
            found.gate.label,
            found.gate.effect,
            statistics.median(a for a, _ in figures[found.gate]),
            statistics.median(b for _, b in figures[found.gate]),
            found.ratio,
            found.interval,
            found.p,
            found.p_adjusted,
            found.outcome,
        )
        for found in compare_pairs(figures)
    ]
    checks = [CheckRow(c.gate.text, c.gate.label, c.noise, c.alarms, c.detectable) for c in self_check(figures)]
    bad = [f"B is slower: {row.label} by {row.ratio - 1:.1%}" for row in judged if row.outcome == "slower"]
    return AbResult(
        schema=AB_SCHEMA,
        id="20260504-091000-ab-quick-3f2a",
        name="quick",
        started_at="2026-05-04T09:10:00Z",
        ended_at="2026-05-04T09:15:00Z",
        version="0.1.0",
        seed=42,
        a="http://127.0.0.1:8080/a",
        b="http://127.0.0.1:8080/a" if same else "http://127.0.0.1:8081/<b>|",
        same=same,
        pairs_planned=7,
        warm_up_s=2.0,
        pairs=rows,
        gates=judged,
        checks=checks if same else [],
        ending="fail" if bad else "pass",
        reasons=bad,
        environment=run_result().environment,
    )


def searched() -> CapacityResult:
    """A search that found a rate, with a step of each outcome."""
    steps = [
        StepRow(1, "doubling", 500.0, "pass", "", False, 10.0, 5_000, 499.8, 1.0, 1.2, 4.1, (3.9, 4.6), 0.2, "001"),
        StepRow(
            2, "doubling", 1_000.0, "fail", "p(99) < 50ms cannot hold", True, 4.2, 4_200, 912.0, 0.997, 31.0, 388.0,
            (301.0, 402.0), 0.3, "002",
        ),
        StepRow(
            3, "bisection", 707.1, "unclear", "the interval holds the limit", False, 10.0, 7_071, 706.0, 1.0, 4.2, 49.0,
            (31.0, 62.0), 0.2, "003",
        ),
        StepRow(
            4, "bisection", 590.0, "invalid", "late", False, 10.0, 0, None, None, None, None, None, 14.0, "004",
        ),
        StepRow(5, "confirming", 500.0, "pass", "", False, 30.0, 15_000, 499.9, 1.0, 1.3, 4.4, (4.1, 4.9), 0.2, "005"),
    ]  # fmt: skip
    return CapacityResult(
        schema=CAPACITY_SCHEMA,
        id="20260504-091000-capacity-quick-3f2a",
        name="quick",
        started_at="2026-05-04T09:10:00Z",
        ended_at="2026-05-04T09:15:00Z",
        version="0.1.0",
        seed=42,
        workers=1,
        target="http://127.0.0.1:8080/a",
        objectives=["p(99) < 50ms", "success: rate >= 99%"],
        lowest=500.0,
        highest=None,
        precision=0.1,
        ending="found",
        rate=500.0,
        at_least=False,
        reason="1,000/s fails p(99) < 50ms",
        steps=steps,
        environment=run_result().environment,
    )


def probed() -> ProbeResult:
    """A probe that found a verifier which parses the body, with a row of each outcome."""
    return ProbeResult(
        ProbedEndpoint("http://127.0.0.1:8080/a", "trackpilots", TYPES[0], "staging"),
        requests=52,
        findings=(Finding("the endpoint parses the body", "verify the raw bytes", ("lf-tail",), proven=True),),
        rows=(
            Row("indented", "white space", "accepted", "200"),
            Row("lf-tail", "a line feed at the end", "signature", "401 Invalid signature", is_finding=True),
            Row("gzip", "compressed bytes", "refused", "415", why="a parser may refuse it"),
            Row("deep", "deeply nested values", None, why="an event with one more field is refused anyway"),
        ),
        notes=("white space: refused like a forged event",),
        stopped="after gzip the endpoint does not accept plain events any more (503): did it fail?",
    )
