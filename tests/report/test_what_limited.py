"""The sentences on what limited a run."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Stats
from loadsim.measure.result_verdict import Validity
from loadsim.report.what_limited import limit_lines
from tests.builders import run_info, run_result
from tests.report.results import invalid

GENERATOR = "the busiest generator process"
CONNECTIONS = "connections: at most"


def limited(model: Literal["open", "closed"] = "open", **limits: Any) -> RunResult:
    base = run_result(run=run_info(model=model))
    return msgspec.structs.replace(base, limits=msgspec.structs.replace(base.limits, connections=10, **limits))


@pytest.mark.parametrize(
    ("saturated", "cpu", "model", "lines"),
    [
        (0.0, 0.2, "open", ["nothing limited the run", f"{GENERATOR} used 20 % of a core"]),
        (0.85, None, "open", ["limited by connections: 10 busy for 85 % of the time"]),
        (0.0, 0.97, "open", ["limited by the generator: its busiest process used 97 % of a core"]),
        (0.0, None, "closed", ["closed model: 10 in flight, the endpoint set the pace"]),
        (None, None, "open", []),
    ],
)
def test_what_set_the_pace_comes_first(
    saturated: float | None, cpu: float | None, model: Literal["open", "closed"], lines: list[str]
) -> None:
    said = limit_lines(limited(model, saturated_share=saturated, generator_cpu_share=cpu))
    assert said[: len(lines)] == lines
    assert said[len(lines)].startswith(CONNECTIONS)


def test_what_makes_a_run_invalid_is_a_limit() -> None:
    free = limited(saturated_share=0.0)
    assert "nothing limited the run" in limit_lines(free)
    late = msgspec.structs.replace(free, validity=Validity(False, ["late"]))
    assert "nothing limited the run" not in limit_lines(late)


def test_a_generator_that_was_late_for_many_events_is_a_limit() -> None:
    free = limited(saturated_share=0.0)
    late = msgspec.structs.replace(free, histograms=invalid().histograms)
    assert "limited by the generator: it was late for many events" in limit_lines(late)
    assert "nothing limited the run" not in limit_lines(late)


def slow_signer(sign_ms: float, cpu: float, queued_s: float = 0.0) -> RunResult:
    """A closed run of 10,000 events in 10 s by one process."""
    found = limited("closed", generator_cpu_share=cpu, saturated_share=0.0)
    signed = Stats(count=2_000, p50=sign_ms, p99=2 * sign_ms, mean=50.0)
    totals = msgspec.structs.replace(
        found.totals, attempts=10_000, duration_s=10.0, latency_ms={**found.totals.latency_ms, "sign": signed}
    )
    shard = msgspec.structs.replace(run_result().shards[0], queued_s=queued_s)
    return msgspec.structs.replace(found, totals=totals, shards=[shard])


@pytest.mark.parametrize(
    ("sign_ms", "cpu", "queued_s", "is_limit"),
    [
        (0.8, 0.95, 0.0, True),  # 0.8 ms of 0.95 ms
        (0.4, 0.95, 0.0, False),  # less than half of its time
        (0.008, 0.95, 0.0, False),
        (0.5, 0.6, 0.0, False),  # it had time left
        (0.5, 0.6, 3.5, True),  # it had to wait for a core
    ],
)
def test_signing_is_the_limit_where_it_took_most_of_a_busy_generators_time(
    sign_ms: float, cpu: float, queued_s: float, is_limit: bool
) -> None:
    said = limit_lines(slow_signer(sign_ms, cpu, queued_s))
    found = [line for line in said if line.startswith("signing was the limit")]
    assert bool(found) == is_limit
    assert any(line.startswith("making and signing one event took p50") for line in said)
    if is_limit:
        assert not any("the endpoint set the pace" in line for line in said)
    if (sign_ms, cpu) == (0.8, 0.95):
        assert found[0].startswith("signing was the limit: 800 µs of the 950 µs that an event cost a process")


def test_a_signer_of_which_nothing_is_known_is_no_limit() -> None:
    found = limited("closed", generator_cpu_share=0.99)
    unknown = msgspec.structs.replace(found, totals=msgspec.structs.replace(found.totals, latency_ms={}))
    assert not any("sign" in line for line in limit_lines(unknown))
