"""The second look: whose lateness is taken off, and what a pause of one shard means for the others."""

from __future__ import annotations

import numpy as np
import pytest

from loadsim.error_kinds import ErrorKind
from loadsim.measure.cells import SLICE_NS
from loadsim.measure.hdr import MICROSECONDS, Ints
from loadsim.measure.histogram_codec import decode
from loadsim.measure.merged_counts import Merged
from loadsim.measure.pauses import Pauses
from loadsim.measure.result_generator import SecondLook
from loadsim.measure.strata import StratumNames
from loadsim.measure.tally import Tally
from loadsim.measure.without_generator_merge import LatenessMerge
from loadsim.measure.without_generator_tally import LatenessDelta, LatenessTally
from loadsim.outcome_codes import DROPPED, ERROR_BASE
from tests.measure.rows import MS, START, answered, array, row

NAMES = StratumNames(("load",), ("t",), ("genuine",), (True,), (None,), ("accept",))
TIMEOUT = 100 * MS


def counted(rows: list[list[int]], pauses: Pauses | None = None) -> LatenessDelta:
    tally = LatenessTally(START, TIMEOUT, (pauses or Pauses(10 * MS)).disturbed)
    tally.fold(array(rows))
    return tally.drain(*((pauses.take(START + 10**10)) if pauses is not None else ([], [])))


def look_at(*deltas: LatenessDelta) -> SecondLook:
    merge, merged = LatenessMerge(1, len(deltas)), Merged(1)
    for shard, delta in enumerate(deltas):
        merge.add(shard, 10**10, delta)
        merged.add(shard, Tally(1, START, [-1]).drain())
    return merge.look(merged, NAMES)


def values_ms(look: SecondLook, key: str) -> list[float]:
    config, counts = decode(look.histograms[key])
    found: Ints = np.repeat(config.lowest_equivalent(np.arange(len(counts))), counts)
    return [value / 1000 for value in found.tolist()]


def late(due: int, service: int, **changes: int) -> list[int]:
    """An event 3 ms late, made and sent in 1 ms, of which the answer was read 2 ms late."""
    woken = START + due + 3 * MS
    sent = woken + MS
    times = {"woken": woken, "slot": woken, "ready": woken, "sent": sent, "done": sent + service + 2 * MS}
    return row(**{"code": 200, "due": START + due, "receipt": 2 * MS, "attempt": 1, **times, **changes})


@pytest.mark.parametrize("receipt", [2 * MS, -2 * MS])
def test_lag_making_and_receipt_are_taken_off(receipt: int) -> None:
    look = look_at(counted([late(0, 5 * MS, receipt=receipt)]))
    assert values_ms(look, "response") == pytest.approx([5.0], rel=1e-3)
    assert values_ms(look, "service") == pytest.approx([5.0], rel=1e-3)
    assert look.disturbed == {}


def test_what_a_connection_took_is_the_endpoints() -> None:
    fresh = late(0, 5 * MS, slot=START + 3 * MS, ready=START + 10 * MS, sent=START + 11 * MS, done=START + 18 * MS)
    assert values_ms(look_at(counted([fresh])), "response") == pytest.approx([12.0], rel=1e-3)


def test_dropped_events_have_no_latency() -> None:
    dropped = row(code=DROPPED, due=START, woken=START, done=START)
    assert values_ms(look_at(counted([dropped, answered(0, 5 * MS)])), "response") == pytest.approx([5.0], rel=1e-3)


def paused(start: int, end: int) -> Pauses:
    pauses = Pauses(10 * MS)
    for now in (start, end, end + MS):
        if not pauses.beat(START + now, lambda: 1):
            pauses.settle(START + now, 1)
    return pauses


def test_disturbed_events_are_counted_apart_and_classes_of_status_too() -> None:
    pauses = paused(100 * MS, 300 * MS)
    rows = [answered(50 * MS, 5 * MS), answered(150 * MS, 5 * MS, lag=150 * MS), answered(400 * MS, 9 * MS, code=503)]
    look = look_at(counted(rows, pauses))
    assert look.disturbed["response"] == look.disturbed["service{status:2xx}"] == 1
    assert values_ms(look, "response") == pytest.approx([5.0, 9.0], rel=1e-3)
    assert values_ms(look, "response{status:5xx}") == pytest.approx([9.0], rel=1e-3)
    assert values_ms(look, "response{phase:load}{status:2xx}") == pytest.approx([5.0], rel=1e-3)


