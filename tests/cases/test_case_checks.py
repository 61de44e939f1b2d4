"""Cases that the scheme, or the phase they fall in, cannot have: one line before the first event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from loadsim.cases import case_rules, check_cases, needs_old_secret, retirement_ns
from loadsim.plan import Scenario, ScenarioError, from_document
from loadsim.signing import scheme

TYPES = ("desktop.app_tracking.captured",)
S = 10**9


def scenario_of(*phases: dict[str, Any], url: str = "embedded", **cases: Any) -> Scenario:
    document = {
        "name": "t",
        "target": {"url": url},
        "phases": [{"name": f"p{n}", "rate": "10/s", "duration": "4s", **phase} for n, phase in enumerate(phases)],
        "cases": [{"kind": kind, "share": share} for kind, share in cases.items()],
    }
    return from_document(document, "f.toml", known_types=TYPES, known_cases=case_rules())


def test_a_case_that_the_scheme_cannot_have_is_named() -> None:
    scenario = scenario_of({}, wrong_secret=0.1, missing_timestamp=0.1)
    check_cases(scenario, scheme("trackpilots"), "f.toml")
    with pytest.raises(ScenarioError, match=r"cases\[1\].kind: the scheme github has no case missing_timestamp"):
        check_cases(scenario, scheme("github"), "f.toml")


def test_an_old_secret_that_is_needed_is_asked_for() -> None:
    for scenario in (
        scenario_of({"secrets": "both"}, url="http://h/"),
        scenario_of({}, url="http://h/", retired_secret=0.1),
    ):
        assert needs_old_secret(scenario)
        with pytest.raises(ScenarioError, match=r"f.toml: target.old_secret_env: the old secret is not given"):
            check_cases(scenario, scheme("trackpilots"), "f.toml")
    check_cases(scenario_of({"secrets": "both"}), scheme("trackpilots"), "f.toml")
    assert not needs_old_secret(scenario_of({}, wrong_secret=0.1))


def test_the_old_secret_is_no_forgery_while_it_signs() -> None:
    with pytest.raises(ScenarioError, match=r"f.toml: phases\[1\].shares.retired_secret: .* the old secret is valid"):
        check_cases(scenario_of({}, {"secrets": "both"}, retired_secret=0.1), scheme("trackpilots"), "f.toml")


def test_copies_need_connections_and_a_rate() -> None:
    few = scenario_of({}, duplicate=0.1)
    few = msgspec.structs.replace(few, target=msgspec.structs.replace(few.target, connections=4))
    with pytest.raises(ScenarioError, match=r"cases\[0\].copies: 5 copies need as many connections, and .* is 4"):
        check_cases(few, scheme("trackpilots"), "f.toml")
    closed = scenario_of({"rate": None, "connections": 8}, duplicate=0.1)
    with pytest.raises(ScenarioError, match=r"cases\[0\].kind: duplicate needs phases with a rate"):
        check_cases(closed, scheme("trackpilots"), "f.toml")


@pytest.mark.parametrize(
    ("phases", "expected_s"),
    [
        ([{"secrets": "old"}, {}, {"shares": {"retired_secret": 0.1}}], 6),
        ([{"secrets": "old"}, {"shares": {"retired_secret": 0.1}}], 4),
        ([{"secrets": "old"}, {"secrets": "both"}, {}, {}], 12),
        ([{}, {"shares": {"retired_secret": 0.1}}], 2),
    ],
)
def test_when_a_receiver_beside_the_run_drops_the_old_secret(phases: list[dict[str, Any]], expected_s: int) -> None:
    cases: dict[str, Any] = {"retired_secret": 0.0} if any("shares" in phase for phase in phases) else {}
    assert retirement_ns(scenario_of(*phases, **cases)) == expected_s * S
