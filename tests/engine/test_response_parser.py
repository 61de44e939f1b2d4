"""The response reader: one answer whatever the segments, with the memo or without."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.engine.response_parser import Memo, ResponseReader
from loadsim.error_kinds import ErrorKind

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(lambda text: f"x-{text}")
VALUES = st.text("abc XYZ0123;=,/\"'é", max_size=20).map(str.strip)
FIELDS = st.lists(st.tuples(TOKENS, VALUES), max_size=8)
BODIES = st.binary(max_size=300)
STATUSES = st.sampled_from([200, 201, 202, 301, 400, 401, 404, 413, 429, 500, 503, 599])
EARLY = (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n")
INTERIM = st.lists(st.sampled_from(EARLY), max_size=2)


def chunked(body: bytes, sizes: list[int]) -> bytes:
    out = b""
    for size in sizes:
        piece, body = body[:size], body[size:]
        if piece:
            out += b"%x\r\n%b\r\n" % (len(piece), piece)
    if body:
        out += b"%x;ext=1\r\n%b\r\n" % (len(body), body)
    return out + b"0\r\n\r\n"


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, int, bool, bool, bytes]:
    """Bytes, status, whether the connection stays, whether only the end of the connection ends it, body."""
    status, body = draw(STATUSES), draw(BODIES)
    version = draw(st.sampled_from(["1.1", "1.0"]))
    framing = draw(st.sampled_from(["length", "chunked", "close"] if version == "1.1" else ["length", "close"]))
    close = draw(st.booleans())
    lines = [f"HTTP/{version} {status} {draw(st.sampled_from(['OK', '', 'Not At All']))}"]
    lines += [f"{name}: {value}" for name, value in draw(FIELDS)]
    if framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    if framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    if version == "1.1" and close:
        lines.append("Connection: close")
    if version == "1.0" and not close:
        lines.append("Connection: keep-alive")
    sizes = draw(st.lists(st.integers(1, 50), max_size=5))
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    data = b"".join(draw(INTERIM)) + head + (chunked(body, sizes) if framing == "chunked" else body)
    return data, status, framing != "close" and not close, framing == "close", body


def read(reader: ResponseReader, pieces: list[bytes]) -> list[int]:
    return [reader.feed(piece) for piece in pieces]


@given(responses(), st.lists(st.integers(0, 1000), max_size=12))
def test_any_split_gives_the_same_answer(response: tuple[bytes, int, bool, bool, bytes], cuts: list[int]) -> None:
    data, status, keeps, until_close, body = response
    marks = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    reader = ResponseReader(Memo())
    answers = read(reader, [data[start:end] for start, end in pairwise(marks)])
    assert answers[:-1] == [0] * (len(answers) - 1)
    if until_close:
        assert answers[-1] == 0
        assert reader.eof() == status
    else:
        assert answers[-1] == status
    assert reader.keep_alive == keeps
    assert reader.shown()[1] == body.decode("utf-8", "replace")


@given(responses(), st.integers(1, 1000))
def test_what_is_cut_off_is_truncated(response: tuple[bytes, int, bool, bool, bytes], cut: int) -> None:
    data, _, _, until_close, _ = response
    head_end = len(data) if not until_close else data.rfind(b"\r\n\r\n")
    if head_end < 2:
        return
    reader = ResponseReader(Memo())
    assert reader.feed(data[: 1 + cut % (head_end - 1)]) == 0
    assert reader.eof() == -ErrorKind.truncated


@given(st.lists(st.tuples(responses(), st.booleans()), min_size=1, max_size=6))
def test_the_memo_answers_as_the_parser_does(sequence: list[tuple[tuple[bytes, int, bool, bool, bytes], bool]]) -> None:
    """Each response twice on one connection that shares its memo, against a parser that has never seen it."""
    memo = Memo()
    shared = ResponseReader(memo)
    for (data, status, keeps, until_close, _), twice in sequence:
        if until_close or not keeps:
            continue
        for _ in range(1 + twice):
            alone = ResponseReader(Memo())
            assert shared.feed(data) == alone.feed(data) == status
            assert shared.keep_alive == alone.keep_alive
            assert shared.shown() == alone.shown()
        assert memo.data == data


def test_the_memo_is_not_asked_within_a_response() -> None:
    """A body that is itself a response which the memo knows."""
    known = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    reader = ResponseReader(Memo())
    assert reader.feed(known) == 200
    assert reader.feed(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n" % len(known)) == 0
    assert reader.feed(known) == 500


def test_the_memo_keeps_no_answer_that_ends_the_connection() -> None:
    memo = Memo()
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert ResponseReader(memo).feed(closing) == 200
    second = ResponseReader(memo)
    assert second.feed(closing) == 200
    assert not second.keep_alive


@given(st.binary(min_size=1, max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    reader = ResponseReader(Memo())
    code = reader.feed(data)
    assert code == 0 or 100 < code < 1000 or -code in set(ErrorKind)


def test_nothing_is_nothing() -> None:
    assert ResponseReader(Memo()).eof() == 0


@pytest.mark.parametrize("size", [64 * 1024 - 100, 64 * 1024 + 100])
def test_the_header_block_is_bounded_wherever_it_is_cut(size: int) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%03d: %b\r\n" % (n, b"v" * 1000) for n in range(63))
    data = head + b"X-Pad: " + b"v" * (size - len(head) - 33) + b"\r\nContent-Length: 2\r\n\r\nok"
    expected = 200 if size < 64 * 1024 else -ErrorKind.protocol
    for step in (len(data), 16 * 1024, 1000):
        reader = ResponseReader(Memo())
        answers = [reader.feed(data[start : start + step]) for start in range(0, len(data), step)]
        assert next(answer for answer in answers if answer) == expected


@pytest.mark.parametrize(("fields", "expected"), [(256, 200), (257, -ErrorKind.protocol)])
def test_256_fields_are_the_most(fields: int, expected: int) -> None:
    lines = b"".join(b"X-%d: v\r\n" % number for number in range(fields - 1))
    assert ResponseReader(Memo()).feed(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n") == expected


def test_a_body_of_many_lines_has_no_fields() -> None:
    body = b"a: b\n" * 1000
    assert ResponseReader(Memo()).feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) == 200
