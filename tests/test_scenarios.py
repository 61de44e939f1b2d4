"""The shipped scenarios: each loads, runs as it is, and says what question it answers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from loadsim.cases import case_rules, check_cases, retirement_ns
from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.plan import EMBEDDED, Plan, Scenario, load_scenario
from loadsim.signing import scheme

DIRECTORY = Path(__file__).parent.parent / "scenarios"
NAMES = (
    "breakpoint", "delivery", "forged", "quickstart", "retry-storm", "rotation", "smoke", "soak", "spike", "starvation",
    "steady", "stress",
)  # fmt: skip
TYPES = ("desktop.activity_tracking.captured", "desktop.app_tracking.captured", "desktop.screenshot_tracking.captured")


def load(text: str, name: str) -> Scenario:
    source = f"scenarios/{name}.toml"
    scenario = load_scenario(
        text, source=source, known_types=TYPES, known_schemes=("trackpilots",), known_cases=case_rules()
    )
    check_cases(scenario, scheme("trackpilots"), source)
    objectives_of(scenario.objectives, vocabulary_of_scenario(scenario))
    return scenario


def test_every_kind_of_load_test_is_there() -> None:
    assert set(NAMES) <= {path.stem for path in DIRECTORY.glob("*.toml")}


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_runs_as_it_is_and_opens_with_its_question(name: str) -> None:
    text = (DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")
    scenario = load(text, name)
    assert scenario.name == name
    assert scenario.target.url == EMBEDDED
    assert scenario.objectives
    first = text.splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith("?")
    assert f"#   loadsim run {name}\n" in text
    assert Plan(scenario, 1).phases[-1].record


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_still_loads_with_the_lines_for_a_real_endpoint(name: str) -> None:
    text = (DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")
    real = re.sub(r'^url = "embedded"\n', "", text, flags=re.MULTILINE)
    real = re.sub(r'^# (url|secret_env|old_secret_env|ledger) = "', r'\1 = "', real, flags=re.MULTILINE)
    real = re.sub(r"^\[receiver\].*?(?=^\[)", "", real, flags=re.MULTILINE | re.DOTALL)  # the embedded one's
    target = load(real, name).target
    assert target.url.startswith("https://example.test/")
    assert target.secret_env == "TRACKPILOTS_WEBHOOKS_SECRET_KEY"


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_that_a_scenario_offers_in_a_comment_is_a_real_one(name: str) -> None:
    text = (DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")
    for line in re.findall(
        r'^# ((?!url|secret_env|old_secret_env|ledger)\w+ = (?:"[^"]*"|\d+)) ', text, flags=re.MULTILINE
    ):
        key = next(iter(tomllib.loads(line)))
        # A burst goes with its arrivals, so both lines are opened together.
        opened = re.sub(rf"^# ({key}|arrivals) = ", r"\1 = ", text, flags=re.MULTILINE)
        load(opened, name)


def test_the_quickstart_is_short_and_asks_little() -> None:
    plan = Plan(load((DIRECTORY / "quickstart.toml").read_text(encoding="utf-8"), "quickstart"), 1)
    assert plan.duration_ns == 9_000_000_000
    assert plan.expected_events(1) == 1_800


def shares_of(scenario: Scenario) -> dict[str, float]:
    base = {case.kind: case.share for case in scenario.cases}
    return {phase.name: sum((base | phase.shares).values()) for phase in scenario.phases if phase.record}


def test_starvation_keeps_the_rate_of_genuine_events() -> None:
    scenario = load((DIRECTORY / "starvation.toml").read_text(encoding="utf-8"), "starvation")
    shares = shares_of(scenario)
    assert list(shares.values()) == [0, 0.25, 0.5, 0.75, 0.9]
    for phase in scenario.phases:
        assert phase.rate is not None
        assert float(phase.rate) * (1 - shares.get(phase.name, 0)) == pytest.approx(60)


def test_the_old_secret_ends_between_its_last_use_and_the_first_attempt_to_use_it() -> None:
    scenario = load((DIRECTORY / "rotation.toml").read_text(encoding="utf-8"), "rotation")
    plan = Plan(scenario, 1)
    end = retirement_ns(scenario)
    settled = plan.phases[2]
    assert settled.name == "settled"
    assert end is not None
    assert settled.end_ns is not None
    assert settled.start_ns + 10**9 < end < settled.end_ns - 10**9
    assert retirement_ns(load((DIRECTORY / "steady.toml").read_text(encoding="utf-8"), "steady")) is None
