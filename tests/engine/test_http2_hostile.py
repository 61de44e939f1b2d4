"""Tables: what a server does over HTTP/2, what each event is called for it, and what the server is told.

The cases of h2spec for clients (its `client` directory), and those for servers that a server can do to a client as
well, are all here. Without a counterpart are those about what only clients send: the preface (3.5), priorities that a
stream has of itself (5.3.1), too many streams (5.1.2), numbers of streams that fall (5.1.1: a server opens none, so any
of its numbers is wrong), the pseudo-headers of requests (8.1.2.3) and CONNECT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.engine.http2_servers import (
    CODES,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    FRAME_SIZE,
    GOAWAY,
    HEADERS,
    MOST,
    PADDED,
    PING,
    PRIORITIZED,
    PRIORITY,
    PUSH,
    RST,
    SETTINGS,
    WINDOW,
    WINDOW_SIZE,
    Http2Peer,
    Http2Server,
    answer,
    block,
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
from tests.engine.running import TYPE, Ran, run, scenario
from tests.engine.servers import CERTS

OK = (":status", "200")
MIB = 1024 * 1024
LARGE = {"type": "desktop.screenshot_tracking.captured", "image": "base64:200KB"}
Frames = Callable[[int], bytes]
"""What is sent, given the number of the stream that was asked on."""


def fire(server: Http2Server, *, tls: bool, events: int = 3, connections: int = 1, **more: Any) -> Ran:
    """Events over one place of streams unless told otherwise; the accounts balance, and nothing is our own fault."""
    target = {"url": server.url, "http": "2", "timeout": "60s", **more.pop("target", {})}
    if tls:
        target["cacert"] = str(CERTS / "localhost.pem")
    event = more.pop("event", {"type": TYPE})
    of = scenario([{"connections": connections, "events": events}], target, [event])
    with server.time():
        result = run(of, over_http2(**more), clock=server.clock)
    result.assert_balanced()
    assert result.planned == events
    return result


def over_both(rows: Sequence[Any]) -> list[Any]:
    """Each row without and with TLS. What TLS changes is the same for all: most of those are slow tests."""
    clear = [pytest.param(row, False, id=row.name) for row in rows]
    often = [pytest.param(row, True, id=f"{row.name}, TLS") for row in rows[::9]]
    rest = [row for number, row in enumerate(rows) if number % 9]
    return [*clear, *often, *(pytest.param(row, True, id=f"{row.name}, TLS", marks=pytest.mark.slow) for row in rest)]


# -- one fault of the connection's ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """`told`: the code of our GOAWAY."""

    name: str
    frames: Frames
    told: str
    words: str = ""
    before: Callable[[Http2Peer], Any] = Http2Peer.greet
    kind: str = "protocol"


def unsettled(_: Http2Peer) -> None:
    """Begin with something other than settings."""


def begun(stream: int) -> bytes:
    """The headers of an answer whose body is to come."""
    return headers(stream, OK)


def whole(stream: int) -> bytes:
    return answer(stream)


BLOCK = block(OK)
CUT = block(OK, ("x-more", "y" * 40))

FAULTS = [
    # 3.4, 3.5
    Fault("HTTP/1.1", lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "PROTOCOL_ERROR", "HTTP/1", unsettled),
    Fault("no settings first", lambda _: raw(PING, 0, 0, bytes(8)), "PROTOCOL_ERROR", "settings", unsettled),
    Fault("an acknowledgement first", lambda _: raw(SETTINGS, 1, 0), "PROTOCOL_ERROR", "settings", unsettled),
    Fault("GOAWAY first", lambda _: goaway(0), "PROTOCOL_ERROR", "settings", unsettled),
    # 4.2
    Fault("DATA too large", lambda n: begun(n) + data(n, bytes(16_385)), "FRAME_SIZE_ERROR"),
    Fault("HEADERS too large", lambda n: raw(HEADERS, 4, n, block(OK, ("x", "y" * 16_400))), "FRAME_SIZE_ERROR"),
    Fault("SETTINGS too large", lambda _: settings(*[(99, 1)] * 2800), "FRAME_SIZE_ERROR"),
    Fault("an unknown frame too large", lambda _: raw(99, 0, 0, bytes(16_385)), "FRAME_SIZE_ERROR"),
    Fault("16 MB announced", lambda n: raw(DATA, 0, n, b"", length=2**24 - 1), "FRAME_SIZE_ERROR"),
    # 4.3, 6.10
    Fault("headers that are none", lambda n: raw(HEADERS, 5, n, b"\xff" * 20), "COMPRESSION_ERROR"),
    Fault(
        "PRIORITY in a block", lambda n: raw(HEADERS, 0, n, CUT[:9]) + raw(PRIORITY, 0, n, bytes(5)), "PROTOCOL_ERROR"
    ),
    Fault("DATA in a block", lambda n: raw(HEADERS, 0, n, CUT[:9]) + data(n), "PROTOCOL_ERROR"),
    Fault("SETTINGS in a block", lambda n: raw(HEADERS, 0, n, CUT[:9]) + settings(), "PROTOCOL_ERROR"),
    Fault("an unknown frame in a block", lambda n: raw(HEADERS, 0, n, CUT[:9]) + raw(99, 0, 0), "PROTOCOL_ERROR"),
    Fault("HEADERS in a block", lambda n: raw(HEADERS, 0, n, CUT[:9]) + headers(n, OK), "PROTOCOL_ERROR"),
    Fault(
        "another's CONTINUATION",
        lambda n: raw(HEADERS, 0, n, CUT[:9]) + raw(CONTINUATION, 4, n + 2, CUT[9:]),
        "PROTOCOL_ERROR",
    ),
    Fault("CONTINUATION alone", lambda n: raw(CONTINUATION, 4, n, BLOCK), "PROTOCOL_ERROR"),
    Fault(
        "CONTINUATION without a stream",
        lambda n: raw(HEADERS, 0, n, CUT[:9]) + raw(CONTINUATION, 4, 0),
        "PROTOCOL_ERROR",
    ),
    Fault("CONTINUATION behind END_HEADERS", lambda n: begun(n) + raw(CONTINUATION, 4, n, BLOCK), "PROTOCOL_ERROR"),
    Fault(
        "CONTINUATION behind DATA",
        lambda n: begun(n) + data(n, b"a", end=False) + raw(CONTINUATION, 4, n),
        "PROTOCOL_ERROR",
    ),
    # 5.1
    Fault("DATA on an idle stream", lambda n: data(n + 2, b"test"), "PROTOCOL_ERROR"),
    Fault("HEADERS on an idle stream", lambda n: headers(n + 2, OK), "PROTOCOL_ERROR"),
    Fault("RST_STREAM on an idle stream", lambda n: rst(n + 2, "CANCEL"), "PROTOCOL_ERROR"),
    Fault("WINDOW_UPDATE on an idle stream", lambda n: window(n + 2, 100), "PROTOCOL_ERROR"),
    Fault("CONTINUATION on an idle stream", lambda n: raw(CONTINUATION, 4, n + 2, BLOCK), "PROTOCOL_ERROR"),
    Fault("DATA on a server's stream", lambda _: data(2, b"test"), "PROTOCOL_ERROR"),
    Fault("HEADERS on a server's stream", lambda _: headers(2, OK), "PROTOCOL_ERROR"),
    Fault("RST_STREAM on a server's stream", lambda _: rst(2, "CANCEL"), "PROTOCOL_ERROR"),
    Fault("WINDOW_UPDATE on a server's stream", lambda _: window(2, 100), "PROTOCOL_ERROR"),
    # 6.1, 6.2
    Fault("DATA without a stream", lambda _: data(0, b"test"), "PROTOCOL_ERROR"),
    Fault("DATA with too much padding", lambda n: begun(n) + raw(DATA, PADDED | 1, n, b"\x05test"), "PROTOCOL_ERROR"),
    Fault("DATA padded and empty", lambda n: begun(n) + raw(DATA, PADDED | 1, n), "PROTOCOL_ERROR"),
    Fault("HEADERS without a stream", lambda _: headers(0, OK), "PROTOCOL_ERROR"),
    Fault("HEADERS with too much padding", lambda n: raw(HEADERS, 4 | PADDED, n, b"\x11" + BLOCK), "PROTOCOL_ERROR"),
    Fault("HEADERS too short for a priority", lambda n: raw(HEADERS, 4 | PRIORITIZED, n, bytes(4)), "FRAME_SIZE_ERROR"),
    Fault(
        "HEADERS too short for both", lambda n: raw(HEADERS, 4 | PRIORITIZED | PADDED, n, bytes(5)), "FRAME_SIZE_ERROR"
    ),
    # 6.3
    Fault("PRIORITY without a stream", lambda _: raw(PRIORITY, 0, 0, bytes(5)), "PROTOCOL_ERROR"),
    # 6.4
    Fault("RST_STREAM without a stream", lambda _: rst(0, "CANCEL"), "PROTOCOL_ERROR"),
    Fault("RST_STREAM of 3 bytes", lambda n: raw(RST, 0, n, bytes(3)), "FRAME_SIZE_ERROR"),
    Fault("RST_STREAM of 5 bytes", lambda n: raw(RST, 0, n, bytes(5)), "FRAME_SIZE_ERROR"),
    # 6.5
    Fault("SETTINGS that acknowledge and say", lambda _: raw(SETTINGS, 1, 0, bytes(6)), "FRAME_SIZE_ERROR"),
    Fault("SETTINGS on a stream", lambda n: raw(SETTINGS, 0, n), "PROTOCOL_ERROR"),
    Fault("SETTINGS of 5 bytes", lambda _: raw(SETTINGS, 0, 0, bytes(5)), "FRAME_SIZE_ERROR"),
    Fault("ENABLE_PUSH of 1", lambda _: settings((ENABLE_PUSH, 1)), "PROTOCOL_ERROR"),
    Fault("ENABLE_PUSH of 2", lambda _: settings((ENABLE_PUSH, 2)), "PROTOCOL_ERROR"),
    Fault("a window over 2^31-1", lambda _: settings((WINDOW_SIZE, 2**31)), "FLOW_CONTROL_ERROR"),
    Fault("frames below 16,384", lambda _: settings((FRAME_SIZE, 16_383)), "PROTOCOL_ERROR"),
    Fault("frames over 2^24-1", lambda _: settings((FRAME_SIZE, 2**24)), "PROTOCOL_ERROR"),
    # 6.6
    Fault("PUSH_PROMISE", lambda n: raw(PUSH, 4, n, bytes((0, 0, 0, 2)) + BLOCK), "PROTOCOL_ERROR"),
    Fault("PUSH_PROMISE without a stream", lambda _: raw(PUSH, 4, 0, bytes((0, 0, 0, 2)) + BLOCK), "PROTOCOL_ERROR"),
    # 6.7, 6.8
    Fault("PING on a stream", lambda n: raw(PING, 0, n, bytes(8)), "PROTOCOL_ERROR"),
    Fault("PING of 6 bytes", lambda _: raw(PING, 0, 0, bytes(6)), "FRAME_SIZE_ERROR"),
    Fault("GOAWAY on a stream", lambda n: raw(GOAWAY, 0, n, bytes(8)), "PROTOCOL_ERROR"),
    Fault("GOAWAY of 7 bytes", lambda _: raw(GOAWAY, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    # 6.9
    Fault("WINDOW_UPDATE of 0", lambda _: window(0, 0), "PROTOCOL_ERROR"),
    Fault("WINDOW_UPDATE of 3 bytes", lambda _: raw(WINDOW, 0, 0, bytes(3)), "FRAME_SIZE_ERROR"),
    Fault("a stream's WINDOW_UPDATE of 5 bytes", lambda n: raw(WINDOW, 0, n, bytes(5)), "FRAME_SIZE_ERROR"),
    Fault("the connection's window overflows", lambda _: window(0, MOST) * 2, "FLOW_CONTROL_ERROR"),
    Fault(
        "a window that overflows by settings",
        lambda n: settings((WINDOW_SIZE, 1000)) + window(n, MOST - 10_000) + settings((WINDOW_SIZE, 20_000)),
        "FLOW_CONTROL_ERROR",
        before=lambda peer: peer.greet((WINDOW_SIZE, 1000)),
    ),
    # RFC 7541
    Fault(
        "an index of the table that we have none of", lambda n: raw(HEADERS, 5, n, BLOCK + b"\xbe"), "COMPRESSION_ERROR"
    ),
    Fault("a name of that table", lambda n: raw(HEADERS, 5, n, BLOCK + b"\x7e\x01a"), "COMPRESSION_ERROR"),
    Fault("the index 0", lambda n: raw(HEADERS, 5, n, b"\x80"), "COMPRESSION_ERROR"),
    Fault("a table larger than we have", lambda n: raw(HEADERS, 5, n, b"\x3f\xe1\x1f" + BLOCK), "COMPRESSION_ERROR"),
    Fault("a table resized behind a field", lambda n: raw(HEADERS, 5, n, BLOCK + b"\x20"), "COMPRESSION_ERROR"),
    Fault(
        "Huffman padding of 8 bits", lambda n: raw(HEADERS, 5, n, BLOCK + b"\x00\x81a\x82\x1f\xff"), "COMPRESSION_ERROR"
    ),
    Fault("Huffman padding of zeros", lambda n: raw(HEADERS, 5, n, BLOCK + b"\x00\x01a\x81\x18"), "COMPRESSION_ERROR"),
    Fault(
        "the end of strings within one",
        lambda n: raw(HEADERS, 5, n, BLOCK + b"\x00\x01a\x84\xff\xff\xff\xff"),
        "COMPRESSION_ERROR",
    ),
    Fault(
        "a string longer than its block", lambda n: raw(HEADERS, 5, n, BLOCK + b"\x00\x01a\x09no"), "COMPRESSION_ERROR"
    ),
    Fault("a number without an end", lambda n: raw(HEADERS, 5, n, BLOCK + b"\xff" + b"\xff" * 50), "COMPRESSION_ERROR"),
    Fault("a number cut off", lambda n: raw(HEADERS, 5, n, BLOCK + b"\x00\x7f"), "COMPRESSION_ERROR"),
    Fault("a name cut off", lambda n: raw(HEADERS, 5, n, BLOCK + b"\x00"), "COMPRESSION_ERROR"),
    # header bombs
    Fault(
        "70 KB of headers",
        lambda n: (
            raw(HEADERS, 0, n, BLOCK)
            + b"".join(raw(CONTINUATION, 0, n, b"\x00\x01a\x7f\x81\x7f" + b"x" * 16_000) for _ in range(5))
        ),
        "ENHANCE_YOUR_CALM",
    ),
    Fault(
        "70 KB of headers, packed",
        lambda n: b"".join(
            [
                raw(HEADERS, 0, n, BLOCK),
                *[raw(CONTINUATION, 0, n, block(("a", "0" * 20_000), huffman=True))] * 4,
                raw(CONTINUATION, 4, n),
            ]
        ),
        "COMPRESSION_ERROR",
    ),
    # floods
    Fault(
        "CONTINUATION, empty, without end",
        lambda n: raw(HEADERS, 0, n, BLOCK) + raw(CONTINUATION, 0, n) * 20_000,
        "ENHANCE_YOUR_CALM",
    ),
    Fault("SETTINGS without end", lambda _: settings() * 20_000, "ENHANCE_YOUR_CALM"),
    Fault(
        "SETTINGS of windows without end",
        lambda _: settings(*[(WINDOW_SIZE, 1), (WINDOW_SIZE, 9)] * 1300) * 20,
        "ENHANCE_YOUR_CALM",
    ),
    Fault("PING without end", lambda _: raw(PING, 0, 0, bytes(8)) * 20_000, "ENHANCE_YOUR_CALM"),
    Fault("empty DATA without end", lambda n: begun(n) + data(n, end=False) * 20_000, "ENHANCE_YOUR_CALM"),
    Fault(
        "padding without end",
        lambda n: begun(n) + raw(DATA, PADDED, n, b"\x09" + bytes(9)) * 20_000,
        "ENHANCE_YOUR_CALM",
    ),
    Fault("PRIORITY without end", lambda n: raw(PRIORITY, 0, n, bytes(5)) * 20_000, "ENHANCE_YOUR_CALM"),
    Fault(
        "WINDOW_UPDATE without end",
        lambda n: window(n, 1) * 20_000,
        "ENHANCE_YOUR_CALM",
        before=lambda peer: peer.greet((WINDOW_SIZE, 65_535)),
    ),
    Fault("unknown frames without end", lambda n: raw(77, 0, n, b"?") * 20_000, "ENHANCE_YOUR_CALM"),
]


@pytest.mark.parametrize(("fault", "tls"), over_both(FAULTS))
def test_a_fault_ends_its_connection_and_no_other(fault: Fault, tls: bool) -> None:
    """The event on it is a protocol error; those after it go out on a new connection. The server is told the code."""

    def bad(peer: Http2Peer) -> None:
        fault.before(peer)
        if fault.before is unsettled:
            peer.send(fault.frames(1))
            peer.greet()  # reads what came; nobody listens
        else:
            peer.send(fault.frames(peer.request().stream))
        peer.drain()

    with Http2Server(then_well(bad), tls=tls) as server:
        result = fire(server, tls=tls)
        assert result.outcomes == [fault.kind, "200", "200"]
        assert server.accepted == 2
        if fault.before is not unsettled:
            server.sent_once(3)
        error = next(sample.error for sample in result.samples)
        assert fault.told in error
        assert fault.words in error
    if fault.before is not unsettled and len(fault.frames(1)) < 60_000:
        assert server.ends[0] == fault.told  # where more comes than is read, our last words may be lost


# -- one fault of a stream's ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StreamFault:
    """`told`: the code of our RST_STREAM; none where there is nothing to tell."""

    name: str
    frames: Frames
    told: str = "PROTOCOL_ERROR"
    outcome: str = "protocol"
    words: str = ""
    event: dict[str, Any] = field(default_factory=lambda: {"type": TYPE})
    before: Callable[[Http2Peer], Any] = Http2Peer.greet


def fields(*more: tuple[str | bytes, str | bytes]) -> Frames:
    return lambda n: headers(n, OK, *more, end=True)


def only(*all_of_them: tuple[str | bytes, str | bytes]) -> Frames:
    return lambda n: headers(n, *all_of_them, end=True)


def resets(code: str | int) -> StreamFault:
    return StreamFault(f"RST_STREAM {code}", lambda n: rst(n, code), "", "reset", str(code).removeprefix("0x"))


def cut_off(code: str) -> StreamFault:
    return StreamFault(f"RST_STREAM {code} behind headers", lambda n: begun(n) + rst(n, code), "", "truncated", code)


STREAM_FAULTS = [
    *map(resets, CODES),
    resets(99),
    *map(cut_off, ["NO_ERROR", "CANCEL", "INTERNAL_ERROR", "REFUSED_STREAM"]),
    StreamFault(
        "RST_STREAM in a body", lambda n: begun(n) + data(n, b"half", end=False) + rst(n, "CANCEL"), "", "truncated"
    ),
    StreamFault(
        "RST_STREAM behind an interim answer", lambda n: headers(n, (":status", "103")) + rst(n, "CANCEL"), "", "reset"
    ),
    StreamFault("RST_STREAM twice", lambda n: rst(n, "CANCEL") * 2, "", "reset"),
    # 6.3
    StreamFault("PRIORITY of 4 bytes", lambda n: raw(PRIORITY, 0, n, bytes(4)), "FRAME_SIZE_ERROR"),
    # 6.9, 6.9.1
    StreamFault("WINDOW_UPDATE of 0", lambda n: window(n, 0)),
    StreamFault("a window that overflows", lambda n: window(n, MOST) * 2, "FLOW_CONTROL_ERROR"),
    # 8.1
    StreamFault("DATA before HEADERS", lambda n: data(n, b"ok")),
    StreamFault("DATA behind an interim answer", lambda n: headers(n, (":status", "100")) + data(n, b"ok")),
    StreamFault("a second answer", lambda n: begun(n) + headers(n, OK, end=True), words="second"),
    StreamFault("an interim answer behind the answer", lambda n: begun(n) + headers(n, (":status", "103"))),
    StreamFault("trailers that do not end", lambda n: begun(n) + headers(n, ("x-sum", "1")), words="trailers"),
    StreamFault("trailers with a pseudo-header", lambda n: begun(n) + headers(n, (":path", "/"), end=True)),
    StreamFault("an interim answer that ends", only((":status", "103"))),
    StreamFault("65 interim answers", lambda n: headers(n, (":status", "103")) * 65, words="64"),
    StreamFault("status 101", only((":status", "101")), words="101"),
    *(
        StreamFault(f"status {status!r}", only((":status", status)))
        for status in ("0", "000", "099", "600", "1000", "-20", "abc", "", "2 0", "٢٠٠", "20\n", "9" * 5000)
    ),
    StreamFault("no status", only(("x-a", "b")), words=":status"),
    StreamFault("nothing at all", lambda n: raw(HEADERS, 5, n)),
    StreamFault("two statuses", only(OK, OK), words=":status"),
    StreamFault("the status behind a field", only(("x-a", "b"), OK), words=":status"),
    StreamFault("a request's pseudo-header", fields((":path", "/")), words=":path"),
    StreamFault("an unknown pseudo-header", fields((":what", "/"))),
    StreamFault("an upper-case name", fields(("X-Upper", "1")), words="X-Upper"),
    *(
        StreamFault(f"the name {name!r}", fields((name, "1")))
        for name in (b"", b"a b", b"a\r\nb", b"a:b", b"\x00", b"\xff", b"\x7f")
    ),
    *(
        StreamFault(f"the value {value!r}", fields(("x", value)))
        for value in (b"a\r\nb", b"\x00", b"a\n", b" a", b"a\t")
    ),
    *(
        StreamFault(f"the field {name}", fields((name, "x")), words=name)
        for name in ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")
    ),
    StreamFault("257 fields", fields(*[("a", "b")] * 256), words="256"),
    StreamFault("a length that is none", fields(("content-length", "-1"))),
    StreamFault("an empty length", fields(("content-length", ""))),
    StreamFault("two lengths", fields(("content-length", "0"), ("content-length", "1"))),
    StreamFault("a length of 5,000 digits", fields(("content-length", "9" * 5000))),
    StreamFault("a length and no body", fields(("content-length", "2")), words="length"),
    StreamFault("a body too short", lambda n: headers(n, OK, ("content-length", "3")) + data(n, b"ok"), words="length"),
    StreamFault("a body too long", lambda n: headers(n, OK, ("content-length", "1")) + data(n, b"ok"), words="length"),
    StreamFault("a body where none may be", lambda n: headers(n, (":status", "204")) + data(n, b"ok"), words="length"),
    StreamFault(
        "a body too short, with trailers",
        lambda n: (
            headers(n, OK, ("content-length", "3")) + data(n, b"ok", end=False) + headers(n, ("x", "y"), end=True)
        ),
        words="length",
    ),
    StreamFault(
        "17 MiB of body",
        lambda n: begun(n) + data(n, bytes(16_384), end=False) * 1100,
        "CANCEL",
        "body_limit",
        "16 MiB",
    ),
    StreamFault(
        "a byte over 16 MiB",
        lambda n: begun(n) + data(n, bytes(16_384), end=False) * 1024 + data(n, b"!"),
        "CANCEL",
        "body_limit",
    ),
    # answers to a request that is not there in full
    StreamFault(
        "a body refused by RST_STREAM",
        lambda n: rst(n, "CANCEL"),
        "",
        "reset",
        event=LARGE,
        before=lambda peer: peer.greet((WINDOW_SIZE, 10)).send(window(0, MIB)),
    ),
]


@pytest.mark.parametrize(("fault", "tls"), over_both(STREAM_FAULTS))
def test_a_fault_of_a_stream_ends_one_event(fault: StreamFault, tls: bool) -> None:
    """The connection goes on with the next one."""
    told: list[tuple[int, int]] = []

    def bad(peer: Http2Peer) -> None:
        fault.before(peer)
        first = peer.opened().stream
        peer.send(fault.frames(first))
        peer.send(settings((WINDOW_SIZE, MOST // 2)))
        try:
            while True:
                asked = peer.request()
                if asked.stream != first:
                    peer.send(answer(asked.stream))
        finally:
            told.extend(peer.resets)

    with Http2Server(then_well(bad), tls=tls) as server:
        result = fire(server, tls=tls, event=fault.event)
        assert result.outcomes == [fault.outcome, "200", "200"]
        server.sent_once(3)
        assert fault.words in result.samples[0].error
    assert server.accepted == 1
    assert server.ends.get(0, "NO_ERROR") == "NO_ERROR"
    assert told == ([(1, CODES[fault.told])] if fault.told else [])
