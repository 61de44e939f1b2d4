"""Redaction: the named fields are blank, every other byte is as it was, and what cannot be read is not kept."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.events.redaction import Redaction
from loadsim.model import UsageError

JSON = "application/json; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
KEYS = st.sampled_from(["a", "b", "email", "0", "é"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
PATHS = st.lists(KEYS | st.just("*"), min_size=1, max_size=3).map(".".join)
BLANKS: dict[type, Any] = {str: "", int: 0, float: 0, bool: False, list: [], dict: {}, type(None): None}


def blanked(document: Any, path: list[str]) -> Any:
    """The same on parsed values, the slow way."""
    if not path:
        return BLANKS[type(document)]
    if isinstance(document, dict):
        return {key: blanked(value, path[1:]) if path[0] in (key, "*") else value for key, value in document.items()}
    if isinstance(document, list):
        return [blanked(each, path[1:]) if path[0] in (str(i), "*") else each for i, each in enumerate(document)]
    return document


@given(DOCUMENTS, PATHS, st.sampled_from([None, 1]), st.booleans())
def test_the_value_at_a_path_is_blank_and_nothing_else_changed(
    document: Any, path: str, indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    found = Redaction([path]).of(body, JSON)
    expected = blanked(document, path.split("."))
    assert json.loads(found) == expected
    assert [type(each) for each in _leaves(json.loads(found))] == [type(each) for each in _leaves(expected)]
    assert Redaction(["nowhere", f"{path}.nowhere.at.all"]).of(body, JSON) == body


def _leaves(document: Any) -> list[Any]:
    if isinstance(document, dict):
        return [leaf for value in document.values() for leaf in _leaves(value)]
    return [leaf for value in document for leaf in _leaves(value)] if isinstance(document, list) else [document]


def test_every_other_byte_stays() -> None:
    body = (
        b'{ "n": 1.50, "big": 123456789012345678901234567890,\r\n "email" : "a\\u0040b", "list":[{"email":{"x":1}}] }'
    )
    found = Redaction(["email", "list.*.email"]).of(body, JSON)
    assert found == body.replace(b'"a\\u0040b"', b'""').replace(b'{"x":1}', b"{}")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a":1,"a":2}', b'{"a":0,"a":0}'),  # readers differ in which of the two they take
        (b'{"\\u0061":"x"}', b'{"\\u0061":""}'),
        (b'{"b":"x"}', b'{"b":"x"}'),
        (b'{"a":"x"', b""),
        (b'{"a":"x"} {}', b""),
        (b'{"b":1 "a":2}', b""),
        (b"\xff", b""),
        (b"", b""),
        (b"[" * 100_000, b""),
    ],
)
def test_a_field_written_twice_or_escaped_is_found_and_what_is_no_json_is_not_kept(body: bytes, found: bytes) -> None:
    assert Redaction(["a"]).of(body, JSON) == found


def test_without_paths_any_bytes_stay() -> None:
    assert Redaction([]).of(b"\xff", JSON) == b"\xff"


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=5))
def test_a_field_of_a_form_is_blank_by_its_name(fields: list[tuple[str, str]]) -> None:
    fields = [*fields, ("user[email]", "a@b"), ("From", "+49")]
    found = Redaction(["user[email]", "From"]).of(urlencode(fields).encode(), FORM).decode()
    expected = [(name, "" if name in ("user[email]", "From") else value) for name, value in fields]
    assert parse_qsl(found, keep_blank_values=True) == expected


def test_a_field_of_a_form_may_hold_json() -> None:
    body = urlencode({"payload": '{"user":{"name":"Ada","id":7}}', "other": "x"}).encode()
    found = dict(parse_qsl(Redaction(["payload.user.name"]).of(body, FORM).decode()))
    assert found == {"payload": '{"user":{"name":"","id":7}}', "other": "x"}
    assert Redaction(["payload.user"]).of(b"payload=secret&b=1", FORM) == b"payload=&b=1"


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a."])
def test_a_path_with_an_empty_step_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="write a path such as"):
        Redaction([path])
