"""Two stored results: what differs, what is unsure, and the gates of those who want one anyway."""

from __future__ import annotations

import msgspec
import pytest

from loadsim.judge.compare import compare_gates, compare_results
from loadsim.measure.result import RunResult, Stats
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
    found = compare_results(run(11, "base"), run(12), compare_gates(["p50:10%"]))
    assert {row.direction for row in found.ratios} == {"unsure"}
    assert found.outcome == "pass"
    assert all(row.interval is not None and row.interval[0] <= row.ratio <= row.interval[1] for row in found.ratios)


def test_the_same_result_has_ratio_one() -> None:
    same = run(11)
    assert {row.ratio for row in compare_results(same, same).ratios} == {1.0}
    assert compare_results(same, same).outcome == "none"


def test_too_few_slices_cannot_be_judged() -> None:
    found = compare_results(run(11, "base", 12), run(12, slices=12), compare_gates(["p50:10%"]))
    assert (found.outcome, found.gates[0].passed) == ("invalid", None)
    assert "too few slices" in found.gates[0].note


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
