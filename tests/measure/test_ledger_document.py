from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from loadsim.measure.ledger_document import RunLedger, decode_ledger, encode_ledger

LEDGER = RunLedger(
    "deliveries", np.array([1, 0, 2], np.uint8), np.array([1, 0, 1], np.uint8), np.array([1.5, 0.0, 2.5])
)


def document(**changes: object) -> bytes:
    return json.dumps({**json.loads(encode_ledger("run", LEDGER)), **changes}).encode()


def test_books_travel() -> None:
    ledger = decode_ledger(encode_ledger("run", LEDGER), "run")
    assert ledger.same(LEDGER)
    assert ledger.of == "deliveries"
    assert ledger.first_s is not None
    assert ledger.first_s.tolist() == [1.5, 0.0, 2.5]


def test_what_was_accepted_is_enough() -> None:
    accepted = base64.b64encode(bytes([0, 1])).decode()
    least = {"schema": "loadsim.ledger/1", "run": "run", "of": "effects", "accepted": accepted}
    ledger = decode_ledger(json.dumps(least).encode(), "run")
    assert ledger.accepted.tolist() == ledger.arrivals.tolist() == [0, 1]
    assert ledger.first_s is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a ledger"),
        (b"\xff", "not a ledger"),
        (b"[]", "not a ledger"),
        (b'{"x":' + 5_000 * b"[", "not a ledger"),
        (document(of="all"), "not a ledger"),
        (document(accepted="§"), "not a ledger"),
        (document(schema="loadsim.ledger/2"), "written by a newer loadsim"),
        (document(run="another"), "it is of run 'another', not of run"),
        (document(arrivals="AAA="), "3 counts in accepted, and 2 in arrivals"),
        (document(first_s="AAA="), "not a multiple of 8 bytes"),
        (document(first_s=base64.b64encode(np.array([np.nan, 1, 1]).tobytes()).decode()), "a value that is not finite"),
    ],
)
def test_what_is_no_ledger_is_said_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        decode_ledger(data, "run")
    assert "\n" not in str(raised.value)
