"""How connections over HTTP/2 end, and what becomes of the events on them: none is lost, none is sent twice."""

from __future__ import annotations

import pytest

from loadsim.measure.outcome_columns import Column
from tests.engine.http2_servers import (
    MAX_STREAMS,
    MOST,
    PING,
    WINDOW_SIZE,
    Http2Peer,
    Http2Server,
    answer,
    data,
    goaway,
    headers,
    over_http2,
    raw,
    rst,
    settings,
    then_well,
    window,
)
from tests.engine.running import TYPE, run, scenario
from tests.engine.servers import CERTS, Peer, Server
from tests.engine.test_http2_hostile import LARGE, OK, fire

BOTH = pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])


def opens_no_more(peer: Http2Peer) -> None:
    """Read until the client goes; a request would be a fault."""
    before = len(peer.windows)
    try:
        peer.drain()
    finally:
        assert len(peer.windows) == before


# -- GOAWAY -----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("last", [0, 1, 9, 19, MOST])
@pytest.mark.parametrize("code", ["NO_ERROR", "ENHANCE_YOUR_CALM"])
def test_goaway_ends_the_events_behind_its_last_stream(last: int, code: str, tls: bool) -> None:
    """They are counted and not sent again; those before are answered, and later ones have another connection."""

    def bad(peer: Http2Peer) -> None:
        asked = peer.greet().requests(10)
        peer.send(goaway(last, code, b"because"))
        peer.send(*(answer(one.stream) for one in asked if one.stream <= last))
        peer.drain()

    with Http2Server(then_well(bad), tls=tls) as server:
        result = fire(server, tls=tls, events=30, connections=10)
        gone = sum(stream > last for stream in range(1, 20, 2))
        assert sorted(result.outcomes) == sorted(["goaway"] * gone + ["200"] * (30 - gone))
        server.sent_once(30)
        assert server.accepted == 2
        if gone:
            assert code in result.samples[0].error


@BOTH
def test_goaway_twice_as_a_server_that_shuts_down_says_it(tls: bool) -> None:
    """First that it will go, then with which stream."""

    def bad(peer: Http2Peer) -> None:
        asked = peer.greet().requests(4)
        peer.send(goaway(MOST), raw(PING, 0, 0, b"farewell"))
        while not peer.pongs:
            peer.frame()
        peer.send(answer(asked[0].stream), goaway(asked[2].stream), answer(asked[2].stream), answer(asked[1].stream))
        peer.drain()

    with Http2Server(then_well(bad), tls=tls) as server:
        result = fire(server, tls=tls, events=12, connections=4)
        assert sorted(result.outcomes) == ["200"] * 11 + ["goaway"]
        server.sent_once(12)


@BOTH
def test_goaway_and_gone(tls: bool) -> None:
    """Answers, GOAWAY and the end in one piece: what was answered is answered, whatever is read behind it."""

    def bad(peer: Http2Peer) -> None:
        asked = peer.greet().requests(4)
        peer.send(answer(asked[0].stream) + answer(asked[1].stream) + goaway(asked[2].stream))
        peer.peer.sock.shutdown(1)
        peer.drain()

    with Http2Server(then_well(bad), tls=tls) as server:
        result = fire(server, tls=tls, events=8, connections=4)
        assert sorted(result.outcomes) == ["200"] * 6 + ["closed_idle", "goaway"]
        server.sent_once(8)


@BOTH
def test_answers_before_a_fault_are_answers(tls: bool) -> None:
    """All in one piece, and a broken frame behind them."""

    def bad(peer: Http2Peer) -> None:
        asked = peer.greet().requests(4)
        peer.send(answer(asked[3].stream) + answer(asked[1].stream) + rst(asked[0].stream, "CANCEL") + raw(PING, 0, 0))
        peer.drain()

    with Http2Server(then_well(bad), tls=tls) as server:
        result = fire(server, tls=tls, events=8, connections=4)
        assert sorted(result.outcomes) == ["200"] * 6 + ["protocol", "reset"]
        server.sent_once(8)


