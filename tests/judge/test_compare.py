"""Two stored results: what differs, what is unsure, and the gates of those who want one anyway."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from loadsim.judge.compare import compare_gates, compare_results
from loadsim.measure.histogram_codec import decode, encode
from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Stats
from loadsim.model import UsageError
from tests.builders import run_info, run_result, with_course
from tests.report.rendering import render_page, render_summary, render_text


def run(seed: int, name: str = "new", slices: int = 40) -> RunResult:
    return with_course(run_result(run=run_info(id=name)), slices=slices, seed=seed)


def scaled(result: RunResult, factor: float) -> RunResult:
    """The result with all stored percentiles multiplied; its slices stay."""
    response = result.totals.latency_ms["response"]
    values = {name: getattr(response, name) * factor for name in ("p50", "p99")}
    latency: dict[str, Stats] = result.totals.latency_ms | {"response": msgspec.structs.replace(response, **values)}
    return msgspec.structs.replace(result, totals=msgspec.structs.replace(result.totals, latency_ms=latency))


def test_two_runs_of_one_thing_are_unsure_and_pass() -> None:
    found = compare_results(run(11, "base", 60), run(12, slices=60), compare_gates(["p50:10%"]))
    assert {row.direction for row in found.ratios} == {"unsure"}
    assert found.outcome == "pass"
    known = [row for row in found.ratios if row.interval is not None]
    assert {"p50", "p75", "p90"} <= {row.name for row in known}
    assert all(row.interval and row.interval[0] <= row.ratio <= row.interval[1] for row in known)
    assert all(row.needs_s is None for row in known)


def test_a_percentile_that_one_disturbance_made_is_not_compared() -> None:
    found = compare_results(run(11, "base"), run(12), compare_gates(["p99:10%"]))
    row = next(row for row in found.ratios if row.name == "p99")
    assert row.interval is None
    assert row.needs_s is not None
    assert row.needs_s > 10
    assert (found.outcome, found.gates[0].passed) == ("invalid", None)
    assert "p99: both runs would have to last" in found.gates[0].note
    assert "needs " in render_text(found)


def test_a_difference_beyond_both_intervals_fails_the_gate() -> None:
    slow = with_course(run_result(run=run_info(id="new")), slices=40, seed=12)
    histograms = slow.series_histograms["response"]
    doubled = [None if blob is None else _doubled(blob) for blob in histograms]
    slow = scaled(msgspec.structs.replace(slow, series_histograms={"response": doubled, "service": histograms}), 2)
    found = compare_results(run(11, "base"), slow, compare_gates(["p50:10%"]))
    assert (found.outcome, found.ratios[0].direction) == ("fail", "higher")
    assert compare_results(slow, run(11, "base"), compare_gates(["p50:10%"])).outcome == "pass"


def _doubled(blob: str) -> str:
    config, counts = decode(blob)
    indexes = np.flatnonzero(counts)
    twice = config.index(2 * config.highest_equivalent(indexes))
    return encode(np.bincount(twice, counts[indexes], config.counts_len).astype(np.int64), config)


def test_the_same_result_has_ratio_one() -> None:
    same = run(11)
    assert {row.ratio for row in compare_results(same, same).ratios} == {1.0}
    assert compare_results(same, same).outcome == "none"


def test_too_few_slices_cannot_be_judged() -> None:
    found = compare_results(run(11, "base", 12), run(12, slices=12), compare_gates(["p50:10%"]))
    assert (found.outcome, found.gates[0].passed) == ("invalid", None)
    assert found.gates[0].note == "too short for an interval of p50: both runs would have to last 6 s"


def test_a_gate_on_latency_needs_events_that_succeed_as_often() -> None:
    gates = compare_gates(["p50:10%"])
    base, new = run(11, "base"), run(12)
    refused = msgspec.structs.replace(new.totals, succeeded=0, failed=new.totals.sent, success_rate=0.0)
    failing = compare_results(base, msgspec.structs.replace(new, totals=refused), gates)
    assert (failing.outcome, failing.gates[0].passed) == ("fail", False)
    assert failing.gates[0].note == "fewer events succeed: 0 of 7,800 in NEW, 7,715 of 7,800 in BASE"
    text = render_text(failing)
    assert "fewer events succeed" in text
    assert "higher than the gate allows" not in text
    one_more = msgspec.structs.replace(new.totals, succeeded=new.totals.succeeded - 1, failed=new.totals.failed + 1)
    assert compare_results(base, msgspec.structs.replace(new, totals=one_more), gates).outcome == "pass"


def test_what_is_not_alike_is_said() -> None:
    other = msgspec.structs.replace(run(12), run=run_info(model="closed", workers=5))
    said = " | ".join(compare_results(run(11), other).differences)
    assert "model: open and closed" in said
    assert "workers: 2 and 5" in said
    assert "scale" not in said
    short = msgspec.structs.replace(run(12), run=msgspec.structs.replace(run_info(), scale=0.1))
    assert "scale: 1 and 0.1" in compare_results(run(11), short).differences


def test_gates_are_percentiles() -> None:
    with pytest.raises(UsageError, match="by percentiles only"):
        compare_gates(["max:5%"])


def test_every_form_carries_the_ratios_and_the_caveat() -> None:
    found = compare_results(run(11, "base"), run(12, "</script>"), compare_gates(["p99:10%"]))
    text, summary = render_text(found), render_summary(found)
    page = render_page(found, "").decode()
    for form in (text, summary, page):
        assert "loadsim ab" in form
        assert f"{found.ratios[0].ratio:.3f}" in form
    assert page.count("</script>") == 3
    assert 'id="chart-ratio"' in page
