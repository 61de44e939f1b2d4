"""The document of a scenario: round trip, JSON, what is laid over it, and what is hidden in it."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.plan import (
    ObjectiveRule,
    Plan,
    Scenario,
    ScenarioError,
    from_document,
    override,
    quick_scenario,
    redact_headers,
    redact_url,
    redacted,
)
from loadsim.plan.units import Span
from tests.plan.support import HEAD, SCHEMES, STEADY, TYPES, S, load, open_scenarios, scenario_of

URL = "http://127.0.0.1:8080/hook"


def quick(**options: Any) -> Scenario:
    return quick_scenario(URL, known_types=TYPES, known_schemes=SCHEMES, **options)


@given(open_scenarios(), st.one_of(st.none(), st.integers(0, 2**63 - 1)))
@settings(max_examples=60, deadline=None)
def test_a_document_comes_back_from_json_as_the_same_scenario(scenario: Scenario, seed: int | None) -> None:
    document = {**scenario.document(), **({} if seed is None else {"seed": seed})}
    again = from_document(json.loads(json.dumps(document)), "plan")
    assert again.document() == document
    assert again.phases == scenario.phases
    assert again.events == scenario.events
    assert again.seed == seed


def test_a_document_speaks_the_units_of_the_file_and_spells_out_defaults() -> None:
    document = load(HEAD + STEADY).document()
    assert document["target"]["timeout"] == "10s"
    assert document["target"]["connections"] == 256
    assert document["validity"] == {"lag": "10ms"}
    assert document["phases"] == [
        {
            "name": "steady",
            "duration": "30s",
            "rate": "500/s",
            "arrivals": "constant",
            "record": True,
            "secrets": "new",
            "shares": {},
        }
    ]
    assert "secret_env" not in document["target"]


def test_without_options_ten_connections_run_for_ten_seconds() -> None:
    phase = quick().phases[0]
    assert (phase.connections, phase.duration, phase.events, phase.record) == (10, 10 * S, None, True)


def test_connections_alone_are_that_many_in_flight() -> None:
    scenario = quick(connections=300, duration=3 * S)
    assert (scenario.phases[0].connections, scenario.phases[0].duration) == (300, 3 * S)
    assert scenario.target.connections == 300


def test_a_rate_makes_it_open_and_connections_cap_the_pool() -> None:
    scenario = quick(rate=Fraction(500))
    assert scenario.phases[0].rate == 500
    assert (scenario.phases[0].model, scenario.target.connections) == ("open", 256)
    assert quick(rate=Fraction(500), connections=8).target.connections == 8


def test_a_number_of_events_ends_a_closed_run() -> None:
    phase = quick(events=70).phases[0]
    assert (phase.events, phase.duration) == (70, None)
    phase = quick(events=70, duration=S).phases[0]
    assert (phase.events, phase.duration) == (70, S)


@given(st.integers(1, 30_000), st.fractions(min_value=Fraction(1, 100), max_value=5000).map(lambda r: round(r, 2)))
@settings(deadline=None)
def test_a_number_of_events_is_met_exactly_in_an_open_run(events: int, rate: Fraction) -> None:
    assert Plan(quick(events=events, rate=max(rate, Fraction(1, 100))), 1).phases[0].limit == events


def test_an_open_run_ends_with_its_duration_when_that_comes_first() -> None:
    assert Plan(quick(events=1000, rate=Fraction(10), duration=3 * S), 1).phases[0].limit == 30


def test_a_mix_and_target_keys_are_taken_as_given() -> None:
    scenario = quick(mix=[(TYPES[1], 3.0)], target={"timeout": "2s", "headers": {"A": "b"}}, objectives=["max < 1s"])
    assert [(event.type, event.weight) for event in scenario.events] == [(TYPES[1], 3.0)]
    assert scenario.target.timeout == 2 * S
    assert scenario.objectives == ("max < 1s",)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"connections": 0}, "command line: "),
        ({"rate": Fraction(0), "events": 5}, "command line: events: a rate of 0"),
        ({"rate": Fraction(0)}, "command line: phases: no event is due"),
        ({"mix": [("nope", 1.0)]}, 'no such event type: "nope"'),
        ({"target": {"timeout": "2"}}, "command line: target.timeout: '2' has no unit"),
        ({"target": {"scheme": "nope"}}, "no such signature scheme"),
    ],
)
def test_wrong_options_end_in_one_line(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        quick(**options)
    assert expected in str(caught.value)


def test_an_objective_is_a_text_or_a_table() -> None:
    scenario = load("objectives = ['max < 1s', {objective = 'p(99) < 1s over 10s', abort = true}]\n" + HEAD + STEADY)
    assert scenario.objectives == ("max < 1s", ObjectiveRule(objective="p(99) < 1s over 10s", abort=True))
    assert from_document(scenario.document(), "plan") == scenario
    added = override(scenario, objectives=[{"objective": "min > 1us", "abort": True}])
    assert added.objectives[2] == ObjectiveRule(objective="min > 1us", abort=True)


def test_options_are_laid_over_a_scenario() -> None:
    base = load(HEAD + 'secret_env = "A"\nheaders = { X = "1", Y = "2" }\n' + 'timeout = "3s"\n' + STEADY)
    changed = override(
        base,
        target={"url": URL, "secret_file": "s.txt", "headers": {"Y": "3"}},
        objectives=["max < 1s"],
        seed=4,
        known_schemes=SCHEMES,
    )
    assert (changed.target.url, changed.target.secret_env, changed.target.secret_file) == (URL, None, "s.txt")
    assert changed.target.headers == {"X": "1", "Y": "3"}
    assert changed.target.timeout == 3 * S
    assert (changed.objectives, changed.seed, changed.phases) == (("max < 1s",), 4, base.phases)
    with pytest.raises(ScenarioError, match=r"^command line: target\.timeout: "):
        override(base, target={"timeout": "0s"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.test/a?x=1", "https://example.test/a?x=***"),
        ("https://u:p@example.test/a", "https://***@example.test/a"),
        ("https://u:p@w@example.test", "https://***@example.test"),
        ("https://example.test/a?x=1&y=&z&=q#frag", "https://example.test/a?x=***&y=***&***&=***#***"),
        ("https://example.test/a?x=1?y=2;z=3", "https://example.test/a?x=***"),
        ("u:p@example.test/a?t=1", "***@example.test/a?t=***"),
        ("https://example.test?a=b@c/d", "https://example.test?a=***"),
        ("http://[::1", "http://[::1"),
        ("embedded", "embedded"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_user_and_query_values(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(max_size=60))
def test_redacting_a_url_never_raises_and_is_stable(url: str) -> None:
    once = redact_url(url)
    assert redact_url(once) == once


def test_values_of_telling_headers_are_hidden() -> None:
    hidden = [
        "Authorization",
        "proxy-authorization",
        "COOKIE",
        "Set-Cookie",
        "X-Api-Key",
        "x-auth-token",
        "My-Secret-2",
    ]
    shown = ["Content-Type", "X-Webhook-Signature", "User-Agent"]
    result = redact_headers(dict.fromkeys(hidden + shown, "v"))
    assert {name for name, value in result.items() if value == "***"} == set(hidden)
    assert {name for name, value in result.items() if value == "v"} == set(shown)


def test_a_redacted_document_holds_no_credential_and_leaves_the_original_alone() -> None:
    text = HEAD.replace("embedded", "https://u:hunter2@example.test/?k=hunter2") + (
        'public_url = "https://example.test/?k=hunter2"\nledger = "http://h/?k=hunter2"\n'
        'headers = { Authorization = "Bearer hunter2", Accept = "*/*" }\n' + STEADY
    )
    document = load(text).document()
    shown = redacted(document)
    assert "hunter2" not in json.dumps(shown)
    assert shown["target"]["headers"] == {"Authorization": "***", "Accept": "*/*"}
    assert document["target"]["headers"]["Authorization"] == "Bearer hunter2"
    assert from_document(shown, "result").phases == load(text).phases


def test_orders_for_the_embedded_receiver_survive_and_are_dropped_with_it() -> None:
    receiver: dict[str, Any] = {
        "down": ["2s:1s", "500ms:250ms"],
        "stall": "10s:1.4s",
        "delay": "5ms",
        "slots": 3,
        "engine": "bare",
    }
    receiver |= {"delay_p99": "80ms", "slow": "500ms:2%", "fail": ["503:1.5%", "429:7%"], "retry_after": "2s"}
    receiver |= {"reset": "0.5%", "read_rate": "64KB/s", "idle_timeout": "5s", "read_timeout": "1s", "seed": 4}
    scenario = scenario_of({"duration": "1s", "rate": "1/s"}, receiver=receiver)
    assert scenario.receiver is not None
    assert scenario.receiver.outages == (Span(500 * 10**6, 250 * 10**6), Span(2 * 10**9, 10**9))
    assert from_document(scenario.document(), "f.toml") == scenario
    assert dict(scenario.receiver.told())["down"] == "2s:1s and 500ms:250ms"
    assert "workers" not in dict(scenario.receiver.told())
    assert override(scenario, seed=3).receiver == scenario.receiver
    assert override(scenario, target={"url": "http://127.0.0.1/"}).receiver is None