def test_failures_that_a_pause_brings_about_are_excused() -> None:
    pauses = paused(100 * MS, 300 * MS)
    failed = [
        answered(150 * MS, 5 * MS, lag=150 * MS, code=ERROR_BASE + kind)
        for kind in (ErrorKind.timeout, ErrorKind.reset, ErrorKind.tls)
    ]
    in_time = answered(50 * MS, 250 * MS, code=ERROR_BASE + ErrorKind.timeout)
    in_time[12] = 200 * MS
    too_late = answered(60 * MS, 340 * MS, code=ERROR_BASE + ErrorKind.timeout)
    too_late[12] = 200 * MS
    look = look_at(counted([*failed, in_time, too_late], pauses))
    assert look.excused[""] == {"timeout": 2, "reset": 1}, "an answer that lay there in time is one"


def test_a_pause_of_one_shard_disturbs_what_the_others_sent_meanwhile() -> None:
    pauses = paused(SLICE_NS, SLICE_NS + 40 * MS)
    elsewhere = counted([answered(SLICE_NS + 100 * MS, 5 * MS), answered(3 * SLICE_NS, 7 * MS)])
    look = look_at(counted([answered(0, 5 * MS), answered(SLICE_NS + 100 * MS, 6 * MS)], pauses), elsewhere)
    assert look.disturbed["response"] == 1
    assert values_ms(look, "response") == pytest.approx([5.0, 6.0, 7.0], rel=1e-3), "its own is known exactly"
    assert look.touched_s == [(0.25, 0.5)]


def test_cells_wait_until_every_shard_has_told_of_its_pauses() -> None:
    merge, merged = LatenessMerge(1, 2), Merged(1)
    merge.add(1, SLICE_NS * 2, counted([answered(SLICE_NS + 10 * MS, 5 * MS)]))
    merge.settle(SLICE_NS)
    merge.add(0, SLICE_NS * 3, counted([], paused(SLICE_NS, SLICE_NS + 40 * MS)))
    merge.settle(SLICE_NS * 2)
    assert merge.look(merged, NAMES).disturbed["response"] == 1


def test_a_frame_that_does_not_fit_is_refused() -> None:
    alien = LatenessTally(START, TIMEOUT, Pauses(10 * MS).disturbed)
    alien.fold(array([answered(0, MS, stratum=4)]))
    with pytest.raises(ValueError, match="strata"):
        LatenessMerge(1, 1).add(0, 1, alien.drain([], []))
    with pytest.raises(ValueError, match="keys"):
        LatenessMerge(1, 1).add(0, 1, LatenessDelta(b"", bytes(4), [], []))


def test_layout_leaves_room_for_what_is_disturbed() -> None:
    assert MICROSECONDS.counts_len < 0xFFFF


def test_a_pause_before_the_start_is_none_of_the_run() -> None:
    pauses = Pauses(10 * MS)
    for beat in (-200 * MS, -100 * MS, -95 * MS, -1 * MS, 5 * MS, 6 * MS):
        pauses.beat(START + beat, lambda: 0)
    merge = LatenessMerge(1, 1)
    merge.add(0, 10**10, counted([], pauses))
    assert (merge.pauses, merge.longest_ns, merge.away_ns([(0, SLICE_NS)])) == (0, 0, 0)
    pauses.beat(START + 26 * MS, lambda: 0)
    merge.add(0, 10**10, counted([], pauses))
    assert (merge.pauses, merge.longest_ns, merge.away_ns([(0, SLICE_NS)])) == (1, 20 * MS, 20 * MS)


def test_of_a_pause_over_the_start_the_part_after_it_counts() -> None:
    pauses = Pauses(10 * MS)
    pauses.beat(START - 40 * MS, lambda: 0)
    pauses.beat(START + 30 * MS, lambda: 0)
    merge = LatenessMerge(1, 1)
    merge.add(0, 10**10, counted([], pauses))
    assert (merge.pauses, merge.longest_ns, merge.away_ns([(0, SLICE_NS)])) == (1, 30 * MS, 30 * MS)
