"""Rows of a capture: what is written is what is read."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.events import read_recorded
from loadsim.events.capture_row import LONGEST_TYPE, row_line, type_in_body, usable_type
from loadsim.model import RecordedEvent

TYPES = st.text(min_size=1, max_size=20).map(usable_type)
NAMES = st.sampled_from(["X-Own", "Content-Type", "x-b"])
VALUES = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), max_size=20)
MICROSECONDS = st.integers(0, 4 * 10**15)
ROWS = st.tuples(st.binary(max_size=40), TYPES, MICROSECONDS, st.dictionaries(NAMES, VALUES))


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_what_is_written_is_read_byte_for_byte(rows: list[tuple[bytes, str | None, int, dict[str, str]]]) -> None:
    lines = b"".join(row_line(body, kind, at * 1000, headers) for body, kind, at, headers in rows)
    expected = [RecordedEvent(body, kind, at * 1000, tuple(headers.items())) for body, kind, at, headers in rows]
    assert list(read_recorded(lines, "x.ndjson")) == expected


@given(MICROSECONDS)
def test_a_row_without_a_body_is_read_as_a_time(at: int) -> None:
    assert read_recorded(row_line(None, None, at * 1000, {}), "x.ndjson") == (RecordedEvent(None, None, at * 1000),)


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b'{"type":"charge.succeeded","event":{"a":1}}', "application/json", "charge.succeeded"),
        (b'{"event":"a.b","type":"other"}', "application/json", "a.b"),
        (urlencode({"event": "delivered"}).encode(), "application/x-www-form-urlencoded", "delivered"),
        (b'{"type":"a,b"}', "application/json", None),
        (b'{"type":"' + b"x" * (LONGEST_TYPE + 1) + b'"}', "application/json", None),
        (b'{"type":7}', "application/json", None),
        (b"[1]", "application/json", None),
        (b"\xff", "application/json", None),
        (b"\xff", "application/x-www-form-urlencoded", None),
    ],
)
def test_the_type_is_taken_from_the_body_where_it_can_be_one(body: bytes, content_type: str, kind: str | None) -> None:
    assert type_in_body(body, content_type) == kind
