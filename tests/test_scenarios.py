"""The shipped scenarios: each loads, runs as it is, and says what question it answers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from loadsim.plan import EMBEDDED, Plan, Scenario, load_scenario

DIRECTORY = Path(__file__).parent.parent / "scenarios"
NAMES = ("breakpoint", "quickstart", "smoke", "soak", "spike", "steady", "stress")
TYPES = ("desktop.activity_tracking.captured", "desktop.app_tracking.captured", "desktop.screenshot_tracking.captured")


def load(text: str, name: str) -> Scenario:
    return load_scenario(text, source=f"scenarios/{name}.toml", known_types=TYPES, known_schemes=("trackpilots",))


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
    assert f"loadsim run scenarios/{name}.toml" in text
    assert Plan(scenario, 1).phases[-1].record


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_still_loads_with_the_lines_for_a_real_endpoint(name: str) -> None:
    text = (DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")
    real = re.sub(r'^url = "embedded"\n', "", text, flags=re.MULTILINE)
    real = re.sub(r'^# (url|secret_env) = "', r'\1 = "', real, flags=re.MULTILINE)
    target = load(real, name).target
    assert target.url.startswith("https://example.test/")
    assert target.secret_env == "TRACKPILOTS_WEBHOOKS_SECRET_KEY"


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_that_a_scenario_offers_in_a_comment_is_a_real_one(name: str) -> None:
    text = (DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")
    for line in re.findall(r'^# ((?!url|secret_env)\w+ = (?:"[^"]*"|\d+)) ', text, flags=re.MULTILINE):
        key = next(iter(tomllib.loads(line)))
        # A burst goes with its arrivals, so both lines are opened together.
        opened = re.sub(rf"^# ({key}|arrivals) = ", r"\1 = ", text, flags=re.MULTILINE)
        load(opened, name)


def test_the_quickstart_is_short_and_asks_little() -> None:
    plan = Plan(load((DIRECTORY / "quickstart.toml").read_text(encoding="utf-8"), "quickstart"), 1)
    assert plan.duration_ns == 9_000_000_000
    assert plan.expected_events(1) == 1_800
