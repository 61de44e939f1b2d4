"""Judged results that the tests of reports share: one of each kind."""

from __future__ import annotations

import functools

import msgspec

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.plan.scenario import ValidityRules
from tests.builders import TYPES, refused, retries, run_info, run_result, with_course, with_histograms

OBJECTIVES = ("p(99) < 250ms", "http_req_duration: p(95)<4", f"response{{event:{TYPES[1]}}}: p(99.9) < 100ms")


@functools.cache
def failed() -> RunResult:
    """An open run that misses objectives."""
    result = with_histograms(run_result())
    return evaluate(result, objectives_of(OBJECTIVES, vocabulary_of(result)), ValidityRules())


@functools.cache
def invalid() -> RunResult:
    """A run that came late, against an endpoint with another secret, interrupted."""
    limits = msgspec.structs.replace(run_result().limits, lag_p99_ms=14.2)
    result = run_result(totals=refused(300), limits=limits, run=run_info(interrupted=True), samples=[])
    return evaluate(result, objectives_of(["p(99) < 250ms"], vocabulary_of(result)), ValidityRules())


@functools.cache
def closed() -> RunResult:
    """A closed run that passes."""
    result = run_result(run=run_info(model="closed"))
    return evaluate(result, objectives_of(["success: rate > 98%"], vocabulary_of(result)), ValidityRules())


@functools.cache
def stormed() -> RunResult:
    """An open run through an outage, under a retry profile."""
    result = run_result(retries=retries())
    return evaluate(result, objectives_of(["given_up: count == 0"], vocabulary_of(result)), ValidityRules())


@functools.cache
def course() -> RunResult:
    """An open run with its course over a few slices, and objectives of both kinds."""
    result = with_course(run_result(), slices=24, per_slice=40)
    return evaluate(result, objectives_of(OBJECTIVES, vocabulary_of(result)), ValidityRules())
