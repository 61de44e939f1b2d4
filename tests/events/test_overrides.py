"""Overrides by path: what they set, and what exists where they lead nowhere."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.events import EventSource, parse_override, sample_payload
from loadsim.model import UsageError

APP = "desktop.app_tracking.captured"
ACTIVITY = "desktop.activity_tracking.captured"
NOW_NS = 1_746_123_456_789_000_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, prefix: str = "") -> list[str]:
    """Every path that exists in a payload."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, inner in items:
        found += [f"{prefix}{key}", *paths(inner, f"{prefix}{key}.")]
    return found


def at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document[int(step) if isinstance(document, list) else step]
    return document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", ("a", 1)),
        ("a.b=true", ("a.b", True)),
        ("a=null", ("a", None)),
        ('a={"x": [1]}', ("a", {"x": [1]})),
        ('a="1"', ("a", "1")),
        ("a=u-1", ("a", "u-1")),
        ("a=", ("a", "")),
        ("a=b=c", ("a", "b=c")),
        (" a =x", ("a", "x")),
        ("a=NaN", ("a", "NaN")),
    ],
)
def test_a_value_is_json_or_else_text(text: str, expected: tuple[str, Any]) -> None:
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["a", "=1", "", " =x"])
def test_an_override_without_path_or_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write PATH=VALUE"):
        parse_override(text)


@settings(max_examples=50, deadline=None)  # each makes two sources, which takes milliseconds
@given(st.sampled_from(paths(sample_payload(APP))), json_values, st.integers(0, 9_000))
def test_an_override_holds_in_every_body_and_changes_nothing_else(path: str, value: Any, index: int) -> None:
    source = EventSource(APP, 7, overrides=[(path, value)])
    source.body(1, NOW_NS)
    changed = orjson.loads(source.body(index, NOW_NS))
    assert at(changed, path) == value
    plain = orjson.loads(EventSource(APP, 7).body(index, NOW_NS))
    container: Any = plain
    *parents, last = path.split(".")
    for step in parents:
        container = container[int(step) if isinstance(container, list) else step]
    container[int(last) if isinstance(container, list) else last] = value
    assert changed == plain


def test_overrides_apply_in_order_and_may_lead_into_each_other() -> None:
    overrides: list[tuple[str, Any]] = [("data.0.user", {"a": {"b": 1}}), ("data.0.user.a.b", 2), ("version", "v2")]
    source = EventSource(APP, 7, overrides=overrides)
    for index in range(3):
        document = orjson.loads(source.body(index, NOW_NS))
        assert document["data"][0]["user"] == {"a": {"b": 2}}
        assert document["version"] == "v2"
    assert overrides[0][1] == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        (APP, "data.user.userId", "'data' is a list of 1, so .* did you mean \"data.0.user.userId\""),
        (APP, "data.1.user", "'data' is a list of 1"),
        (APP, "data.-1.user", "'data' is a list of 1"),
        (APP, "data.٠.user", "'data' is a list of 1"),
        (APP, "data.99999999999999999999999.user", "'data' is a list of 1"),
        (
            APP,
            "data.0.user.userID",
            "'data.0.user' has no field 'userID', only userId; did you mean",
        ),
        (APP, "data.0.user.userId.x", "'data.0.user.userId' is a plain value"),
        (APP, "vrsion", "the payload has no field 'vrsion', only event, .* did you mean \"version\""),
        (APP, "", "the payload has no field ''"),
        (ACTIVITY, "data.0.user", "'data' has no field '0'"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_what_exists(name: str, path: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EventSource(name, 1, overrides=[(path, 1)])


def test_a_live_event_has_no_simulation_field_to_set() -> None:
    with pytest.raises(UsageError, match="no field 'simulation'"):
        EventSource(APP, 1, simulation=False, overrides=[("simulation", True)])


def test_a_value_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot set 'version'"):
        EventSource(APP, 1, overrides=[("version", "\udcff")])