@BOTH
def test_a_storm_of_goaways(tls: bool) -> None:
    """Every connection, with every request, until there is none left; and again and again on one."""

    def storm(peer: Http2Peer) -> None:
        peer.greet()
        stream = peer.request().stream
        peer.send(answer(stream), *(goaway(stream) for _ in range(100)))
        peer.drain()

    with Http2Server(storm, tls=tls) as server:
        result = fire(server, tls=tls, events=40, connections=4)
        counts = {outcome: result.outcomes.count(outcome) for outcome in set(result.outcomes)}
        assert counts["200"] + counts.get("goaway", 0) == 40
        # a request that was not processed may lie unread where its connection ends
        assert counts["200"] <= len(server.log) == len(set(server.log)) <= 40


@BOTH
@pytest.mark.parametrize("gone", [False, True], ids=["goaway", "goaway and gone"])
@pytest.mark.parametrize("streams", [1, 100])
def test_goaway_while_requests_wait(streams: int, gone: bool, tls: bool) -> None:
    """Those that had no stream yet are not lost with the connection, and are sent once: also where a place for each
    has to be found on one more connection."""

    def bad(peer: Http2Peer) -> None:
        peer.greet((WINDOW_SIZE, MOST), (MAX_STREAMS, 4))
        asked = peer.requests(4)
        peer.send(settings((MAX_STREAMS, 0)), *(answer(one.stream) for one in asked))
        while peer.acks < 2:
            peer.frame()
        peer.send(goaway(asked[-1].stream))
        if gone:
            peer.peer.sock.shutdown(1)
        opens_no_more(peer)

    def script(peer: Http2Peer) -> None:
        if not peer.number:
            bad(peer)
        peer.greet((WINDOW_SIZE, MOST), (MAX_STREAMS, streams)).serve()

    with Http2Server(script, tls=tls) as server:
        result = fire(server, tls=tls, events=12, connections=4)
        assert result.outcomes == ["200"] * 12
        assert server.accepted == (2 if streams == 100 else 5)
        server.sent_once(12)


@BOTH
def test_requests_that_wait_keep_to_what_a_connection_carries(tls: bool) -> None:
    """Four wait when streams may be opened again, and the connection may carry two more."""
    carried: dict[int, int] = {}

    def script(peer: Http2Peer) -> None:
        peer.greet((WINDOW_SIZE, MOST), (MAX_STREAMS, 4))
        try:
            if not peer.number:
                asked = peer.requests(4)
                peer.send(settings((MAX_STREAMS, 0)), *(answer(one.stream) for one in asked))
                while peer.acks < 2:
                    peer.frame()
                peer.send(settings((MAX_STREAMS, 4)))
            peer.serve()
        finally:
            carried[peer.number] = len(peer.windows)

    with Http2Server(script, tls=tls) as server:
        result = fire(server, tls=tls, events=12, connections=4, reuse=6)
        assert result.outcomes == ["200"] * 12
        server.sent_once(12)
    assert carried[0] == max(carried.values()) == 6


# -- refused, one by one ----------------------------------------------------------------------------------------------


@BOTH
def test_refused_streams_are_counted_and_not_sent_again(tls: bool) -> None:
    def refusing(peer: Http2Peer) -> None:
        peer.greet()
        while True:
            stream = peer.request().stream
            peer.send(answer(stream) if stream % 4 == 1 else rst(stream, "REFUSED_STREAM"))

    with Http2Server(refusing, tls=tls) as server:
        result = fire(server, tls=tls, events=40, connections=5)
        assert sorted(result.outcomes) == ["200"] * 20 + ["reset"] * 20
        server.sent_once(40)
        assert server.accepted == 1
        assert "not processed" in result.samples[0].error


# -- how a connection closes ------------------------------------------------------------------------------------------


def closes(peer: Http2Peer) -> None:
    peer.greet().request()


def resets(peer: Http2Peer) -> None:
    peer.greet().request()
    peer.peer.reset()


