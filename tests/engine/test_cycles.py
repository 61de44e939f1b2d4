"""The direct transport leaves no reference cycle behind, whatever an endpoint answers: the cyclic collector is off."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.corpus import ANSWERS
from tests.engine.running import direct, run, scenario
from tests.engine.servers import Peer, Server
from tests.engine.test_hostile import ROWS, Row

OURS = ("loadsim", "httptools", "ssl", "_ssl", "socket")


def cycles_of(work: Callable[[], object]) -> list[object]:
    """What `work` leaves behind that only the cyclic collector finds, as far as it is of the engine's making."""
    gc.collect()
    gc.freeze()  # so that the second look goes through nothing but what `work` made
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        kept = work()
        gc.collect()
        del kept
        return [thing for thing in gc.garbage if _module_of(thing).partition(".")[0] in OURS]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _module_of(thing: Any) -> str:
    """Where its type is from; of a bound method, where its object's is."""
    return str(type(getattr(thing, "__self__", thing)).__module__)


def test_a_cycle_would_be_seen() -> None:
    """Of one of those objects that are looked for."""

    def leave() -> None:
        row = Row("cycle", Peer.hang, [])
        row.target["itself"] = row

    Row.__module__, before = "loadsim.here", Row.__module__
    try:
        assert cycles_of(leave)
    finally:
        Row.__module__ = before


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_misbehaviour_leaves_a_cycle(row: Row) -> None:
    with Server(row.behaviour, tls=row.tls) as server:
        of = scenario(
            [{"connections": 1, "events": 2}], {"url": server.url, "timeout": "30s", **row.target}, [row.event]
        )
        assert cycles_of(lambda: run(of, direct, clock=server.clock)) == []


@pytest.mark.parametrize("size", [0, 50_000])
def test_no_answer_of_the_corpus_leaves_a_cycle(size: int) -> None:
    """As it is, and with a long body of many lines where only the end of the connection ends it."""
    number = itertools.count()

    def serve(peer: Peer) -> None:
        while True:
            peer.request()
            answer = ANSWERS[next(number)]
            peer.send(answer.raw)
            if answer.until_close:
                peer.send(b"\n" * size)
                return

    with Server(serve) as server:
        of = scenario([{"connections": 1, "events": len(ANSWERS)}], {"url": server.url, "timeout": "60s"})
        assert cycles_of(lambda: run(of, direct, clock=server.clock)) == []
