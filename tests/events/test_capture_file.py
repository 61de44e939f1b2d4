"""Captures: bodies come out as they were recorded, in their order, and a wrong row is named by its line."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.events import RecordedSource, read_recorded, recorded_pace
from loadsim.events.capture_file import by_time
from loadsim.model import LARGEST_CAPTURE, RecordedEvent, UsageError


def row(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6), st.integers(0, 2**40))
def test_event_i_is_row_i_modulo_their_number_byte_for_byte(bodies: list[bytes], index: int) -> None:
    lines = b"\n".join(row(body_base64=base64.b64encode(body).decode()) for body in bodies)
    source = RecordedSource("mine", 7, read_recorded(lines, "capture.ndjson"))
    assert source.body(index, 0) == bodies[index % len(bodies)]
    assert int(source.event_id(index)[-12:], 16) == index


@given(st.text(max_size=60))
def test_a_text_body_is_its_utf_8(text: str) -> None:
    assert read_recorded(row(body=text), "x.jsonl")[0].body == text.encode()


@given(st.binary(max_size=60))
def test_any_other_file_is_one_body(data: bytes) -> None:
    assert read_recorded(data, "body.json") == (RecordedEvent(data),)


def test_a_row_may_say_when_of_which_type_and_with_which_headers() -> None:
    headers = {"X-Own": "é", "Host": "example.test", "Content-Length": "9", "X-Forwarded-For": "1.2.3.4"}
    first, second = read_recorded(
        row(body="a", type="t", at="2023-11-14T22:13:20.123456789Z", headers=headers)
        + b"\r\n\n"
        + row(body="b", at=1700000000.5),
        "x.ndjson",
    )
    assert first == RecordedEvent(b"a", "t", 1_700_000_000_123_456_789, (("X-Own", "é"),))
    assert second == RecordedEvent(b"b", None, 1_700_000_000_500_000_000)
    assert read_recorded(row(body="b", at="2023-11-14T23:13:20+01:00"), "x.ndjson")[0].at_ns == 1_700_000_000 * 10**9


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not JSON"),
        (b"[1]", "must be a JSON object"),
        (row(), "needs either body (text) or body_base64"),
        (row(body="a", body_base64="YQ=="), "needs either"),
        (row(body={"a": 1}), "a parsed body cannot be sent byte for byte"),
        (row(body_base64="a!"), "body_base64 is not base64"),
        (row(body="a", tpye="x"), 'unknown key "tpye"'),
        (row(body="a", type=1), "type must be a text without braces, commas and control characters"),
        (row(body="a", type="a{b}"), "type must be a text"),
        (row(at=1, headers={"a": "b"}), "headers go with a body only"),
        (row(body="a", at="yesterday"), "at must be unix seconds or ISO 8601"),
        (row(body="a", at=-1), "at must be"),
        (row(body="a", at=True), "at must be"),
        (row(body="a", headers=[1]), "headers must be an object"),
        (row(body="a", headers={"a b": "c"}), "the header 'a b'"),
        (row(body="a", headers={"a": "x\r\ny"}), "the header 'a'"),
        (row(body="a", headers={"a": "x\x7fy"}), "the header 'a'"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(line: bytes, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_recorded(row(body="fine") + b"\n" + line, "x.ndjson")
    assert str(refused.value).startswith("x.ndjson: line 2: ")
    assert message in str(refused.value)


def test_an_empty_capture_and_one_that_does_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="no recorded body in it"):
        read_recorded(b"\n \n", "x.ndjson")
    with pytest.raises(UsageError, match="at most 64 MB of recorded bodies fit"):
        read_recorded(bytes(LARGEST_CAPTURE + 1), "x.bin")


def test_a_pace_needs_times_that_differ() -> None:
    assert recorded_pace([RecordedEvent(b"", at_ns=at) for at in (5, 5, 9)], "x") == (0, 0, 4)
    for times in ((1, 1), (1,)):
        with pytest.raises(UsageError, match="at least two rows at different times"):
            recorded_pace([RecordedEvent(b"", at_ns=at) for at in times], "x")


def test_rows_of_several_processes_are_put_in_the_order_of_their_times() -> None:
    rows = [RecordedEvent(b"%d" % number, at_ns=at) for number, at in enumerate((2, 1, 2, 1))]
    assert [row.body for row in by_time(rows, "x")] == [b"1", b"3", b"0", b"2"]
    with pytest.raises(UsageError, match='row 2 has no "at"'):
        by_time([RecordedEvent(b"", at_ns=1), RecordedEvent(b"")], "x")
