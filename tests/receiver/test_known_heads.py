"""A request whose head is known is read as the parser reads it, and nothing else is recognised."""

from __future__ import annotations

import asyncio
import itertools
import random  # noqa: TID251 - places of cuts, from a seed
from collections.abc import Callable, Iterable

import pytest

from loadsim.measure.delivery_ids import HEADER
from loadsim.receiver.answer_choice import HeaderNames, Rules
from loadsim.receiver.bare_connection import Connection
from loadsim.receiver.counters import Counts, SharedCounters
from loadsim.receiver.fault_plan import fault_plan
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.http_bare import BareEngine
from loadsim.receiver.known_heads import FRAMING_HEADERS, LONGEST_HEAD, MOST_HEADS, KnownHeads
from loadsim.receiver.ledger import LedgerMemory
from loadsim.receiver.options import ReceiverOptions
from loadsim.signing import scheme
from tests.receiver.hostile import CORPUS, mutations
from tests.receiver.raw_client import BODY, PATH, SECRET, request, signature

MAX_BODY = 100_000
NAMES = HeaderNames(("content-type", "x-webhook-signature", "x-webhook-timestamp", *FRAMING_HEADERS), apart=HEADER)
OURS = b"%b: run/7/1\r\n" % HEADER.encode()


class Wire(asyncio.Transport):
    """What a connection did to its transport, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def write_eof(self) -> None:
        self.done.append(b"end")

    def close(self) -> None:
        self.done.append(b"close")

    def abort(self) -> None:
        self.done.append(b"abort")

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.done.append(b"pause")

    def resume_reading(self) -> None:
        self.done.append(b"resume")


class Side:
    """A bare engine of its own, without a socket. `room`: heads that it may know."""

    def __init__(self, room: int, *lessons: bytes) -> None:
        options = ReceiverOptions(engine="bare", max_body=MAX_BODY)
        self._ledger = LedgerMemory.create(1, 100).part(0)
        self._counters = SharedCounters.create(1)
        rules = Rules(PATH, scheme("trackpilots").verifier(SECRET, 300))
        row, plan = self._counters.row(0), fault_plan(options, 0)
        self.handler = WebhookHandler(options, rules, row, plan, ledger=self._ledger)
        self.engine = BareEngine(options, self.handler, None)
        self.engine.heads = KnownHeads(self.engine.names, MAX_BODY, room)
        for lesson in lessons:
            assert b" 200 " in self.fed([lesson])[0][0]

    def fed(self, pieces: Iterable[bytes]) -> tuple[list[bytes], Counts, list[object]]:
        """What a new connection does when it reads these, what was counted, and what was noted of it."""
        connection, wire = Connection(self.engine, self.handler), Wire()
        connection.connection_made(wire)
        for piece in pieces:
            connection.data_received(piece)
        for _ in range(5):
            connection.tick(read=1, idle=3, linger=2)
        connection.connection_lost(None)
        notes = [note for note in self._ledger.notes if not isinstance(note, float)]
        self._ledger.notes.clear()
        return [undated(part) for part in wire.done], self._counters.counts(), notes


def undated(answer: bytes) -> bytes:
    """Without the lines that say when it was made."""
    lines = answer.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"Date:"))


@pytest.fixture
def both() -> Callable[[list[bytes]], tuple[list[bytes], list[object]]]:
    """Feeds two receivers, one of which knows heads, and returns what both did and noted."""
    lessons = (request(), request(extra=OURS), request(extra=b"Cookie: a=b\r\n"))
    knowing, parsing = Side(MOST_HEADS, *lessons), Side(0, *lessons)

    def feed(pieces: list[bytes]) -> tuple[list[bytes], list[object]]:
        found = knowing.fed(pieces)
        assert found == parsing.fed(pieces), pieces
        return found[0], found[2]

    return feed


Both = Callable[[list[bytes]], tuple[list[bytes], list[object]]]


@pytest.mark.parametrize("data", CORPUS.values(), ids=CORPUS)
def test_what_is_hostile_is_answered_as_by_the_parser(both: Both, data: bytes) -> None:
    both([data])
    both([request(), data])
    both([request() + data])
    both([data[:40], data[40:]])


def test_what_was_changed_is_answered_as_by_the_parser(both: Both) -> None:
    for data in mutations(300, seed=11):
        both([data])
        both([request(), data, request()])


def test_genuine_requests_with_one_byte_changed_are_answered_as_by_the_parser(both: Both) -> None:
    genuine = request(extra=OURS)
    for place, byte in itertools.product(range(genuine.index(b"\r\n\r\n") + 5), b"\0\t\n\r 5:;A\x7f\x80\xff"):
        both([genuine[:place] + bytes([byte]) + genuine[place + 1 :]])


def test_however_requests_are_cut_they_are_answered_as_by_the_parser(both: Both) -> None:
    stream = request() + request(extra=OURS) + b"\r\n" + request(b"{}") + request(extra=b"Connection: close\r\n")
    source = random.Random(3)
    for _ in range(300):
        cuts = sorted(source.sample(range(1, len(stream)), source.randint(0, 6)))
        pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
        done, noted = both(pieces)
        assert b"".join(done).count(b"HTTP/1.1 200") == 4
        assert noted == [b"run/7/1", 200]


@pytest.mark.parametrize(
    "extra",
    [
        b"X-A:\r\n",
        b"X-A:b\r\n",
        b"X-A:  b\r\n",
        b"X-A: b \r\n",
        b"X-A: b  c\r\n",
        b"X-A: \xe9\r\n",
        b"Cookie: a=b; c\r\n",
    ],
)
def test_blanks_and_other_characters_are_read_as_by_the_parser(both: Both, extra: bytes) -> None:
    name = extra.split(b":")[0]
    spoken = [request(), request(extra=name + b": b\r\n"), request(extra=extra)]
    done, _ = both([*spoken, *spoken])
    assert sum(part.startswith(b"HTTP/1.1 200 ") for part in done) == 6


@pytest.mark.parametrize("cut", [1, 4, 20, 60, request().index(b"\r\n\r\n") + 2, len(request()) - 5])
def test_a_whole_request_in_the_middle_of_another_is_a_part_of_that(both: Both, cut: int) -> None:
    both([request(), request()[:cut], request()])
    both([request() + request()[:cut], request()])
    done, _ = both([request() + request(b" " * 2000, headers=signature())[: -2000 + cut], request()])
    assert b"".join(done).count(b"HTTP/1.1 200") == 1


def test_a_request_behind_a_line_end_leaves_nothing_waiting(both: Both) -> None:
    done, _ = both([request(), b"\r\n", request()])
    assert [part[:12] for part in done] == [b"HTTP/1.1 200"] * 2 + [b"close"] * 2


def test_a_head_of_which_only_the_length_is_needed_is_known() -> None:
    heads = KnownHeads(HeaderNames(FRAMING_HEADERS), MAX_BODY)
    heads.learn(request(), PATH.encode())
    assert heads.read(request(b"{}\n\r\n")) == (PATH, {"content-length": "5"}, b"", b"{}\n\r\n")


def test_an_answer_with_a_known_head_is_the_last_one_of_a_receiver_that_stops() -> None:
    side = Side(MOST_HEADS, request())
    side.engine.stopping = True
    assert side.fed([request(), request()])[0][1] == b"close"


def test_a_known_head_is_recognised_and_gives_what_is_needed() -> None:
    heads = KnownHeads(NAMES, MAX_BODY)
    assert heads.read(request(extra=OURS)) is None
    heads.learn(request(extra=OURS), PATH.encode())
    other = signature(b"[1]")
    found = heads.read(request(b"[1]", headers=other, extra=OURS.replace(b"7", b"1234")))
    assert found is not None
    target, headers, delivery_id, body = found
    assert (target, delivery_id, body) == (PATH, b"run/1234/1", b"[1]")
    lines = dict(line.split(": ") for line in other.decode().strip().split("\r\n"))
    expected = {name.lower(): value for name, value in lines.items()}
    assert headers == {**expected, "content-type": "application/json", "content-length": "3"}


@pytest.mark.parametrize(
    "data",
    [
        request(extra=b"Connection: keep-alive\r\n"),
        request(extra=b"Upgrade: h2c\r\n"),
        request(extra=b"Expect: 100-continue\r\n"),
        request(extra=b"X-A: b\r\nx-a: c\r\n"),
        request(extra=b"X-A: \xe9\r\n"),
        request(extra=b"X-A: " + b"a" * LONGEST_HEAD + b"\r\n"),
        request(b"", length=False),
        request(method="PUT"),
        request(version="1.0"),
        b"\r\n" + request(),
    ],
)
def test_what_the_parser_could_read_in_another_way_is_not_learned(data: bytes) -> None:
    heads = KnownHeads(NAMES, MAX_BODY)
    heads.learn(data, PATH.encode())
    assert heads.read(data) is None


def test_no_more_than_a_few_heads_are_learned() -> None:
    heads = KnownHeads(NAMES, MAX_BODY)
    spoken = [request(extra=b"X-%d: b\r\n" % number) for number in range(MOST_HEADS + 1)]
    for data in spoken:
        heads.learn(data, PATH.encode())
    assert [heads.read(data) is not None for data in spoken] == [True] * MOST_HEADS + [False]


def test_a_refused_request_teaches_nothing() -> None:
    side = Side(MOST_HEADS)
    forged = request(headers=signature(b"another"))
    assert b" 401 " in side.fed([forged])[0][0]
    assert side.engine.heads.read(forged) is None
    side.fed([request(BODY)])
    assert side.engine.heads.read(forged) is not None
