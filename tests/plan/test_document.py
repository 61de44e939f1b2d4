"""The document of a scenario: round trip and JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.plan import (
    CaseRule,
    ObjectiveRule,
    Scenario,
    from_document,
    override,
)
from loadsim.plan.units import Span
from tests.plan.support import HEAD, STEADY, load, message, open_scenarios, scenario_of


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


def test_an_objective_is_a_text_or_a_table() -> None:
    scenario = load("objectives = ['max < 1s', {objective = 'p(99) < 1s over 10s', abort = true}]\n" + HEAD + STEADY)
    assert scenario.objectives == ("max < 1s", ObjectiveRule(objective="p(99) < 1s over 10s", abort=True))
    assert from_document(scenario.document(), "plan") == scenario
    added = override(scenario, objectives=[{"objective": "min > 1us", "abort": True}])
    assert added.objectives[2] == ObjectiveRule(objective="min > 1us", abort=True)


def test_orders_for_the_embedded_receiver_survive_and_are_dropped_with_it() -> None:
    receiver: dict[str, Any] = {
        "down": ["2s:1s", "500ms:250ms"],
        "stall": "10s:1.4s",
        "delay": "5ms",
        "slots": 3,
        "engine": "bare",
    }
    receiver |= {"delay_p99": "80ms", "slow": "500ms:2%", "fail": ["503:1.5%", "429:7%"], "retry_after": "2s"}
    receiver |= {"process": "lognormal:50ms", "processors": 4, "process_queue": 10_000, "process_stall": "5s:2s"}
    receiver |= {"lose": "0.1%", "repeat": "0.2%", "out_of_order": True}
    receiver |= {"reset": "0.5%", "read_rate": "64KB/s", "idle_timeout": "5s", "read_timeout": "1s", "seed": 4}
    scenario = scenario_of({"duration": "1s", "rate": "1/s"}, receiver=receiver)
    assert scenario.receiver is not None
    assert scenario.receiver.outages == (Span(500 * 10**6, 250 * 10**6), Span(2 * 10**9, 10**9))
    assert from_document(scenario.document(), "f.toml") == scenario
    assert dict(scenario.receiver.changed())["down"] == "2s:1s and 500ms:250ms"
    assert dict(scenario.receiver.changed())["process"] == "lognormal:50ms"
    assert dict(scenario.receiver.changed())["out_of_order"] == "true"
    assert "workers" not in dict(scenario.receiver.changed())
    assert override(scenario, seed=3).receiver == scenario.receiver
    assert override(scenario, target={"url": "http://127.0.0.1/"}).receiver is None


def test_a_share_may_be_written_in_percent() -> None:
    def text(share: str, own: str, jitter: str) -> str:
        return (
            f"{HEAD}{STEADY}shares = {{ missing_signature = {own} }}\n"
            f'[[cases]]\nkind = "wrong_secret"\nshare = {share}\n[[cases]]\nkind = "missing_signature"\nshare = 0.1\n'
            f'[retry]\nprofile = "stripe"\njitter = {jitter}\n'
        )

    known = {"known_cases": {kind: CaseRule("refuse") for kind in ("wrong_secret", "missing_signature")}}
    percent, number = text('"2.5%"', '"50%"', '"100%"'), text("0.025", "0.5", "1")
    assert load(percent, **known).document() == load(number, **known).document()
    for wrong in ("50", "101%", "half", "-1%"):
        said = f"'{wrong}' is not a share: write 0% to 100%, such as '1%'"
        assert message(text(f'"{wrong}"', "0", "0"), **known) == f"f.toml: cases[0].share: {said}"
        assert message(text("0", f'"{wrong}"', "0"), **known) == f"f.toml: phases[0].shares.missing_signature: {said}"
