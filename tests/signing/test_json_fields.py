"""Fields of JSON that are read in one walk have the text that each has by itself."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.signing.body_fields import sealed_document, sealed_with
from loadsim.signing.message_parts import Delivered, Document, Part, PartError, compiled

STEPS = st.sampled_from(["a", "b", "0", "1", "-1", " 0", "99999999999999999999", "é"])
PATHS = st.lists(STEPS, min_size=1, max_size=3).map(".".join)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STEPS, inner, max_size=4), max_leaves=12
)


def told(make: Any) -> bytes | str:
    try:
        found: bytes = make()
    except PartError as error:
        return str(error)
    return found


@given(
    document=VALUES,
    paths=st.lists(PATHS, min_size=2, max_size=6),
    between=st.sampled_from([b"", b":", b"%s%", "é".encode()]),
)
def test_fields_read_together_are_those_read_one_by_one(document: Any, paths: list[str], between: bytes) -> None:
    body = orjson.dumps(document)
    parts = [part for path in paths for part in (between, Part("json", path))]
    compose = compiled(parts, "custom", None, None)
    together = told(lambda: compose(b"", b"", Delivered(body, None)))
    assert together == told(lambda: b"".join(between + Delivered(body, None).json(path) for path in paths))
    assert together == told(lambda: compose(b"", b"", Document(document, None)))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a":true,"b":null}',
        b'{"a":[],"b":1}',
        b'{"a":1.50,"b":1E5}',
        b'{"a":"\\ud800","b":1}',
        b'{"a":12345678901234567890123,"b":1}',
    ],
)
def test_what_a_parser_would_change_is_read_as_it_is_written(body: bytes) -> None:
    compose = compiled([Part("json", "a"), b":", Part("json", "b")], "custom", None, None)
    expected = told(lambda: Delivered(body, None).json("a") + b":" + Delivered(body, None).json("b"))
    assert told(lambda: compose(b"", b"", Delivered(body, None))) == expected


@given(document=VALUES, path=PATHS)
def test_a_document_is_sealed_as_its_body_is_and_stays_as_it_was(document: Any, path: str) -> None:
    body = orjson.dumps(document)
    sealed = told(lambda: sealed_document(path, Document(document, None), "s"))
    assert sealed == told(lambda: sealed_with("json", path, Delivered(body, None), "s"))
    assert orjson.dumps(document) == body
