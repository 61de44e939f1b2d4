"""Laws of event bodies: seed, type, index, time and options alone decide them, they differ, and they keep the shape."""

from __future__ import annotations

import re
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.events import EventSource, default_types, event_type, sample_payload
from loadsim.events import event_source as source_module
from loadsim.events.event_source import LARGEST_INDEX
from loadsim.model import UsageError

TYPES = list(default_types())
APP = "desktop.app_tracking.captured"
ACTIVITY = "desktop.activity_tracking.captured"
SCREENSHOT = "desktop.screenshot_tracking.captured"
NOW_NS = 1_746_123_456_789_000_000

types = st.sampled_from(TYPES)
indexes = st.integers(0, LARGEST_INDEX)
instants = st.integers(0, 4_000_000_000 * 10**9)

SOURCES = {name: EventSource(name, 7) for name in TYPES}


def shape(value: Any) -> Any:
    """The keys in their order and the types of the values."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)


@given(types, indexes, instants)
def test_every_body_has_the_documented_shape(name: str, index: int, now_ns: int) -> None:
    assert shape(orjson.loads(SOURCES[name].body(index, now_ns))) == shape(event_type(name).sample())


@settings(max_examples=25, deadline=None)  # each makes two sources, which takes milliseconds
@given(types, st.lists(st.tuples(indexes, instants), min_size=1, max_size=6), st.integers())
def test_a_body_depends_on_its_arguments_only(name: str, calls: list[tuple[int, int]], seed: int) -> None:
    used = EventSource(name, seed)
    before = [used.body(index, now_ns) for index, now_ns in calls]
    after = [used.body(index, now_ns) for index, now_ns in reversed(calls)]
    assert before == after[::-1]
    assert EventSource(name, seed).body(*calls[-1]) == before[-1]


@pytest.mark.parametrize("name", TYPES)
def test_bodies_of_a_run_all_differ(name: str) -> None:
    source = SOURCES[name]
    assert len({source.body(index, NOW_NS) for index in range(20_000)}) == 20_000


@given(types, indexes, indexes)
def test_bodies_are_equal_only_for_equal_indexes(name: str, one: int, other: int) -> None:
    source = SOURCES[name]
    assert (source.body(one, NOW_NS) == source.body(other, NOW_NS)) == (one == other)


@given(types, indexes)
def test_the_id_is_a_uuid_that_names_the_event_and_stands_in_its_body(name: str, index: int) -> None:
    source = SOURCES[name]
    identity = source.event_id(index)
    assert str(uuid.UUID(identity)) == identity
    assert uuid.UUID(identity).version == 4
    assert int(identity[-12:], 16) == index
    data = orjson.loads(source.body(index, NOW_NS))["data"]
    places = {
        APP: lambda: data[0]["tracking"]["trackingId"],
        SCREENSHOT: lambda: data[0]["screenshot"]["screenshotId"],
        ACTIVITY: lambda: data["user"]["userId"],
    }
    assert places[name]() == identity


def test_ids_of_other_seeds_and_types_differ() -> None:
    ids = {EventSource(name, seed).event_id(0) for name in TYPES for seed in range(20)}
    assert len(ids) == 60


def test_fields_that_mean_now_come_from_the_given_time() -> None:
    app = orjson.loads(SOURCES[APP].body(5, NOW_NS))
    time = app["data"][0]["tracking"]["time"]
    assert app["timestamp"] == 1_746_123_456_789
    assert time["endDate"] == "2025-05-01T18:17:36.789Z"
    assert re.fullmatch(r"2025-05-01T18:\d\d:\d\d\.789Z", time["startDate"])
    minutes, seconds = (int(part) for part in time["startDate"][14:19].split(":"))
    assert (17 * 60 + 36) - (minutes * 60 + seconds) == time["durationInSeconds"] > 0
    screenshot = orjson.loads(SOURCES[SCREENSHOT].body(5, NOW_NS + 211_000_000))
    assert screenshot["data"][0]["screenshot"]["time"]["capturedAt"] == "2025-05-01T18:17:37.000Z"


@given(indexes, instants, instants)
def test_only_now_fields_depend_on_the_time(index: int, one: int, other: int) -> None:
    def timeless(now_ns: int) -> Any:
        document = orjson.loads(SOURCES[APP].body(index, now_ns))
        del document["timestamp"]
        time = document["data"][0]["tracking"]["time"]
        del time["startDate"], time["endDate"]
        return document

    assert timeless(one) == timeless(other)


def test_a_seed_is_one_organisation_of_teams_users_and_apps() -> None:
    seen: dict[str, set[str]] = {"organisationId": set(), "teamId": set(), "userId": set(), "name": set()}
    team_of: dict[str, set[str]] = {}
    for name in (APP, SCREENSHOT):
        for index in range(5_000):
            item = orjson.loads(SOURCES[name].body(index, NOW_NS))["data"][0]
            app = (item.get("tracking") or item["screenshot"])["app"]
            seen["organisationId"].add(item["organisation"]["organisationId"])
            seen["teamId"].add(item["team"]["teamId"])
            seen["userId"].add(item["user"]["userId"])
            seen["name"].add(app["name"])
            team_of.setdefault(item["user"]["userId"], set()).add(item["team"]["teamId"])
            assert app["fullUrl"].startswith(app["iconUrl"].removesuffix("/favicon.ico"))
            assert app["domain"] in app["iconUrl"]
    assert len(seen["organisationId"]) == 1
    assert 8 <= len(seen["teamId"]) <= 20
    assert 300 <= len(seen["userId"]) <= 500
    assert len(seen["name"]) >= 12
    assert all(len(teams) == 1 for teams in team_of.values())


@pytest.mark.parametrize("name", TYPES)
def test_live_events_lack_the_simulation_field_and_nothing_else(name: str) -> None:
    simulated = orjson.loads(EventSource(name, 3).body(1, NOW_NS))
    live = orjson.loads(EventSource(name, 3, simulation=False).body(1, NOW_NS))
    assert simulated.pop("simulation") is True
    assert live == simulated


def test_the_pinned_body_of_a_seed() -> None:
    """A change here changes the events of every stored seed: it belongs in the changelog."""
    body = EventSource(ACTIVITY, 7).body(5, NOW_NS)
    assert body == (
        b'{"event":"desktop.activity_tracking.captured","version":"v1","agent":"desktop-agent","simulation":true,'
        b'"timestamp":1746123456789,"data":{"organisation":{"organisationId":"fce5da6b-48ed-489d-bb57-1d0a703cd057"},'
        b'"team":{"teamId":"4c1983f8-6da4-4d7b-bc48-419406711461"},'
        b'"user":{"userId":"768f79c4-75da-4df4-b749-000000000005"},"activity":{"workMode":false}}}'
    )


def test_an_unknown_type_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"did you mean \"desktop\.app_tracking\.captured\"\? known types are "):
        EventSource("desktop.app_traking.captured", 1)


def test_a_sample_is_the_documented_payload() -> None:
    sample = sample_payload(SCREENSHOT)
    assert (
        sample["data"][0]["screenshot"]["imageBuffer"] == "[simulation-placeholder: binary image buffer not included]"
    )
    assert sample == event_type(SCREENSHOT).sample()
    assert "simulation" not in sample_payload(SCREENSHOT, simulation=False)


def serialising(kind: str) -> EventSource:
    """A source that serialises its template for every event."""
    source = EventSource(kind, 7)
    source._compiled = [source_module._NONE] * len(source._compiled)
    return source


SERIALISING = {name: serialising(name) for name in TYPES}


@given(types, indexes, st.integers(1_000_000_000, 250_000_000_000_000).map(lambda ms: ms * 1_000_000))
def test_a_rendered_body_is_the_serialised_template(kind: str, index: int, now_ns: int) -> None:
    assert SOURCES[kind].body(index, now_ns) == SERIALISING[kind].body(index, now_ns)


def test_every_type_is_compiled_and_none_that_the_user_changed() -> None:
    for kind in (ACTIVITY, APP, SCREENSHOT):
        source = EventSource(kind, 7)
        source.body(0, NOW_NS)
        assert source._compiled[source._picks[0]] is not source_module._NONE
    changed = EventSource(APP, 7, overrides=[("data.0.user.userId", "00000000-loadsim-event-a00000000000")])
    changed.body(0, NOW_NS)
    assert changed._compiled[changed._picks[0]] is source_module._NONE
