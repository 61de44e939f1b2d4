"""The work behind the answers, in virtual time: laws for any arrivals, and what queueing theory says of known ones."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import NS_PER_MS, UsageError
from loadsim.plan.units import Cycle, parse_service
from loadsim.receiver.fault_plan import Queue
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.work_queue import (
    LOST,
    ONCE,
    TWICE,
    Done,
    Piece,
    WorkClock,
    WorkQueue,
    random_order,
    work_plan,
)

END = 10**18
arrivals = st.lists(st.integers(0, 1000), max_size=60).map(lambda gaps: list(itertools.accumulate(gaps)))
services = st.lists(st.integers(1, 2000), min_size=60, max_size=60)
processors_of_any_number = st.integers(1, 5)


def pieces(times: list[int]) -> Iterator[Piece]:
    return (Piece(time, ONCE) for time in times)


def all_done(queue: WorkQueue[int], times: list[int]) -> list[Done[int]]:
    """What is done when item k arrives at its time."""
    for number, time in enumerate(times):
        assert queue.offer(time, number)
    queue.advance(END)
    return queue.done


# -- laws -----------------------------------------------------------------------------------------------------------


@given(arrivals, services, processors_of_any_number)
def test_work_is_done_when_the_recursion_says(times: list[int], takes: list[int], processors: int) -> None:
    done = all_done(WorkQueue(pieces(takes), processors, 100), times)
    recursion = Queue(processors)
    assert {item: at for at, item, _ in done} == {
        number: recursion.finish(time, takes[number]) for number, time in enumerate(times)
    }
    assert [at for at, _, _ in done] == sorted(at for at, _, _ in done)


@given(arrivals, services)
def test_one_processor_is_lindleys_recursion_and_first_come_first_served(times: list[int], takes: list[int]) -> None:
    done = all_done(WorkQueue(pieces(takes), 1, 100), times)
    free = 0
    for number, (at, item, _) in enumerate(done):
        free = max(free, times[number]) + takes[number]
        assert (at, item) == (free, number)


@given(arrivals, services, processors_of_any_number, st.booleans())
def test_no_processor_rests_while_work_waits(
    times: list[int], takes: list[int], processors: int, shuffled: bool
) -> None:
    done = all_done(WorkQueue(pieces(takes), processors, 100, random_order(1) if shuffled else None), times)
    spans = [(times[item], at - takes[item], at) for at, item, _ in done]
    for arrived, begun, _ in spans:
        assert begun >= arrived
        for instant in {arrived, *(end for _, _, end in spans if arrived <= end < begun)}:
            if instant < begun:  # it waits: all processors are busy
                assert sum(begin <= instant < end for _, begin, end in spans) == processors


@given(arrivals, services, processors_of_any_number, st.integers(0, 5), st.booleans(), st.integers(0, 60_000))
def test_nothing_is_lost_and_nothing_appears(
    times: list[int], takes: list[int], processors: int, room: int, shuffled: bool, until: int
) -> None:
    queue: WorkQueue[int] = WorkQueue(pieces(takes), processors, room, random_order(7) if shuffled else None)
    taken = []
    for number, time in enumerate(times):
        queue.advance(time)
        before = queue.backlog
        if queue.offer(time, number):
            taken.append(number)
            assert before < processors + room
        else:
            assert before == processors + room
    queue.advance(max(until, times[-1] if times else 0))
    assert len(queue.done) + queue.backlog == len(taken)
    queue.advance(END)
    assert sorted(item for _, item, _ in queue.done) == taken
    assert queue.backlog == 0


@given(arrivals, st.integers(1, 500), processors_of_any_number, st.integers(0, 100))
def test_another_order_changes_who_waits_and_not_how_much_is_done_when(
    times: list[int], takes: int, processors: int, seed: int
) -> None:
    ordered = all_done(WorkQueue(pieces([takes] * 60), processors, 100), times)
    shuffled = all_done(WorkQueue(pieces([takes] * 60), processors, 100, random_order(seed)), times)
    assert [at for at, _, _ in shuffled] == [at for at, _, _ in ordered]
    again = all_done(WorkQueue(pieces([takes] * 60), processors, 100, random_order(seed)), times)
    assert again == shuffled


def test_out_of_order_is_out_of_order() -> None:
    done = all_done(WorkQueue(pieces([5] * 60), 1, 100, random_order(0)), [0] * 60)
    assert sorted(item for _, item, _ in done) == list(range(60))
    assert [item for _, item, _ in done] != list(range(60))


# -- stalls ---------------------------------------------------------------------------------------------------------

cycles = st.integers(2, 50).flatmap(lambda every: st.builds(Cycle, st.just(every), st.integers(1, every - 1)))


@given(cycles, st.integers(-100, 100), st.integers(-200, 300))
def test_a_clock_with_stalls_never_goes_back_and_stands_still_in_them_alone(
    cycle: Cycle, origin: int, instant: int
) -> None:
    clock = WorkClock(cycle, origin)
    stalled = (instant - origin) % cycle.every_ns >= cycle.every_ns - cycle.for_ns
    assert clock.worked(instant + 1) - clock.worked(instant) == (not stalled)
    assert clock.worked(clock.instant(instant)) == instant
    assert clock.worked(clock.instant(instant) - 1) == instant - 1, "the first such instant"


def test_work_goes_on_after_a_stall_where_it_was() -> None:
    clock = WorkClock(Cycle(100, 40), 1000)  # works from 1000 to 1060, from 1100 to 1160
    queue: WorkQueue[str] = WorkQueue(pieces([20] * 9), 1, 100)
    for instant, item in ((1050, "through it"), (1070, "in it"), (1190, "in the next")):
        queue.offer(clock.worked(instant), item)
    queue.advance(clock.worked(END))
    assert [(clock.instant(at), item) for at, item, _ in queue.done] == [
        (1110, "through it"),
        (1130, "in it"),
        (1220, "in the next"),
    ]


# -- what is planned ------------------------------------------------------------------------------------------------

DRAWS = 2000


def drawn(service: str, count: int = DRAWS, **behaviour: Any) -> list[Piece]:
    options = ReceiverOptions(process=parse_service(service), **behaviour)
    return list(itertools.islice(work_plan(options), count))


def near(found: int, of: int, share: float) -> bool:
    """Within five standard deviations of a binomial count."""
    return abs(found - of * share) <= 5 * math.sqrt(of * share * (1 - share))


@given(st.integers(0, 2**63 - 1))
def test_times_have_the_form_that_was_asked_for(seed: int) -> None:
    assert set(drawn("50ms", seed=seed)) == {Piece(50 * NS_PER_MS, ONCE)}
    for service, shares in (
        ("exp:50ms", {50: 1 - math.exp(-1), 100: 1 - math.exp(-2)}),
        ("lognormal:50ms", {50: 0.5, 500: 0.99}),
        ("lognormal:50ms:200ms", {50: 0.5, 200: 0.99}),
    ):
        times = [piece.service_ns for piece in drawn(service, seed=seed)]
        for limit, share in shares.items():
            assert near(sum(time <= limit * NS_PER_MS for time in times), DRAWS, share), (service, limit)


@given(st.integers(0, 2**63 - 1))
def test_losses_and_repeats_are_seeded_and_of_their_shares(seed: int) -> None:
    found = drawn("exp:50ms", seed=seed, lose=0.1, repeat=0.2)
    assert found == drawn("exp:50ms", seed=seed, lose=0.1, repeat=0.2)
    seen = Counter(piece.effects for piece in found)
    assert all(near(seen[effects], DRAWS, share) for effects, share in ((LOST, 0.1), (TWICE, 0.2), (ONCE, 0.7)))
    assert [piece.service_ns for piece in found] == [piece.service_ns for piece in drawn("exp:50ms", seed=seed)]


# -- against analysis -----------------------------------------------------------------------------------------------

EVENTS = 60_000
SERVICE_MS = 50.0


def mean_sojourn_ms(service: str, utilisation: float, processors: int = 1, **behaviour: Any) -> float:
    """The mean time from arrival to done, of Poisson arrivals."""
    options = ReceiverOptions(process=parse_service(service), processors=processors, seed=11, **behaviour)
    gap_ns = SERVICE_MS * NS_PER_MS / (processors * utilisation)
    times = np.cumsum(np.random.Generator(np.random.Philox(5)).exponential(gap_ns, EVENTS)).astype(int).tolist()
    order = random_order(options.seed) if options.out_of_order else None
    done = all_done(WorkQueue(work_plan(options), processors, EVENTS, order), times)
    return float(np.mean([at - times[item] for at, item, _ in done])) / NS_PER_MS


def erlang_c(processors: int, load: float) -> float:
    """The share that waits in M/M/c (Erlang, 1917)."""
    terms = [load**number / math.factorial(number) for number in range(processors)]
    last = load**processors / math.factorial(processors) * processors / (processors - load)
    return last / (sum(terms) + last)


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "out of order"])
@pytest.mark.parametrize(("processors", "utilisation"), [(1, 0.5), (1, 0.7), (4, 0.7)])
def test_exponential_work_is_m_m_c(processors: int, utilisation: float, shuffled: bool) -> None:
    found = mean_sojourn_ms("exp:50ms", utilisation, processors, out_of_order=shuffled)
    load = processors * utilisation
    expected = SERVICE_MS + erlang_c(processors, load) * SERVICE_MS / (processors - load)
    assert found == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("utilisation", [0.5, 0.7])
def test_constant_work_is_m_d_1(utilisation: float) -> None:
    expected = SERVICE_MS * (1 + utilisation / (2 * (1 - utilisation)))  # Pollaczek and Khinchine
    assert mean_sojourn_ms("50ms", utilisation) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"process": parse_service("0s")}, "more than 0"),
        ({"process": parse_service("exp:0s")}, "more than 0"),
        ({"process": parse_service("lognormal:50ms:40ms")}, "below the median"),
        ({"process": parse_service("5ms"), "workers": 2}, "one queue is one process"),
        ({"process": parse_service("5ms"), "processors": 0}, "processors"),
        ({"process": parse_service("5ms"), "process_queue": -1}, "process-queue"),
        ({"process": parse_service("5ms"), "lose": 0.6, "repeat": 0.6}, "100%"),
        ({"process": parse_service("5ms"), "process_stall": Cycle(5, 5)}, "process-stall"),
        ({"process": parse_service("5ms"), "ledger_limit": 0}, "ledger"),
        ({"processors": 2}, "processors has no effect without process"),
        ({"process_queue": 2}, "process-queue has no effect without process"),
        ({"lose": 0.1}, "lose has no effect"),
        ({"repeat": 0.1}, "repeat has no effect"),
        ({"process_stall": Cycle(5, 2)}, "process-stall has no effect"),
        ({"out_of_order": True}, "out-of-order has no effect"),
        ({"effects_db": "x"}, "effects-db"),
    ],
)
def test_options_that_contradict_are_refused(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        ReceiverOptions(**wrong)
