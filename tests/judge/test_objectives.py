"""The objective language: what each text means, and that no text does anything but parse or explain itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.judge import Vocabulary, objectives_of, parse_objective
from loadsim.judge.objectives import TAGGED_HISTOGRAMS, canonical
from loadsim.judge.vocabulary import (
    AGGREGATIONS,
    EFFECT_METRICS,
    K6_METRICS,
    LEDGER_METRICS,
    METRICS,
    RETRY_METRICS,
)
from loadsim.model import UsageError
from loadsim.plan import ObjectiveRule

VOCABULARY = Vocabulary(
    events=("desktop.app_tracking.captured", "desktop.activity_tracking.captured"),
    phases=("steady",),
    unrecorded=("warm-up",),
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("p(99) < 250ms", "response: p(99) < 250ms"),
        ("p(99)<250", "response: p(99) < 250ms"),
        ("p( 99.90 ) <= 1.5s", "response: p(99.9) <= 1500ms"),
        ("med < 800us", "response: med < 0.8ms"),
        ("service: p(95) < 100 ms", "service: p(95) < 100ms"),
        ("success: rate >= 99.9%", "success: rate >= 99.9%"),
        ("success: rate >= 0.999", "success: rate >= 99.9%"),
        ("forged_accepted: count == 0", "forged_accepted: count == 0"),
        ("events: rate >= 480/s", "events: rate >= 480/s"),
        ("events: rate >= 480", "events: rate >= 480/s"),
        ("events: rate >= 120/m", "events: rate >= 2/s"),
        ("events{status:503}: count != 0", "events{status:503}: count != 0"),
        ("response{ event : T }: max < 1m", "response{event:T}: max < 60000ms"),
        ("http_req_duration: p(95)<200", "service: p(95) < 200ms"),
        ("http_req_waiting: avg < 20", "first_byte: avg < 20ms"),
        ("http_req_failed: rate<0.01", "success: rate > 99%"),
        ("http_req_failed: rate <= 1%", "success: rate >= 99%"),
        ("http_reqs: count >= 100", "sent: count >= 100"),
        ("http_reqs: rate > 10", "sent: rate > 10/s"),
        ("http_req_duration{expected_response:true}: p(95)<200", "service{status:2xx}: p(95) < 200ms"),
        ("first_byte{status:5xx,phase:p}: p(97) < 1s", "first_byte{phase:p,status:5xx}: p(97) < 1000ms"),
        ("events{status:4xx}: count == 0", "events{status:4xx}: count == 0"),
        ("dropped_iterations: count === 0", "dropped: count == 0"),
    ],
)
def test_meaning(text: str, meaning: str) -> None:
    assert canonical(parse_objective(text)) == meaning


def test_k6_names_are_translated_and_ours_are_not() -> None:
    assert parse_objective("http_req_failed: rate<0.01").translated == "success: rate > 99%"
    assert parse_objective("success: rate > 99%").translated is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no comparison found"),
        ("p(99)", "no comparison found"),
        ("p(99) = 3", "no comparison found"),
        ("p(99) < fast", "'fast' is not a number"),
        ("p(99) < -1", "'-1' is not a number"),
        ("p(99) < 3parsec", "unknown unit 'parsec'"),
        ("p(0) < 1ms", "between 0 and 100"),
        ("p(100) < 1ms", "between 0 and 100"),
        ("p(99%) < 1ms", "unknown aggregation of response 'p(99%)'"),
        ("p95 < 1ms", "unknown aggregation of response 'p95', did you mean \"p(95)\"? (known: p(N), med"),
        ("success: p95 > 1%", "unknown aggregation of success 'p95' (known: "),
        ("p(N) < 1ms", "unknown aggregation"),
        ("succes: rate > 1%", 'did you mean "success"?'),
        ("succes: rate > 1%", "known: response, service"),
        ("success: rat > 1%", 'did you mean "rate"?'),
        ("success: p(99) > 1%", "known: rate"),
        ("success >= 99%", "'success: rate'"),
        ("rate >= 99%", "needs its metric before it"),
        ("success: rate >= 99", "did you mean 99%?"),
        ("response{evnt:x}: p(50) < 1", 'did you mean "event"?'),
        ("response{event}: p(50) < 1", "tag:value"),
        ("response{event:a,event:b}: p(50) < 1", "given twice"),
        ("response{event:a,phase:b}: p(50) < 1", "one of event, case and phase at a time"),
        ("wait{phase:a}: p(97.5) < 1", "by tag, wait is kept for p(50), p(75), p(90), p(95), p(99), p(99.9), p(99.99)"),
        ("response{status:200}: p(50) < 1", "latencies are kept by class of status, 2xx, 3xx, 4xx, 5xx, not for '200'"),
        ("lag{status:2xx}: p(50) < 1", "the status tag selects counts of events"),
        ("response{status:2xx,event:T}: p(50) < 1", "for the whole run and by phase only"),
        ("http_req_failed{expected_response:true}: rate < 1%", "the status tag selects counts of events"),
        ("service{expected_response:true}: p(50) < 1", "unknown tag 'expected_response'"),
        ("events{status:2000}: count > 1", "not an HTTP status"),
        ("lost{phase:a}: count == 0", "whole run only"),
        (f"p(99) < {'9' * 400}ms", "too large"),
    ],
)
def test_errors_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_objective(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text() | st.from_regex(r"[a-z_]{0,12}(\{[a-z:,]*\})?:? ?[a-zN0-9().]{0,8} ?[<>=!]{0,3} ?[0-9.a-z/%]{0,8}"))
def test_any_text_parses_or_is_a_usage_error_of_one_line(text: str) -> None:
    try:
        meaning = canonical(parse_objective(text))
    except UsageError as error:
        explained = str(error)
    else:
        explained = ""
        assert canonical(parse_objective(meaning)) == meaning
    assert "\n" not in explained


@st.composite
def objective_texts(draw: st.DrawFn) -> str:
    """A well-formed objective in any of the accepted spellings."""
    name = draw(st.sampled_from([*METRICS, *K6_METRICS]))
    metric = K6_METRICS.get(name, name)
    kind = METRICS[metric]
    aggregation = draw(st.sampled_from(AGGREGATIONS[kind]))
    if aggregation == "p(N)":
        aggregation = f"p({draw(st.decimals('0.001', '99.999', places=3))})"
    op = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "===", "!="]))
    units = {
        "series": ["", "MB", "ms"],
        "trend": ["", "ms", "s", "us"],
        "rate": ["", "%"],
        "counter": ["", "/s"] if aggregation == "rate" else [""],
        "gauge": [""],
        "duration": ["", "ms", "s"],
    }
    unit = draw(st.sampled_from(units[kind]))
    value = draw(st.decimals(0, 1 if kind == "rate" else 10**6, places=draw(st.integers(0, 6))))
    odd = kind == "trend" and metric not in TAGGED_HISTOGRAMS and aggregation.startswith("p(")
    whole = name in (*LEDGER_METRICS, *RETRY_METRICS, *EFFECT_METRICS)
    if kind == "series":
        return f"{name}{{name:queue_depth}}: {aggregation} {op} {value}{unit}"
    tag = "" if odd or whole else draw(st.sampled_from(["", "{event:a.b}", "{phase:x y}"]))
    over = "" if whole or name == "attempts" else draw(st.sampled_from(["", " over 250ms", " over 90s"]))
    return f"{name}{tag}: {aggregation} {op} {value}{unit}{over}"


@given(objective_texts())
def test_round_trip_of_the_text_form(text: str) -> None:
    objective = parse_objective(text)
    again = parse_objective(canonical(objective))
    assert replace(again, text="") == replace(objective, text="", translated=None)


def test_one_of_two_equal_objectives_that_may_end_the_run_is_enough() -> None:
    rule = ObjectiveRule(objective="p(99) < 1s", abort=True)
    texts: list[str | ObjectiveRule] = ["p(99) < 1s", rule]
    for written in (texts, texts[::-1]):
        assert [one.abort for one in objectives_of(written, VOCABULARY)] == [True, False]


def test_default_is_added_and_marked() -> None:
    objectives = objectives_of(["p(99) < 1s"], VOCABULARY)
    assert [(one.text, one.default) for one in objectives] == [("p(99) < 1s", False), ("success: rate >= 99%", True)]


def test_forged_events_have_a_default_of_their_own() -> None:
    rich = replace(VOCABULARY, has_cases=True, cases=("genuine", "stale"))
    both = [("success: rate >= 99%", True), ("forged_accepted: count == 0", True)]
    assert [(one.text, one.default) for one in objectives_of([], rich)] == both
    assert [one.text for one in objectives_of(["forged_accepted: count < 3"], rich) if one.default] == [both[0][0]]
    assert both[1] in [(one.text, one.default) for one in objectives_of(["success: rate > 1%"], rich)]
    windows = "forged_accepted: count < 3 over 1s"  # what follows the last whole window would go unseen
    assert both[1] in [(one.text, one.default) for one in objectives_of([windows], rich)]
    assert objectives_of([], rich, defaults=False) == ()


@pytest.mark.parametrize("text", ["success: rate > 50%", "errors: count < 5", "http_req_failed: rate < 1%"])
def test_an_opinion_on_failures_removes_the_default(text: str) -> None:
    assert [one.text for one in objectives_of([text, text], VOCABULARY)] == [text]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("response{event:desktop.ap_tracking.captured}: p(50) < 1", 'did you mean "desktop.app_tracking.captured"?'),
        ("response{phase:warm-up}: p(50) < 1", "not recorded"),
        ("response{phase:nope}: p(50) < 1", "known: steady"),
        ("success{case:stale}: rate > 1%", "known: genuine"),
        ("lost: count == 0", "needs a receiver's ledger"),
        ("forged_accepted: count == 0", "needs forged cases"),
    ],
)
def test_what_the_scenario_cannot_produce_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match="objective") as caught:
        objectives_of([text], VOCABULARY)
    assert says in str(caught.value)


def test_what_the_scenario_can_produce_is_accepted() -> None:
    rich = replace(VOCABULARY, has_ledger=True, has_cases=True, cases=("genuine", "stale"))
    texts = [
        "lost: count == 0",
        "forged_accepted{case:stale}: count == 0",
        "events{status:503,phase:steady}: count < 3",
    ]
    assert len(objectives_of(texts, rich)) == 4
