"""Sample events of every provider: each scheme has some, they vary where their files say, and nowhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.events import FORM_TYPE, EventSource, catalogue, default_types, event_type, sample_payload
from loadsim.events.event_source import LARGEST_INDEX
from loadsim.model import UsageError
from loadsim.signing import family, scheme, scheme_names

PROVIDERS = [each for each in catalogue() if each.varies is not None]
NAMES = [each.name for each in PROVIDERS]
NOW_NS = 1_746_123_456_789_000_000
SOURCES = {name: EventSource(name, 7) for name in NAMES}

names = st.sampled_from(NAMES)
indexes = st.integers(0, LARGEST_INDEX)


def parsed(name: str, body: bytes) -> Any:
    """The document of a body: JSON, or a form's fields by name."""
    if event_type(name).content_type == FORM_TYPE:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    return orjson.loads(body)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every plain value by its dotted path."""
    if isinstance(value, dict):
        pairs = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        pairs = [(str(number), inner) for number, inner in enumerate(value)]
    else:
        return {path: value}
    found: dict[str, Any] = {}
    for key, inner in pairs:
        found.update(leaves(inner, f"{path}.{key}" if path else key))
    return found or {path: value}


def test_every_scheme_has_events_of_its_own_or_of_the_one_it_is_like() -> None:
    for name in scheme_names():
        types = default_types(family(scheme(name)))
        assert types
        assert {event_type(each).scheme for each in types} <= set(family(scheme(name)))
    assert default_types(("custom",)) == default_types(("trackpilots",)) == default_types()
    assert len(default_types()) == 3


@pytest.mark.parametrize("name", NAMES)
def test_the_fields_that_vary_are_those_that_the_file_names(name: str) -> None:
    sample = leaves(event_type(name).sample())
    bodies = [leaves(parsed(name, SOURCES[name].body(index, NOW_NS + index * 10**12))) for index in range(40)]
    assert all(list(body) == list(sample) for body in bodies)
    changed = {path for path in sample if len({repr(body[path]) for body in bodies}) > 1}
    varies = event_type(name).varies
    assert varies is not None
    assert changed == set(varies)
    assert all(type(body[path]) is type(sample[path]) for body in bodies for path in varies)


@settings(max_examples=50, deadline=None)
@given(names, indexes, st.integers(0, 4_000_000_000 * 10**9), st.integers(0, 2**32))
def test_a_body_depends_on_its_arguments_only_and_is_json_or_a_form(
    name: str, index: int, now_ns: int, seed: int
) -> None:
    body = EventSource(name, seed).body(index, now_ns)
    other = EventSource(name, seed)
    other.body(index ^ 1, now_ns + 1)
    assert other.body(index, now_ns) == body
    assert list(leaves(parsed(name, body))) == list(leaves(event_type(name).sample()))


@given(names, indexes, indexes)
def test_bodies_are_equal_only_for_equal_indexes(name: str, one: int, other: int) -> None:
    source = SOURCES[name]
    assert (source.body(one, NOW_NS) == source.body(other, NOW_NS)) == (one == other)


def test_linears_body_says_when_it_was_signed() -> None:
    for name in default_types(("linear",)):
        assert orjson.loads(SOURCES[name].body(3, NOW_NS))["webhookTimestamp"] == NOW_NS // 10**6


@pytest.mark.parametrize(
    ("name", "topic"),
    [("github.push", "push"), ("shopify.orders.create", "orders/create"), ("linear.issue.create", "Issue")],
)
def test_a_topic_is_the_providers_own_name(name: str, topic: str) -> None:
    assert SOURCES[name].topic == event_type(name).topic == topic


def test_a_field_can_be_set_and_there_is_no_image_to_ask_for() -> None:
    source = EventSource("github.push", 7, simulation=False, overrides=[("ref", "refs/heads/x"), ("after", "0")])
    document = orjson.loads(source.body(1, NOW_NS))
    assert (document["ref"], document["after"]) == ("refs/heads/x", "0")
    assert sample_payload("github.push", overrides=[("ref", "r")])["ref"] == "r"
    with pytest.raises(UsageError, match=r"events of type github.push carry no image"):
        EventSource("github.push", 7, image="buffer:9B")
    with pytest.raises(UsageError, match=r"did you mean \"github.push\"\?"):
        EventSource("github.pusch", 7)
