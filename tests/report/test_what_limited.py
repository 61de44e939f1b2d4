"""The sentences on what limited a run."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from loadsim.measure.result import RunResult
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
