"""What requests say of themselves in HTTP/2, read by `hpack`; laws of our encoding; what an answer's block means."""

from __future__ import annotations

from typing import Any

import hpack
import pytest
from hpack.struct import NeverIndexedHeaderTuple
from hypothesis import given, settings
from hypothesis import strategies as st

from loadsim.engine.http2_frames import ConnectionFault
from loadsim.engine.http2_headers import AnswerBlocks, EventFields, RequestHead, number, text
from loadsim.model import SignedRequest
from tests.engine.http2_sending import send
from tests.engine.http2_servers import (
    TABLE_SIZE,
    WINDOW_SIZE,
    Asked,
    Http2Peer,
    Http2Server,
    answer,
    block,
)

SIGNED = b"content-type: application/json\r\nwebhook-id: msg_%d\r\nwebhook-signature: v1,%s=\r\n"


def request(number: int, size: int = 2) -> SignedRequest:
    return SignedRequest(SIGNED % (number, b"s" * (20 + number % 3)), b"x" * size)


def asked_of(
    *values: tuple[int, int], count: int = 3, later: tuple[int, int] | None = None, **target: Any
) -> list[Asked]:
    """Requests as a server reads them; `later`: a setting that comes before the second."""
    log: list[Asked] = []

    def script(peer: Http2Peer) -> None:
        peer.greet(*values)
        while True:
            log.append(peer.request())
            if len(log) == 1 and later is not None:
                peer.values(later)
                peer._decoder.max_allowed_table_size = min(later[1], 4096)
            peer.send(answer(log[-1].stream))

    sizes = [size for key, size in values if key == TABLE_SIZE]

    def sized(peer: Http2Peer) -> None:
        if sizes:
            peer._decoder.max_allowed_table_size = min(*sizes, 4096)
        script(peer)

    with Http2Server(sized) as server:
        url = server.url.replace("127.0.0.1", "LOCALHOST".lower())
        sent = send(url, [request(number) for number in range(count)], **target)
        assert sent.outcomes == dict.fromkeys(range(count), "200"), sent.words
    return log


NAMES = [b":method", b":scheme", b":path", b":authority"]


def test_a_request_says_what_it_must_and_no_more() -> None:
    for asked in asked_of():
        names = [name for name, _ in asked.fields]
        assert sorted(names[:4]) == sorted(NAMES)
        assert not any(name.startswith(b":") for name in names[4:])
        assert len(set(names)) == len(names)
        assert all(name == name.lower() for name in names)
        fields = dict(asked.fields)
        assert fields[b":method"] == b"POST"
        assert fields[b":scheme"] == b"http"
        assert fields[b":path"] == b"/hook"
        assert fields[b":authority"].startswith(b"localhost:")
        assert fields[b"content-length"] == b"2"
        assert fields[b"content-type"] == b"application/json"
        assert not fields.keys() & {b"host", b"connection", b"transfer-encoding", b"keep-alive", b"upgrade", b"te"}


def raw_fields(log: list[Asked]) -> list[Any]:
    """The fields with how they were written."""
    decoder = hpack.Decoder()
    return [decoder.decode(asked.block, raw=True) for asked in log]


def test_signatures_are_never_indexed_and_constants_once() -> None:
    log = asked_of(headers={"Authorization": "Bearer secret", "Cookie": "a=b", "X-Plain": "yes"})
    for fields in raw_fields(log):
        never = {bytes(name) for name, value in fields if isinstance(_of(fields, name), NeverIndexedHeaderTuple)}
        assert {b"webhook-signature", b"webhook-id", b"authorization", b"cookie"} <= never
        assert not never & {b":path", b":authority", b"user-agent", b"x-plain"}
    first, second, third = (asked.block for asked in log)
    assert b"x-plain" in first
    assert b"x-plain" not in second
    assert b"localhost" not in second
    assert len(second) < len(first) - 50
    assert abs(len(third) - len(second)) <= 1


def _of(fields: list[Any], name: bytes) -> Any:
    return next(field for field in fields if field[0] == name)


def test_headers_of_the_target() -> None:
    """Several values are several fields; what belongs to HTTP/1.1 is not sent; Host is the authority."""
    given = {
        "X-Many": ("a", "b"),
        "Host": "other.test",
        "Connection": "close",
        "Keep-Alive": "timeout=5",
        "Transfer-Encoding": "chunked",
        "Upgrade": "h2c",
        "Proxy-Connection": "close",
        "TE": "gzip",
        "User-Agent": "mine",
    }
    for asked in asked_of(headers=given):
        assert [value for name, value in asked.fields if name == b"x-many"] == [b"a", b"b"]
        fields = dict(asked.fields)
        assert fields[b":authority"] == b"other.test"
        assert fields[b"user-agent"] == b"mine"
        assert not fields.keys() & {
            b"host", b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"proxy-connection", b"te",
        }  # fmt: skip


@pytest.mark.parametrize("later", [None, 0, 40, 4096, 65_536])
@pytest.mark.parametrize("size", [None, 0, 1, 100, 250, 4095, 4096, 2**32 - 1])
def test_a_table_of_any_size(size: int | None, later: int | None) -> None:
    values = [] if size is None else [(TABLE_SIZE, size), (WINDOW_SIZE, 65_535)]
    change = None if later is None else (TABLE_SIZE, later)
    log = asked_of(*values, count=5, later=change)
    assert len({tuple(name for name, _ in asked.fields) for asked in log}) == 1


