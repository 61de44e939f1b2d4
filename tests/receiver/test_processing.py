"""From an accepted delivery to its effect, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from loadsim.model import NS_PER_MS
from loadsim.plan.units import parse_cycle, parse_service
from loadsim.receiver.effects_memory import EffectsMemory, EffectsPage
from loadsim.receiver.ledger import LedgerMemory
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.processing import Processing
from loadsim.receiver.run_register import RUNS


class Site:
    """A receiver's work without its receiver. Times are in milliseconds."""

    def __init__(self) -> None:
        self.ledger = LedgerMemory.create(1, 1000)
        self.memory = EffectsMemory.create()
        self.now_ms = 1000

    def processing(self, **behaviour: Any) -> Processing:
        options = ReceiverOptions(**{"process": parse_service("10ms"), **behaviour})
        return Processing(
            options,
            self.memory,
            self.ledger.run_register,
            begin=lambda now: now,
            clock=lambda: self.now_ms * NS_PER_MS,
        )

    def page(self, run: str = "run", after: str | None = None) -> EffectsPage:
        registered = self.ledger.run_register.find(run.encode())
        assert registered is not None
        return self.memory.page(registered, after, 1000)

    def done(self, run: str = "run") -> list[tuple[str, int]]:
        """Id and time of each effect so far, in ms on the clock of the test."""
        begin_s = self.memory.unix_ns(0) / 1e9
        return [(effect.id, round((effect.at - begin_s) * 1e3)) for effect in self.page(run).effects]

    def close(self) -> None:
        self.memory.close()
        self.ledger.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with closing(Site()) as made:
        made.ledger.register("run")
        yield made


def test_effects_appear_when_their_instant_has_passed_and_not_before(site: Site) -> None:
    work = site.processing(processors=2)
    for index in range(3):
        assert work.offer(b"run/%d/1" % index)
    work.settle()
    assert (site.done(), site.page().backlog) == ([], 3)
    site.now_ms = 1010
    work.settle()
    assert (site.done(), site.page().backlog) == ([("run/0/1", 1010), ("run/1/1", 1010)], 1)
    site.now_ms = 5000  # looked at late, and done when it was done
    work.settle()
    assert (site.done()[2:], site.page().backlog) == ([("run/2/1", 1020)], 0)


def test_a_redelivery_is_one_more_piece_of_work(site: Site) -> None:
    work = site.processing()
    for delivery_id in (b"run/7/1", b"run/7/2", b"run/7/2"):
        work.offer(delivery_id)
    site.now_ms = 2000
    work.settle()
    assert site.done() == [("run/7/1", 1010), ("run/7/2", 1020), ("run/7/2", 1030)]


def test_lost_and_repeated_work_takes_its_time(site: Site) -> None:
    for behaviour, counts in (({"lose": 1.0}, []), ({"repeat": 1.0}, [2, 2])):
        before = len(site.page().effects)
        work = site.processing(**behaviour)
        for index in range(2):
            work.offer(b"run/%d/1" % index)
        work.settle()
        assert site.page().backlog == 2
        site.now_ms += 1000
        work.settle()
        assert [effect.count for effect in site.page().effects[before:]] == counts
        assert site.page().backlog == 0
    counted = site.memory.counts()
    assert (counted.done, counted.lost, counted.repeated, counted.backlog) == (2, 2, 2, 0)


def test_a_full_queue_refuses_and_counts(site: Site) -> None:
    work = site.processing(process_queue=1)
    assert [work.offer(b"run/%d/1" % index) for index in range(4)] == [True, True, False, False]
    site.now_ms += 10
    assert work.offer(b"run/4/1")
    work.settle()
    assert (site.memory.counts().refused, site.memory.counts().backlog) == (2, 2)


def test_no_work_is_done_in_a_stall(site: Site) -> None:
    work = site.processing(process_stall=parse_cycle("50ms:30ms"))  # works from 1000 to 1020, from 1050 to 1070
    for index in range(4):
        work.offer(b"run/%d/1" % index)
    site.now_ms = 1045
    work.settle()
    assert site.page().backlog == 2
    site.now_ms = 2000
    work.settle()
    assert [at for _, at in site.done()] == [1010, 1020, 1060, 1070]


def test_runs_are_told_apart_and_the_unregistered_is_work_all_the_same(site: Site) -> None:
    work = site.processing()
    site.ledger.register("another")
    for delivery_id in (b"run/1/1", b"nobody/1/1", b"", b"no id", b"another/1/1"):
        assert work.offer(delivery_id)
    site.now_ms = 2000
    work.settle()
    assert (site.done("run"), site.done("another")) == ([("run/1/1", 1010)], [("another/1/1", 1050)])
    assert site.memory.counts().done == 5


def test_a_run_that_was_replaced_leaves_its_place_to_the_next(site: Site) -> None:
    work = site.processing()
    work.offer(b"run/1/1")
    for number in range(RUNS):
        site.ledger.register(f"later-{number}")
    last = f"later-{RUNS - 1}"
    work.offer(f"{last}/5/1".encode())
    site.now_ms = 2000
    work.settle()
    assert site.ledger.run_register.find(b"run") is None
    assert (site.done(last), site.page(last).backlog) == ([(f"{last}/5/1", 1020)], 0)


def test_the_same_seed_does_the_same(site: Site) -> None:
    told = []
    for run in ("first", "second"):
        site.ledger.register(run)
        begin = site.now_ms
        work = site.processing(process=parse_service("exp:10ms"), lose=0.2, repeat=0.2, out_of_order=True, seed=9)
        for index in range(50):
            work.offer(f"{run}/{index}/1".encode())
        site.now_ms += 100_000
        work.settle()
        effects = zip(site.page(run).effects, site.done(run), strict=True)
        told.append([(effect.id.removeprefix(run), effect.count, at - begin) for effect, (_, at) in effects])
    assert told[0] == told[1]
    assert len(told[0]) < 50
