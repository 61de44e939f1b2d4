from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import NS_PER_MS, UsageError
from loadsim.receiver.fault_plan import NO_FAULT, RESET, Fault, Queue, fault_plan
from loadsim.receiver.options import ReceiverOptions, Share

arrivals = st.lists(st.integers(0, 1000), max_size=60).map(lambda gaps: list(itertools.accumulate(gaps)))


@given(arrivals, st.integers(1, 500), st.integers(1, 5))
def test_first_come_and_never_more_in_service_than_slots(times: list[int], delay: int, slots: int) -> None:
    queue = Queue(slots)
    done = [queue.finish(time, delay) for time in times]
    assert done == sorted(done)
    assert all(end - time >= delay for time, end in zip(times, done, strict=True))
    for end in done:
        start = end - delay
        assert sum(1 for other in done if other - delay <= start < other) <= slots


@given(st.integers(1, 200), st.integers(1, 100), st.integers(1, 8))
def test_capacity_is_slots_over_delay(events: int, delay: int, slots: int) -> None:
    queue = Queue(slots)
    last = max(queue.finish(0, delay) for _ in range(events))
    assert last == -(-events // slots) * delay


@given(st.lists(st.integers(0, 100), min_size=1, max_size=50), st.integers(1, 5))
def test_services_of_any_length_begin_when_a_server_is_free(services: list[int], slots: int) -> None:
    queue = Queue(slots)
    begins = [queue.finish(0, service) - service for service in services]
    assert begins == sorted(begins)  # first come, first served
    assert sum(services) / slots <= max(b + s for b, s in zip(begins, services, strict=True))


DRAWS = 1000


def drawn(count: int, worker: int = 0, **behaviour: object) -> list[Fault]:
    return list(itertools.islice(fault_plan(ReceiverOptions(**behaviour), worker), count))  # type: ignore[arg-type]


def near(found: int, of: int, share: float) -> bool:
    """Within five standard deviations of a binomial count."""
    return abs(found - of * share) <= 5 * math.sqrt(of * share * (1 - share))


@given(st.integers(0, 2**63 - 1), st.integers(0, 63))
def test_failures_are_seeded_and_of_their_shares(seed: int, worker: int) -> None:
    behaviour = {"seed": seed, "fail": (Share(503, 0.1), Share(429, 0.05)), "reset": 0.02, "fail_rate": 0.2}
    first = drawn(DRAWS, worker, **behaviour)
    assert first == drawn(DRAWS, worker, **behaviour)
    seen = Counter(fault.status for fault in first)
    shares = {503: 0.1, 429: 0.05, RESET: 0.02, 500: 0.2, NO_FAULT: 0.63}
    assert set(seen) <= set(shares)
    assert all(near(seen[status], DRAWS, share) for status, share in shares.items())


def test_failures_of_two_workers_differ() -> None:
    assert drawn(100, 0, fail_rate=0.5) != drawn(100, 1, fail_rate=0.5)


@given(st.integers(0, 2**63 - 1))
def test_log_normal_services_have_the_median_and_the_tail_that_were_asked_for(seed: int) -> None:
    times = [
        fault.service_ns for fault in drawn(DRAWS, seed=seed, delay_ns=20 * NS_PER_MS, delay_p99_ns=400 * NS_PER_MS)
    ]
    assert near(sum(time <= 20 * NS_PER_MS for time in times), DRAWS, 0.5)
    assert near(sum(time <= 400 * NS_PER_MS for time in times), DRAWS, 0.99)
    # ln is symmetric about the median: as many are twenty times as short as are twenty times as long
    assert near(sum(time <= NS_PER_MS for time in times), DRAWS, 0.01)


def test_a_second_mode_takes_its_share_and_its_time() -> None:
    times = Counter(fault.service_ns for fault in drawn(DRAWS, delay_ns=5, slow=Share(700, 0.2), seed=3))
    assert set(times) == {5, 700}
    assert near(times[700], DRAWS, 0.2)


def test_one_option_does_not_move_what_another_draws() -> None:
    both = drawn(500, delay_ns=9, delay_p99_ns=99, slow=Share(700, 0.2), reset=0.3, seed=3)
    assert [fault.status for fault in both] == [fault.status for fault in drawn(500, reset=0.3, seed=3)]
    slow = drawn(500, delay_ns=9, slow=Share(700, 0.2), seed=3)
    assert [fault.service_ns == 700 for fault in both] == [fault.service_ns == 700 for fault in slow]


def test_what_meets_everybody_alike_is_no_chance() -> None:
    assert drawn(3, delay_ns=7) == [Fault(NO_FAULT, 7)] * 3


def test_slots_are_dealt_out_whole() -> None:
    options = ReceiverOptions(workers=3, slots=8, delay_ns=1)
    assert [options.slots_of(worker) for worker in range(3)] == [3, 3, 2]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"slots": 2}, "delay"),
        ({"slots": 1, "workers": 2, "delay_ns": 1}, "slot"),
        ({"path": "hooks"}, "path"),
        ({"workers": 0}, "workers"),
        ({"fail": (Share(500, 0.6),), "fail_rate": 0.6}, "100%"),
        ({"delay_ns": 5, "delay_p99_ns": 4}, "delay-p99"),
        ({"read_timeout_ns": 5}, "read-timeout"),
        ({"fail_rate": 1.5}, "fail-rate"),
        ({"fail_status": 200}, "fail-status"),
        ({"port": 70000}, "port"),
        ({"max_body": 0}, "max-body"),
        ({"tolerance_s": -1.0}, "tolerance"),
        ({"engine": "fast"}, "engine"),
    ],
)
def test_options_that_contradict_are_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        ReceiverOptions(**wrong)  # type: ignore[arg-type]