def test_a_table_that_is_resized_twice_at_once() -> None:
    """The least size it was to have is told, whatever came after it (RFC 7541, section 4.2)."""
    log: list[Asked] = []

    def script(peer: Http2Peer) -> None:
        peer.greet()
        log.append(peer.request())
        peer.values((TABLE_SIZE, 0))
        peer.values((TABLE_SIZE, 100))
        while peer.acks < 3:
            peer.frame()
        peer.send(answer(log[-1].stream))
        log.append(peer.request())
        peer.send(answer(log[-1].stream))
        peer.drain()

    with Http2Server(script) as server:
        assert send(server.url, [request(0), request(1)]).outcomes == {0: "200", 1: "200"}
    assert log[1].block[0] == 0x20


def test_a_head_larger_than_a_frame() -> None:
    log = asked_of(headers={"X-Large": "v" * 15_000, "X-More": "w" * 15_000})
    assert all(len(dict(asked.fields)[b"x-large"]) == 15_000 for asked in log)


# -- laws -------------------------------------------------------------------------------------------------------------

HEADER_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9\-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F, exclude_characters="\x7f"), max_size=300).map(
    str.strip
)
LINES = st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=6)
OF_HTTP1 = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host", "te"}


def decoded(fields: bytes) -> list[tuple[str, str]]:
    pairs = hpack.Decoder(max_header_list_size=2**20).decode(fields, raw=True)
    return [(bytes(name).decode(), bytes(value).decode("utf-8", "surrogateescape")) for name, value in pairs]


@settings(max_examples=300)
@given(st.lists(LINES, min_size=1, max_size=4), st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
def test_fields_of_events_say_what_their_lines_say(kinds: list[Any], order: list[int], more: Any) -> None:
    """In any sequence, with any of the values new each time."""
    fields = EventFields()
    for turn in order:
        lines = list(kinds[turn % len(kinds)])
        if lines and more.draw(st.booleans()):
            lines[-1] = (lines[-1][0], more.draw(VALUES))
        request = SignedRequest("".join(f"{name}: {value}\r\n" for name, value in lines).encode(), b"")
        expected = [(name.lower(), value) for name, value in request.header_pairs() if name.lower() not in OF_HTTP1]
        assert decoded(fields.of(request.headers)) == expected


@pytest.mark.parametrize("value", [b" abc", b"abc\t", b"  ", b""])
def test_blanks_around_a_value_are_never_sent(value: bytes) -> None:
    """They are not allowed in HTTP/2 (RFC 9113, section 8.2.1), whatever came before."""
    fields = EventFields()
    for before in range(3):
        fields.of(b"a: 1\r\nb: %d\r\n" % before)
    assert decoded(fields.of(b"a: 1\r\nb: " + value + b"\r\n")) == [("a", "1"), ("b", value.strip().decode())]


@settings(max_examples=300)
@given(st.integers(0, 2**31), st.integers(1, 7))
def test_numbers_are_read_as_written(value: int, bits: int) -> None:
    from hpack.hpack import decode_integer, encode_integer

    written = number((0, bits), value)
    assert decode_integer(written, bits) == (value, len(written))
    assert written == bytes(encode_integer(value, bits))


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_texts_are_read_as_written(value: bytes) -> None:
    assert hpack.Decoder(max_header_list_size=2**20).decode(b"\x00" + text(b"x") + text(value), raw=True) == [
        (b"x", value)
    ]


@settings(max_examples=200)
@given(LINES, st.sampled_from(["http", "https"]), st.text("abc/?=&%", max_size=30))
def test_the_head_says_the_same_in_all_three_ways(lines: list[tuple[str, str]], scheme: str, path: str) -> None:
    lines = [(name, value) for name, value in lines if name.lower() != "host"]
    given = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "h.test:1"), *lines])
    head = RequestHead(f"POST /{path} HTTP/1.1\r\n{given}".encode(), scheme)
    decoder = hpack.Decoder(max_header_list_size=2**20)
    said = [decoder.decode(way, raw=True) for way in (head.first, head.later, head.later, head.plain)]
    assert said[0] == said[1] == said[2] == said[3]
    expected = [(name.lower(), value) for name, value in lines if name.lower() not in OF_HTTP1]
    got = [(bytes(name).decode(), bytes(value).decode()) for name, value in said[0]]
    assert dict(got[:4]) == {":method": "POST", ":scheme": scheme, ":path": f"/{path}", ":authority": "h.test:1"}
    assert sorted(got[4:]) == sorted(expected)


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_no_block_is_more_than_a_fault(data: bytes) -> None:
    """Whatever a server sends as headers, it is understood or a ConnectionFault, and the same when it comes again."""
    blocks = AnswerBlocks()
    for _ in range(2):
        try:
            said = blocks.said(data)
        except ConnectionFault:
            assert data not in blocks.seen
        else:
            assert said == blocks.said(data)
            assert said.fault or said.status in range(1000)
            blocks.shown(data)


@settings(max_examples=200)
@given(st.lists(st.tuples(HEADER_NAMES.map(str.lower), VALUES), max_size=20), st.integers(100, 599), st.booleans())
def test_a_valid_block_is_understood(fields: list[tuple[str, str]], status: int, huffman: bool) -> None:
    fields = [field for field in fields if field[0] not in OF_HTTP1 | {"content-length"}]
    data = block((":status", str(status)), *fields, huffman=huffman)
    blocks = AnswerBlocks()
    assert blocks.said(data)[:2] == (status, -1)
    assert blocks.said(data).fault == ""
    assert blocks.shown(data) == tuple(fields)
