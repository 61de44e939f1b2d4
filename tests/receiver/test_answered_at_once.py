"""What the aiohttp engine answers as soon as it is parsed is answered as aiohttp's own way would answer it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from aiohttp import web_protocol

from loadsim.engine.scripted_endpoint import VirtualLoop
from loadsim.measure.delivery_ids import HEADER
from loadsim.model import NS_PER_S
from loadsim.receiver import http_aiohttp
from loadsim.receiver.answer_choice import Rules
from loadsim.receiver.counters import Counts, SharedCounters
from loadsim.receiver.fault_plan import fault_plan
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.http_aiohttp import AiohttpEngine
from loadsim.receiver.ledger import LedgerMemory
from loadsim.receiver.options import ReceiverOptions
from loadsim.signing import scheme
from tests.receiver.hostile import CORPUS, TE, framed, mutations
from tests.receiver.raw_client import PATH, SECRET, request
from tests.receiver.test_known_heads import Wire, undated

MAX_BODY = 100_000
IDLE_S = 10
OURS = b"%b: run/7/1\r\n" % HEADER.encode()


class Listener:
    """What stands for a listening socket."""

    def close(self) -> None:
        """See asyncio.Server."""


class Side:
    """An aiohttp engine of its own on a virtual loop, without a socket. `at_once`: whether it may answer at once;
    None: as it decides."""

    def __init__(self, loop: VirtualLoop, *, at_once: bool | None) -> None:
        options = ReceiverOptions(engine="aiohttp", max_body=MAX_BODY, idle_timeout_ns=IDLE_S * NS_PER_S)
        self.loop = loop
        self._ledger = LedgerMemory.create(1, 100).part(0)
        self._counters = SharedCounters.create(1)
        rules = Rules(PATH, scheme("trackpilots").verifier(SECRET, 300))
        row, plan = self._counters.row(0), fault_plan(options, 0)
        self.handler = WebhookHandler(options, rules, row, plan, ledger=self._ledger)
        self.engine: AiohttpEngine
        self._factory: Callable[[], Any]
        self.run(self._begin(options, at_once))

    async def _begin(self, options: ReceiverOptions, at_once: bool | None) -> None:
        async def create_server(factory: Callable[[], Any], **_: object) -> Listener:
            self._factory = factory
            return Listener()

        self.engine = AiohttpEngine(options, self.handler, None)
        if at_once is not None:
            assert self.engine.answers_at_once
            self.engine.answers_at_once = at_once
        setattr(self.loop, "create_server", create_server)  # noqa: B010 - a stand-in
        await self.engine.serve(None)

    def run(self, what: Any) -> Any:
        """Until it is done."""
        return self.loop.run_until_complete(what)

    def turns(self) -> None:
        """Whatever can happen now."""
        for _ in range(20):
            self.run(asyncio.sleep(0))

    def connected(self) -> tuple[Any, Wire]:
        """A connection that waits for its first request."""
        connection, wire = self._factory(), Wire()
        self.loop.call_soon(connection.connection_made, wire)
        self.turns()
        return connection, wire

    def fed(self, pieces: Iterable[bytes], *, pausing: bool = True) -> tuple[list[bytes], Counts, list[object]]:
        """What a new connection does when it reads these, what was counted, and what was noted of it."""
        connection, wire = self.connected()
        for piece in pieces:
            connection.data_received(piece)
            if pausing:
                self.turns()
        self.turns()
        connection.connection_lost(None)
        self.turns()
        notes = [note for note in self._ledger.notes if not isinstance(note, float)]
        self._ledger.notes.clear()
        return _written(wire), self._counters.counts(), notes

    def counts(self) -> Counts:
        """Of all that came."""
        return self._counters.counts()


def _without_flow(wire: Wire) -> list[bytes]:
    return [part for part in wire.done if part not in (b"pause", b"resume")]


def _written(wire: Wire) -> list[bytes]:
    """All that was written, and how it ended; how often an end is asked for does not matter."""
    ends = {b"end", b"close", b"abort"}
    done = _without_flow(wire)
    data = b"".join(part for part in done if part not in ends)
    return [undated(data), *sorted(ends.intersection(done))]


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    virtual = VirtualLoop()
    asyncio.set_event_loop(virtual)
    yield virtual
    left = asyncio.all_tasks(virtual)  # of connections that nobody ended
    for task in left:
        task.cancel()
    virtual.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    virtual.close()
    asyncio.set_event_loop(None)


Both = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def both(loop: VirtualLoop) -> Both:
    """Feeds two receivers, one of which answers at once, and returns what both wrote."""
    quick, usual = Side(loop, at_once=True), Side(loop, at_once=False)

    def feed(pieces: list[bytes]) -> list[bytes]:
        for pausing in (True, False):
            found = quick.fed(pieces, pausing=pausing)
            assert found == usual.fed(pieces, pausing=pausing), pieces
        return found[0]

    return feed


@pytest.mark.parametrize("data", CORPUS.values(), ids=CORPUS)
def test_what_is_hostile_is_answered_in_aiohttps_way(both: Both, data: bytes) -> None:
    both([data])
    both([request(), data])
    both([request() + data])
    both([data[:40], data[40:]])


def test_what_was_changed_is_answered_in_aiohttps_way(both: Both) -> None:
    for data in mutations(100, seed=13):
        both([data])
        both([request(), data, request(extra=OURS)])


def test_requests_in_pieces_and_pipelines_are_answered_in_order(both: Both) -> None:
    good, bad = request(extra=OURS), request(target="/elsewhere")
    for pieces in ([good, bad], [good + bad], [good[:30], good[30:] + bad], [good + bad[:-3], bad[-3:]]):
        assert statuses(both(pieces)) == [200, 404]
    assert statuses(both([good + bad, good])) == [200, 404, 200]


def statuses(written: list[bytes]) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", written[0])]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(extra=b"Connection: close\r\n"), 200),
        (request(target="/elsewhere", extra=b"Connection: close\r\n"), 404),
        (request().replace(b"HTTP/1.1", b"HTTP/1.0", 1), 200),
        (request(b"[" + b" " * (MAX_BODY - 2) + b"]"), 200),
        (request(b"1" * (MAX_BODY + 1)), 413),
        (request(method="PUT"), 405),
        (request(method="HEAD"), 405),
        (request(length=False, extra=b"Transfer-Encoding: gzip, chunked\r\n") + b"0\r\n\r\n", 400),
        (request(b""), 400),
    ],
)
def test_what_is_unusual_is_answered_in_aiohttps_way(both: Both, data: bytes, status: int) -> None:
    assert statuses(both([data]))[0] == status
    assert statuses(both([request(), data]))[:2] == [200, status]


def test_it_is_answered_before_the_loop_turns(loop: VirtualLoop) -> None:
    side = Side(loop, at_once=True)
    connection, wire = side.connected()
    connection.data_received(request(extra=OURS))
    assert _without_flow(wire)[0].startswith(b"HTTP/1.1 200 ")
    assert side.counts().verified == 1
    assert side.counts().answered == 1


def test_a_connection_is_idle_since_its_last_answer(loop: VirtualLoop) -> None:
    side = Side(loop, at_once=True)
    connection, wire = side.connected()
    for _ in range(3):
        connection.data_received(request())
        side.run(asyncio.sleep(IDLE_S - 1))
    assert len(_without_flow(wire)) == 3
    side.run(asyncio.sleep(2))
    assert _without_flow(wire)[3:] == [b"close"]


@pytest.fixture
def failed(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Wire]:
    """A connection on whose request an error of our own was met."""

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    connection, wire = Side(loop, at_once=True).connected()
    monkeypatch.setattr(WebhookHandler, "reply", fail)
    connection.data_received(request())
    return connection, wire


def test_an_error_of_our_own_is_answered_and_ends_the_connection(
    failed: tuple[Any, Wire], caplog: pytest.LogCaptureFixture
) -> None:
    _, wire = failed
    assert _without_flow(wire)[0].startswith(b"HTTP/1.1 500 ")
    assert b"close" in wire.done
    assert "Error handling request" in [record.getMessage() for record in caplog.get_records("setup")]


def test_who_does_not_read_the_last_answer_is_cut_off(failed: tuple[Any, Wire]) -> None:
    connection, wire = failed
    connection.pause_writing()
    for _ in range(5):
        connection.tick(most=3)
    assert wire.done[-1] == b"abort"


def test_an_aiohttp_without_what_it_needs_answers_in_its_own_way(
    loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_aiohttp, "_CAN_ANSWER", False)
    side = Side(loop, at_once=None)
    assert not side.engine.answers_at_once
    assert statuses(side.fed([request()])[0]) == [200]


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_not_http_is_found_once_however_often_aiohttp_asks(
    loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch, *, at_once: bool
) -> None:
    """While a body of one-byte chunks is read, aiohttp asks its parser after each of them."""
    found: list[object] = []

    class Found(web_protocol._ErrInfo):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            found.append(self)

    monkeypatch.setattr(web_protocol, "_ErrInfo", Found)
    connection, wire = Side(loop, at_once=at_once).connected()
    connection.data_received(framed(TE, b"1\r\na\r\n" * 18_000 + b"\r\n" * 3))
    loop.run_until_complete(asyncio.sleep(5))
    assert len(found) == 1
    assert wire.done
