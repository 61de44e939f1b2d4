"""What every word of a reconciliation means, event by event."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.error_kinds import ErrorKind
from loadsim.measure.event_outcomes import (
    REFUSAL_DUE,
    REUSED,
    UNSENT,
    Ending,
    OutcomeCollector,
    Outcomes,
    dump_outcomes,
    flags_of,
    load_outcomes,
    pack,
)
from loadsim.measure.ledger_document import Of, RunLedger
from loadsim.measure.reconcile import displaced, reconcile
from loadsim.measure.result_deliveries import Reconciliation
from loadsim.outcome_codes import ERROR_BASE, UNFINISHED

TIMEOUT = ERROR_BASE + ErrorKind.timeout
GOAWAY = ERROR_BASE + ErrorKind.goaway
GENUINE, FORGED, AGAIN = range(3)
FLAGS = flags_of([(False, False), (True, False), (False, True)])
Delivery = tuple[int, int, int]
"""Index, stratum (one of the three above), code."""


def outcomes_of(*deliveries: Delivery) -> Outcomes:
    collector = OutcomeCollector()
    for half in (deliveries[::2], deliveries[1::2]):
        collector.add(pack(np.array(half, dtype=np.int64).reshape(-1, 3), FLAGS))
    return collector.outcomes()


def ledger_of(*accepted: int, of: Of = "deliveries") -> RunLedger:
    counts = np.array(accepted, dtype=np.uint8)
    return RunLedger(of, counts, counts)


def joined(deliveries: list[Delivery], *accepted: int, of: Of = "deliveries", **options: Any) -> Reconciliation:
    return reconcile(outcomes_of(*deliveries), ledger_of(*accepted, of=of), "test", **options)


@pytest.mark.parametrize(
    ("code", "accepted", "figure"),
    [
        (200, 1, "delivered"),
        (204, 0, "acknowledged_not_received"),
        (204, 0, "lost"),
        (TIMEOUT, 0, "lost"),
        (UNFINISHED, 0, "lost"),
        (TIMEOUT, 1, "unacknowledged"),
        (500, 1, "unacknowledged"),
        (503, 0, "refused"),
        (302, 0, "refused"),
        (401, 0, "refused"),
        (GOAWAY, 0, "refused"),
        (GOAWAY, 1, "unacknowledged"),
        (200, 2, "duplicated"),
    ],
)
def test_one_event(code: int, accepted: int, figure: str) -> None:
    found = joined([(0, GENUINE, code)], accepted)
    assert getattr(found, figure) == 1
    assert found.sent == 1


@pytest.mark.parametrize(("code", "figure"), [(200, "forged_accepted"), (401, "forged_unanswered")])
def test_a_forged_event_in_the_ledger(code: int, figure: str) -> None:
    found = joined([(0, FORGED, code)], 1)
    assert getattr(found, figure) == found.forged_sent == 1
    assert (found.sent, found.lost, found.duplicated) == (0, 0, 0)
    assert found.examples == {figure: [0]}


def test_what_was_sent_several_times_is_duplicated_only_beyond_that() -> None:
    thrice = [(0, GENUINE, TIMEOUT), (0, GENUINE, 500), (0, GENUINE, 200)]
    assert joined(thrice, 3).duplicated == 0
    assert joined(thrice, 4).duplicated == 1
    assert joined(thrice, 1, of="effects").duplicated == 0
    assert joined(thrice, 2, of="effects").duplicated == 1
    assert joined(thrice, 1).delivered == 1


def test_what_was_never_sent() -> None:
    found = joined([(0, GENUINE, UNSENT), (1, GENUINE, 200)], 1, 1, 0, 1)
    assert (found.never_sent, found.sent, found.lost) == (2, 1, 0)
    assert found.examples == {"never_sent": [0, 3]}


def test_bodies_of_other_events_cannot_be_told_by_an_id_in_them() -> None:
    deliveries = [(0, GENUINE, 200), (1, AGAIN, 200)]
    assert joined(deliveries, 2, of="effects").lost == 1
    found = joined(deliveries, 2, of="effects", by_body=True)
    assert (found.lost, found.duplicated, found.sent) == (0, 1, 1)


codes = st.sampled_from([UNSENT, 200, 204, 302, 401, 503, GOAWAY, TIMEOUT, UNFINISHED])
deliveries = st.lists(st.tuples(st.integers(0, 30), st.just(0), codes), max_size=60)


@given(deliveries, st.lists(st.integers(0, 3), max_size=40))
def test_the_accounts_balance(given_deliveries: list[Delivery], accepted: list[int]) -> None:
    one_case = [(index, index % 3, code) for index, _, code in given_deliveries]
    found = joined(one_case, *accepted)
    parts = (found.delivered, found.unacknowledged, found.refused, found.lost)
    assert found.sent == sum(part or 0 for part in parts)
    sent = {index for index, stratum, code in one_case if code != UNSENT and stratum != FORGED}
    assert found.sent == len(sent)
    in_ledger = {index for index, count in enumerate(accepted) if count}
    refused = {index for index, _, code in one_case if 300 <= code < ERROR_BASE or code == GOAWAY}
    acknowledged = {index for index, _, code in one_case if 200 <= code < 300}
    assert found.lost == len({i for i in sent - in_ledger if i in acknowledged or i not in refused})


@given(deliveries)
def test_outcomes_are_what_the_greatest_delivery_was(given_deliveries: list[Delivery]) -> None:
    outcomes = outcomes_of(*given_deliveries)
    rank = {UNSENT: 1, TIMEOUT: 2, UNFINISHED: 2, 302: 3, 503: 3, GOAWAY: 3, 401: 4, 200: 5, 204: 5}
    for index in range(len(outcomes.endings)):
        mine = [code for at, _, code in given_deliveries if at == index]
        assert outcomes.ending[index] == max((rank[code] for code in mine), default=Ending.none)
        assert outcomes.deliveries[index] == sum(code != UNSENT for code in mine)
    again = load_outcomes(dump_outcomes(outcomes, "run"), "run")
    assert (again.endings.tolist(), again.deliveries.tolist()) == (
        outcomes.endings.tolist(),
        outcomes.deliveries.tolist(),
    )


def test_flags_are_kept() -> None:
    outcomes = outcomes_of((0, FORGED, 401), (1, AGAIN, 200), (2, GENUINE, 200))
    assert outcomes.flagged(REFUSAL_DUE).tolist() == [True, False, False]
    assert outcomes.flagged(REUSED).tolist() == [False, True, False]


STORED = dump_outcomes(outcomes_of((3, GENUINE, 200)), "run")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not the outcomes"),
        (STORED[:-3], "not the outcomes"),
        (STORED.replace(b"loadsim.outcomes/1", b"loadsim.outcomes/9"), "written by a newer loadsim"),
        (dump_outcomes(outcomes_of((3, GENUINE, 200)), "another"), "run 'another'"),
        (STORED.replace(b"events\x04", b"events\x05"), "cut short"),
        (STORED.replace(b"events\x04", b"events\xff"), "impossible size"),
    ],
)
def test_damaged_outcomes_are_refused_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load_outcomes(data, "run")


@given(st.permutations(range(12)), st.integers(1, 12))
def test_displacement_is_rfc_4737(order: list[int], size: int) -> None:
    arrived = order[:size]
    extents = []
    for place, index in enumerate(arrived):
        before = [earlier for earlier in range(place) if arrived[earlier] > index]
        if before:
            extents.append(place - min(before))
    assert displaced(np.array(arrived)) == (len(extents), max(extents, default=0))


def test_order_is_that_of_first_arrivals() -> None:
    counts = np.array([1, 1, 0, 1], dtype=np.uint8)
    ledger = RunLedger("deliveries", counts, counts, np.array([3.0, 1.0, 0.0, 2.0]))
    outcomes = outcomes_of(*((index, GENUINE, 200) for index in (0, 1, 3)))
    found = reconcile(outcomes, ledger, "test")
    assert (found.reordered, found.reorder_extent) == (1, 2)
    assert reconcile(outcomes, ledger, "test", ordered=False).reordered is None
