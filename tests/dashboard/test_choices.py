"""What the page offers and takes: registered types only, payloads untouched but for their white space."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.dashboard import choices
from loadsim.dashboard.command_lines import run_command
from loadsim.dashboard.forms import read_run_form
from loadsim.events import FORM_TYPE, EventSource, catalogue
from loadsim.model import UsageError
from loadsim.shipped import shipped_names
from loadsim.single.prepare import made_event
from tests.dashboard.support import page

APP, ACTIVITY = "desktop.app_tracking.captured", "desktop.activity_tracking.captured"
CONFIG = f"""
[endpoints.staging]
url = "https://user:hidden@example.test/hooks?key=hidden"
secret_env = "STAGING_SECRET"
events = ["{APP}"]

[endpoints.shop]
url = "https://shop.example.test/hooks"
scheme = "stripe"
"""
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STAGING_SECRET", "whsec_hidden")
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRET", raising=False)
    return tmp_path


@given(VALUES, st.integers(0, 4), st.booleans())
def test_compact_takes_white_space_and_nothing_else(value: Any, indent: int, ascii_only: bool) -> None:
    spread = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    small = json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)
    assert choices.compact(spread.encode("utf-8", "surrogatepass")) == small.encode("utf-8", "surrogatepass")


@given(st.text(string.printable + 'é"\\'))
def test_compact_of_what_is_compact_changes_nothing(text: str) -> None:
    once = choices.compact(text.encode())
    assert choices.compact(once) == once


@pytest.mark.parametrize("name", [event.name for event in catalogue()])
def test_a_sample_unedited_is_the_providers_own_bytes(name: str) -> None:
    event = made_event(EventSource(name, 7), name, 7, 10**18)
    body = event.body
    shown = choices.sample(name, 10**18)["payload"]
    if event.content_type == FORM_TYPE:  # a form is edited as it is
        assert set(parse_qs(shown)) == set(parse_qs(body.decode()))
        return
    spread = json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode()
    assert choices.compact(spread) == body
    assert json.loads(shown)


def test_only_registered_types_are_offered_and_no_secret(directory: Path) -> None:
    (directory / "loadsim.toml").write_text(CONFIG)
    offer = choices.offer()
    staging, shop = offer["endpoints"]
    assert tuple(staging["events"]) == (APP,)
    assert staging["signed"] == "Signed as trackpilots does, with the secret in the variable STAGING_SECRET."
    assert all(name.split("/")[0] == "stripe" or "." in name for name in shop["events"])
    assert shop["unsigned"].endswith("and start the dashboard again")
    assert "hidden" not in str(offer)


def test_a_wrong_config_is_told_and_a_url_can_still_be_used(directory: Path) -> None:
    (directory / "loadsim.toml").write_text("[endpoints.x]\nurk = 1\n")
    offer = choices.offer()
    assert offer["endpoints"] == []
    assert "loadsim.toml" in offer["problem"]
    assert "trackpilots" in offer["schemes"]


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({}, "no endpoint was given"),
        ({"target": "nobody"}, 'no endpoint is called "nobody"'),
        ({"target": "embedded"}, "embedded is for load runs"),
        ({"target": "ftp://example.test/"}, "http"),
        ({"target": "https://example.test/", "scheme": "nothing"}, "scheme"),
        ({"target": "https://example.test/", "secret_env": "not a name"}, "secret_env"),
        ({"target": "staging"}, "no event type was given"),
        ({"target": "staging", "event": APP}, "the payload is empty"),
        ({"target": "staging", "event": APP, "payload": "{"}, "the payload is not JSON"),
        ({"target": "staging", "event": APP, "payload": '{"event": "x"}'}, "its event is x, not"),
        ({"target": "staging", "event": ACTIVITY, "payload": "{}"}, f"registered: {APP}"),
        ({"target": "staging", "event": APP, "payload": '"\ud800"'}, "not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_in_words(directory: Path, asked: dict[str, str], problem: str) -> None:
    (directory / "loadsim.toml").write_text(CONFIG)
    with pytest.raises(UsageError) as told:
        choices.read_event(choices.read_endpoint(asked)[0], asked)
    assert problem in str(told.value)
    assert "\n" not in str(told.value)


def test_scenarios_are_listed_with_their_question(directory: Path) -> None:
    (directory / "scenarios").mkdir()
    (directory / "scenarios" / "a.toml").write_text('# Does it hold?\nname = "a"\n[[phases]]\nduration = "1s"\n')
    (directory / "b.toml").write_text("# b.toml\n[[phases]]\n")
    (directory / "loadsim.toml").write_text("[[phases]]\n")
    (directory / "other.toml").write_text("[project]\n")
    (directory / "broken.toml").write_text("[[phases\n")
    (directory / "nested.toml").write_text(f"x = {5_000 * chr(91)}")
    (directory / "digits.toml").write_text(f"x = {5_000 * chr(57)}")
    assert choices.scenarios()[:2] == [("scenarios/a.toml", "Does it hold?"), ("b.toml", "")]


def test_shipped_scenarios_are_listed_unless_the_name_means_something_else(directory: Path) -> None:
    listed = [each.path for each in choices.scenarios()]
    assert listed == list(shipped_names())
    (directory / "steady.toml").write_text("[[phases]]\n")
    (directory / "loadsim.toml").write_text('[endpoints.smoke]\nurl = "http://127.0.0.1:9/"\n')
    listed = [each.path for each in choices.scenarios()]
    assert listed == ["steady.toml", *(name for name in shipped_names() if name not in ("steady", "smoke"))]


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"kind": "scenario", "scenario": "/etc/passwd.toml"}, "no scenario of the list"),
        ({"kind": "scenario", "scenario": "../secret.toml"}, "no scenario of the list"),
        ({"kind": "quick", "target": "../secret.toml", "model": "rate", "rate": "1/s"}, "that is a scenario"),
        ({"kind": "quick", "target": "embedded", "model": "rate"}, "Rate: write the number"),
        ({"kind": "quick", "target": "embedded", "model": "connections", "connections": "ten"}, "Connections ten"),
        ({"kind": "quick"}, "no endpoint was given"),
    ],
)
def test_what_a_run_cannot_be_is_said_in_words(form: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read_run_form(form, Path("reports"), check=True)


async def test_a_plan_is_shown_and_nothing_else_happens(directory: Path) -> None:
    form: dict[str, Any] = {"kind": "quick", "target": "embedded", "model": "rate", "rate": "20/s", "duration": "3s"}
    async with page(directory / "reports") as client:
        status, told = await client.post("/load/plan", form | {"mix": {APP: "3", ACTIVITY: "1"}})
        assert status == 200
        assert "60 events in 3 s" in told["plan"]
        assert told["command"] == f"loadsim run embedded -r 20/s -d 3s -e {APP}=3 -e {ACTIVITY}"
        for wrong, text in (
            ({"rate": "20"}, "Rate: "),
            ({"duration": "soon"}, "Duration: "),
            ({"workers": "many"}, "Processes many: "),
            ({"objectives": "p(99) < soon"}, "p(99) < soon"),
            ({"mix": {APP: "much"}}, f"Event types {APP}=much"),
            ({"mix": {"nothing": "1"}}, "nothing"),
            ({"target": "https://example.test/", "secret_env": "NOT_SET"}, "start the dashboard again"),
        ):
            status, told = await client.post("/load/plan", form | wrong)
            assert status == 400
            assert text in told["error"]
    assert not (directory / "reports").exists()


def test_what_nobody_said_is_no_part_of_a_command() -> None:
    form = {"kind": "quick", "target": "x", "model": "connections"}
    what, options = read_run_form(form, Path("reports"), check=False)
    assert run_command(what, options) == "loadsim run x"
