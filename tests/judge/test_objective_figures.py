"""Percentiles of any N, from the stored histograms."""

from __future__ import annotations

import msgspec
import pytest

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.model import UsageError
from loadsim.plan.scenario import ValidityRules
from tests.builders import TYPES, run_result, with_histograms

RESULT = with_histograms(run_result())


def observed(result: RunResult, text: str) -> float | None:
    return (
        evaluate(result, objectives_of([text], vocabulary_of(result)), ValidityRules()).verdict.objectives[0].observed
    )


@pytest.mark.parametrize("number", ["0.5", "50", "75", "97.5", "99.37", "99.95", "99.99"])
def test_any_percentile_is_within_the_histogram_precision(number: str) -> None:
    stored = {"50": "p50", "75": "p75", "99.99": "p99_99"}.get(number)
    value = observed(msgspec.structs.replace(RESULT, totals=without_percentiles(RESULT)), f"p({number}) < 1s")
    assert value is not None
    if stored:
        assert value == pytest.approx(getattr(RESULT.totals.latency_ms["response"], stored), rel=0.001)


def without_percentiles(result: RunResult) -> object:
    stats = msgspec.structs.replace(
        result.totals.latency_ms["response"], **dict.fromkeys(("p50", "p75", "p99_99"), None)
    )
    return msgspec.structs.replace(result.totals, latency_ms={"response": stats})


def test_percentiles_rise_and_never_pass_the_true_maximum() -> None:
    values = [observed(RESULT, f"p({number}) < 1s") or 0 for number in ("10", "33.3", "66.6", "99.9", "99.993")]
    top = RESULT.totals.latency_ms["response"].max
    assert top is not None
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] <= top


def test_a_tagged_percentile_is_that_of_its_group() -> None:
    one, other = (observed(RESULT, f"response{{event:{name}}}: p(97.5) < 1s") for name in TYPES[:2])
    assert one is not None
    assert one != other


def test_a_low_percentile_needs_samples_below_it_too() -> None:
    tiny = msgspec.structs.replace(RESULT.totals.latency_ms["response"], count=367)
    few = msgspec.structs.replace(RESULT, totals=msgspec.structs.replace(RESULT.totals, latency_ms={"response": tiny}))
    assert observed(few, "p(1) > 0") is None


def test_a_missing_histogram_is_no_figure() -> None:
    assert observed(msgspec.structs.replace(RESULT, histograms={}), "p(97.5) < 1s") is None


def test_a_damaged_histogram_is_one_line() -> None:
    damaged = msgspec.structs.replace(RESULT, histograms={"response": "HISTFAAA"})
    with pytest.raises(UsageError, match="histogram 'response' is damaged"):
        observed(damaged, "p(97.5) < 1s")
