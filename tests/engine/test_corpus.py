"""The corpus of answers: by the reader in pieces of any size, and by both transports over real connections."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest

from loadsim.engine.response_parser import Memo, ResponseReader
from loadsim.error_kinds import ErrorKind
from tests.engine.corpus import ANSWERS, OK, Answer
from tests.engine.running import TRANSPORTS, run, scenario
from tests.engine.servers import Peer, Server

SIZES = (1, 2, 3, 7, 100, 1 << 20)


def name_of(code: int) -> str:
    return str(code) if code > 0 else ErrorKind(-code).name if code else "pending"


class Read(NamedTuple):
    """`rest`: what had not come when the answer was whole; the transports close a connection on which more comes."""

    outcome: str
    stays: bool
    rest: bytes = b""


def read(answer: Answer, size: int) -> Read:
    """An answer that comes in pieces of `size`."""
    reader = ResponseReader(Memo())
    for end in range(size, len(answer.raw) + size, size):
        code = reader.feed(answer.raw[end - size : end])
        if code:
            rest = answer.raw[end:]
            return Read(name_of(code), reader.keep_alive and not rest, rest)
    assert answer.until_close, "it should have ended by itself"
    return Read(name_of(reader.eof()), reader.keep_alive)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_each_answer_is_what_the_standard_says(answer: Answer) -> None:
    assert read(answer, len(answer.raw)) == (answer.expected, answer.stays, b"")


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_pieces_of_any_size_give_the_same(answer: Answer) -> None:
    for size in SIZES:
        outcome, stays, rest = read(answer, size)
        assert stays == answer.stays
        if rest:  # a fault, or bytes behind a whole answer
            assert answer.expected == "protocol"
            assert outcome in ("protocol", "200", "204")
        else:
            assert outcome == answer.expected


@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.stays], ids=lambda answer: answer.name)
def test_the_next_answer_of_a_kept_connection_is_read_anew(answer: Answer) -> None:
    reader = ResponseReader(Memo())
    for _ in range(2):
        assert name_of(reader.feed(answer.raw)) == answer.expected
    assert reader.feed(OK) == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_both_transports_call_each_answer_the_same(transport: str) -> None:
    number = itertools.count()

    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            answer = ANSWERS[next(number)]
            peer.send(answer.raw)
            if answer.until_close:
                return
            if not answer.stays:
                peer.until_closed()
                return

    with Server(serve) as server:
        of = scenario([{"connections": 1, "events": len(ANSWERS)}], {"url": server.url, "timeout": "60s"})
        result = run(of, TRANSPORTS[transport])
    result.assert_balanced()
    got = dict(zip((answer.name for answer in ANSWERS), result.outcomes, strict=True))
    assert got == {answer.name: answer.expected for answer in ANSWERS}
    assert server.accepted == 1 + sum(not answer.stays for answer in ANSWERS[:-1])