def closes_in_headers(peer: Http2Peer) -> None:
    stream = peer.greet().request().stream
    peer.send(headers(stream, OK, ("content-length", "5"))[:-3])


def closes_in_body(peer: Http2Peer) -> None:
    stream = peer.greet().request().stream
    peer.send(headers(stream, OK, ("content-length", "5")) + data(stream, b"ab", end=False))


def resets_in_body(peer: Http2Peer) -> None:
    closes_in_body(peer)
    peer.peer.reset()


def closes_unsettled(peer: Http2Peer) -> None:
    peer.peer.sock.recv(65536)


def closes_between(peer: Http2Peer) -> None:
    """With the next request."""
    peer.greet()
    peer.send(answer(peer.request().stream))
    peer.request()


def resets_between(peer: Http2Peer) -> None:
    closes_between(peer)
    peer.peer.reset()


@BOTH
@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (closes, {"closed_early", "reset"}),
        (resets, {"reset"}),
        (closes_in_headers, {"closed_early", "reset"}),
        (closes_in_body, {"truncated", "reset"}),
        (resets_in_body, {"truncated", "reset"}),
        (closes_unsettled, {"closed_early", "reset"}),
        (closes_between, {"closed_idle"}),
        (resets_between, {"closed_idle"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_server_that_closes(bad: object, expected: set[str], tls: bool) -> None:
    """One event is gone with the connection; FIN or RST, whichever wins where something was unread."""
    with Http2Server(then_well(bad), tls=tls) as server:  # type: ignore[arg-type]
        result = fire(server, tls=tls)
        wrong = [outcome for outcome in result.outcomes if outcome != "200"]
        assert len(wrong) == 1
        assert set(wrong) <= expected
        assert server.accepted == 2
        assert len(server.log) == len(set(server.log))


def test_tls_that_drops_within_a_record() -> None:
    def bad(peer: Http2Peer) -> None:
        peer.greet().request()
        peer.peer.forge(b"\x17\x03\x03\x40\x00" + bytes(50))
        peer.peer.sock.close()

    with Http2Server(then_well(bad), tls=True) as server:
        result = fire(server, tls=True)
        assert result.outcomes[0] in ("closed_early", "reset")
        assert result.outcomes[1:] == ["200", "200"]


def test_tls_with_a_forged_record() -> None:
    def bad(peer: Http2Peer) -> None:
        asked = peer.greet().requests(3)
        peer.send(answer(asked[0].stream))
        peer.peer.forge(b"\x17\x03\x03\x00\x30" + bytes(48))
        peer.drain()

    with Http2Server(then_well(bad), tls=True) as server:
        result = fire(server, tls=True, events=6, connections=3)
        assert (
            sorted(result.outcomes) == ["200"] * 4 + ["tls"] * 2 or sorted(result.outcomes) == ["200"] * 3 + ["tls"] * 3
        )
        assert len(server.log) == len(set(server.log))


@BOTH
def test_tls_goodbye_behind_answers(tls: bool) -> None:
    def bad(peer: Http2Peer) -> None:
        asked = peer.greet().requests(3)
        peer.send(answer(asked[0].stream) + answer(asked[1].stream))
        if tls:
            peer.peer.goodbye()
        else:
            peer.peer.sock.shutdown(1)
            peer.drain()

    with Http2Server(then_well(bad), tls=tls) as server:
        result = fire(server, tls=tls, events=6, connections=3)
        good = result.outcomes.count("200")
        assert good >= 3
        assert set(result.outcomes) <= {"200", "closed_idle"}
        assert len(server.log) == len(set(server.log))


def test_tls_without_alpn() -> None:
    with Server(Peer.hang, tls="localhost") as server:
        target = {"url": server.url, "http": "2", "timeout": "60s", "cacert": str(CERTS / "localhost.pem")}
        result = run(scenario([{"connections": 1, "events": 2}], target), over_http2())
        result.assert_balanced()
        assert result.outcomes == ["protocol", "protocol"]
        assert "ALPN" in result.samples[0].error


def test_a_server_of_http1_without_tls() -> None:
    def http1(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        peer.until_closed()

    with Server(http1) as server:
        result = run(scenario([{"connections": 1, "events": 2}], {"url": server.url, "http": "2"}), over_http2())
        result.assert_balanced()
        assert result.outcomes == ["protocol", "protocol"]
        assert "HTTP/1" in result.samples[0].error


# -- silence ----------------------------------------------------------------------------------------------------------


@BOTH
def test_no_settings_is_no_connection(tls: bool) -> None:
    """And the next event tries another one."""

    def silent(peer: Http2Peer) -> None:
        peer.peer.sock.recv(65536)
        peer.peer.outlast()

    with Http2Server(silent, tls=tls) as server:
        result = fire(server, tls=tls)
        assert result.outcomes == ["connect_timeout"] * 3
        assert server.accepted == 3
        assert result.column(Column.sent) == [0, 0, 0]


@BOTH
def test_no_settings_for_several(tls: bool) -> None:
    def silent(peer: Http2Peer) -> None:
        if peer.number:
            peer.greet().serve()
        peer.peer.sock.recv(65536)
        peer.peer.outlast()

    with Http2Server(silent, tls=tls) as server:
        result = fire(server, tls=tls, events=12, connections=4)
        assert sorted(result.outcomes) == ["200"] * 8 + ["connect_timeout"] * 4
        assert server.accepted == 2


@BOTH
def test_silence_is_a_timeout_and_leaves_the_connection(tls: bool) -> None:
    """Nothing at all was heard: the next events go elsewhere."""

    def silent(peer: Http2Peer) -> None:
        peer.greet().requests(3)
        peer.peer.advance()
        peer.drain()

    with Http2Server(then_well(silent), tls=tls) as server:
        result = fire(server, tls=tls, events=9, connections=3)
        assert sorted(result.outcomes) == ["200"] * 6 + ["timeout"] * 3
        assert server.accepted == 2
        server.sent_once(9)


@BOTH
def test_streams_that_are_not_answered_are_cancelled(tls: bool) -> None:
    """The connection, on which something was heard, goes on."""
    cancelled: list[tuple[int, int]] = []

    def silent(peer: Http2Peer) -> None:
        asked = peer.greet().requests(2)
        peer.send(raw(PING, 0, 0, bytes(8)))
        while not peer.pongs:
            peer.frame()
        peer.peer.advance()
        while len(peer.resets) < 2:
            peer.frame()
        cancelled.extend(peer.resets)
        peer.send(*(answer(one.stream) for one in asked))  # too late, and ignored
        peer.serve()

    with Http2Server(silent, tls=tls) as server:
        result = fire(server, tls=tls, events=8, connections=2)
        assert sorted(result.outcomes) == ["200"] * 6 + ["timeout"] * 2
        assert server.accepted == 1
        server.sent_once(8)
    assert sorted(cancelled) == [(1, 8), (3, 8)]


@BOTH
def test_windows_of_zero_for_ever(tls: bool) -> None:
    """The headers are sent, the body never: a timeout, and the time without a window is counted."""

    def never(peer: Http2Peer) -> None:
        peer.greet((WINDOW_SIZE, 0))
        for _ in range(3):
            peer.opened()
            peer.send(raw(PING, 0, 0, bytes(8)))
            seen = len(peer.pongs)
            while len(peer.pongs) == seen:
                peer.frame()
            peer.peer.advance()
        peer.drain()

    with Http2Server(never, tls=tls) as server:
        result = fire(server, tls=tls)
        assert result.outcomes == ["timeout"] * 3
        rows = result.engine.connection_rows()
        assert sum(row.window_stall_ms for row in rows) > 0
        server.sent_once(3)


@BOTH
def test_a_server_that_reads_nothing(tls: bool) -> None:
    """What it is sent stays with us: the body is no longer in flight when its event is over."""

    def deaf(peer: Http2Peer) -> None:
        peer.greet()
        peer.opened()
        peer.peer.outlast()

    with Http2Server(deaf, tls=tls, receive_buffer=4096) as server:
        event = {"type": "desktop.screenshot_tracking.captured", "image": "base64:6MB"}
        result = fire(server, tls=tls, events=2, event=event)
        assert result.outcomes == ["timeout"] * 2
        assert server.accepted == 2


def test_pings_that_are_not_read_are_not_answered_for_ever() -> None:
    """Each answer lets it ask again without reading: what we owe it is bounded all the same."""

    def deaf(peer: Http2Peer) -> None:
        peer.greet()
        while True:
            stream = peer.request().stream
            peer.send(answer(stream))
            if stream >= 3:
                break
        for number in range(5, 2**20, 2):
            peer.send(raw(PING, 0, 0, bytes(8)) * 9000, answer(number))

    with Http2Server(then_well(deaf), receive_buffer=4096) as server:
        result = fire(server, tls=False, events=100, event=LARGE)
        wrong = [outcome for outcome in result.outcomes if outcome != "200"]
        assert wrong in (["protocol"], [])  # it may be the last straw right behind an answer
        assert all("does not read" in sample.error for sample in result.samples)
        assert server.accepted == 2


# -- what can be read of an answer ------------------------------------------------------------------------------------


@BOTH
def test_samples_show_the_answer(tls: bool) -> None:
    def failing(peer: Http2Peer) -> None:
        peer.greet()
        for status, body in ((500, b"no \xff" + b"x" * 3000), (404, b""), (503, b"later")):
            peer.send(answer(peer.request().stream, status, body, ("retry-after", "7"), ("x-two", "a"), ("x-two", "b")))
        peer.drain()

    with Http2Server(failing, tls=tls) as server:
        result = fire(server, tls=tls)
        assert result.outcomes == ["500", "404", "503"]
    first = result.samples[0]
    assert ("retry-after", "7") in [tuple(pair) for pair in first.headers]
    assert [value for name, value in first.headers if name == "x-two"] == ["a", "b"]
    assert not any(name.startswith(":") for name, _ in first.headers)
    assert first.body.startswith("no \ufffdxxx")
    assert len(first.body) == 2048
    assert [sample.body for sample in result.samples[1:]] == ["", "later"]


@BOTH
def test_retry_after_is_followed(tls: bool) -> None:
    def busy(peer: Http2Peer) -> None:
        peer.greet()
        peer.send(answer(peer.request().stream, 429, b"", ("retry-after", "1")))
        peer.serve()

    with Http2Server(busy, tls=tls) as server:
        target = {"url": server.url, "http": "2", "timeout": "60s"}
        if tls:
            target["cacert"] = str(CERTS / "localhost.pem")
        retry = {"schedule": ["10ms"]}
        of = scenario([{"rate": "100/s", "duration": "20ms"}], target, [{"type": TYPE}], retry=retry)
        result = run(of, over_http2())
        result.assert_balanced()
        assert result.outcomes == ["200", "200"]
    assert sorted(server.log) in (["run/0/1", "run/0/2", "run/1/1"], ["run/0/1", "run/1/1", "run/1/2"])
    assert result.took_s >= 1  # as the answer asked for; the schedule says much less


def test_every_kind_of_answer_counts() -> None:
    """204, 304 with a length, no length, an answer in pieces, trailers, interim answers, padding, priorities."""

    def script(peer: Http2Peer) -> None:
        from tests.engine.http2_servers import (
            CONTINUATION,
            DATA,
            HEADERS,
            PADDED,
            PRIORITIZED,
            PRIORITY,
            block,
        )

        peer.greet()

        def ask() -> int:
            return peer.request().stream

        peer.send(headers(ask(), (":status", "204"), end=True))
        peer.send(headers(ask(), (":status", "204"), ("content-length", "5"), end=True))
        peer.send(headers(ask(), (":status", "304"), ("content-length", "5"), end=True))
        peer.send(headers(n := ask(), OK), data(n))
        peer.send(headers(n := ask(), OK), data(n, b"a", end=False), data(n, b"", end=False), data(n, b"b"))
        peer.send(headers(n := ask(), OK), data(n, b"a", end=False), headers(n, ("x-sum", "1"), end=True))
        peer.send(headers(n := ask(), (":status", "100")), headers(n, (":status", "103"), ("link", "<a>")), answer(n))
        n = ask()
        of = block(OK, ("content-length", "2"))
        peer.send(raw(HEADERS, 4 | PADDED | PRIORITIZED, n, b"\x04" + bytes(5) + of + bytes(4)))
        peer.send(
            raw(PRIORITY, 0, n, bytes(5)),
            raw(PRIORITY, 0, 77, bytes(5)),
            raw(DATA, PADDED | 1, n, b"\x03ok" + bytes(3)),
        )
        n = ask()
        whole = block(OK, ("x-long", "y" * 20_000), ("content-length", "0"))
        peer.send(raw(HEADERS, 1, n, whole[:7]), raw(CONTINUATION, 0, n, whole[7:16_000]), raw(CONTINUATION, 0, n))
        peer.send(raw(CONTINUATION, 4, n, whole[16_000:]))
        n = ask()
        peer.send(
            raw(HEADERS, 4, n, b"\x20" + block(OK, ("x-packed", "some words"), huffman=True)), data(n, b"x" * 16_384)
        )
        n = ask()  # unknown frames, flags and the reserved bit mean nothing
        peer.send(
            raw(0xAA, 0xFF, n, b"?"), raw(HEADERS, 4 | 0xD2, n | 1 << 31, block(OK)), raw(DATA, 0xF7, n, b"\x01.\x00")
        )
        peer.send(headers(ask(), (":status", "500"), ("content-length", "0"), end=True))
        n = ask()
        for byte in answer(n):
            peer.send(bytes((byte,)))
        peer.drain()

    with Http2Server(script) as server:
        result = fire(server, tls=False, events=13)
        assert result.outcomes == ["204", "204", "304", *["200"] * 8, "500", "200"]
        assert server.accepted == 1
        server.sent_once(13)


def test_answers_that_are_woven_into_each_other() -> None:
    """The body behind known headers may be of another answer's."""

    def script(peer: Http2Peer) -> None:
        peer.greet()
        for _ in range(4):
            (_, a), (_, b), (_, c) = ((one, one.stream) for one in peer.requests(3))
            of = OK, ("content-length", "2")
            peer.send(headers(a, *of), headers(b, *of), data(a, b"aa"), data(b, b"bb"), headers(c, *of), data(c, b"cc"))
        peer.drain()

    with Http2Server(script) as server:
        assert fire(server, tls=False, events=12, connections=3).outcomes == ["200"] * 12
        assert server.accepted == 1


@BOTH
@pytest.mark.parametrize("after", [True, False], ids=["then reset", "and no more"])
def test_an_answer_before_the_end_of_the_request(after: bool, tls: bool) -> None:
    """It is an answer; the rest of the body is not wanted, and the connection goes on."""

    def early(peer: Http2Peer) -> None:
        peer.greet((WINDOW_SIZE, 20_000))
        for _ in range(3):
            stream = peer.opened().stream
            peer.send(answer(stream, 413))
            if after:
                peer.send(rst(stream, "NO_ERROR"))
        peer.send(window(0, 2**20))
        peer.drain()

    with Http2Server(early, tls=tls) as server:
        result = fire(server, tls=tls, event=LARGE)
        assert result.outcomes == ["413"] * 3
        assert server.accepted == 1


def test_ping_is_answered() -> None:
    pongs: list[bytes] = []

    def pinging(peer: Http2Peer) -> None:
        stream = peer.greet().request().stream
        peer.send(raw(PING, 0, 0, b"12345678"), raw(PING, 1, 0, b"not mine"))
        while not peer.pongs:
            peer.frame()
        peer.send(answer(stream))
        try:
            peer.drain()
        finally:
            pongs.extend(peer.pongs)

    with Http2Server(pinging) as server:
        assert fire(server, tls=False, events=1).outcomes == ["200"]
    assert pongs == [b"12345678"]
