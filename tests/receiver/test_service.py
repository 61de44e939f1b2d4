from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.model import UsageError
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.service import Service, failures

arrivals = st.lists(st.integers(0, 1000), max_size=60).map(lambda gaps: list(itertools.accumulate(gaps)))


@given(arrivals, st.integers(1, 500), st.integers(1, 5))
def test_first_come_and_never_more_in_service_than_slots(times: list[int], delay: int, slots: int) -> None:
    service = Service(delay, slots)
    done = [service.finish(time) for time in times]
    assert done == sorted(done)
    assert all(end - time >= delay for time, end in zip(times, done, strict=True))
    for end in done:
        start = end - delay
        assert sum(1 for other in done if other - delay <= start < other) <= slots


@given(arrivals, st.integers(1, 500))
def test_without_slots_nobody_waits(times: list[int], delay: int) -> None:
    service = Service(delay, None)
    assert [service.finish(time) for time in times] == [time + delay for time in times]


@given(st.integers(1, 200), st.integers(1, 100), st.integers(1, 8))
def test_capacity_is_slots_over_delay(events: int, delay: int, slots: int) -> None:
    service = Service(delay, slots)
    last = max(service.finish(0) for _ in range(events))
    assert last == -(-events // slots) * delay


@given(st.integers(0, 2**64 - 1), st.integers(0, 63))
def test_failures_are_seeded_and_of_the_share(seed: int, worker: int) -> None:
    first = list(itertools.islice(failures(0.1, seed, worker), 5000))
    assert first == list(itertools.islice(failures(0.1, seed, worker), 5000))
    assert 380 < sum(first) < 620  # 500 and more than five standard deviations (21) either way


def test_failures_of_two_workers_differ() -> None:
    one, two = (list(itertools.islice(failures(0.5, 7, worker), 100)) for worker in (0, 1))
    assert one != two


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
