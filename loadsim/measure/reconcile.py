"""Reconciliation: the sender's outcomes compared with the receiver's ledger, event by event.

It finds events that were lost, duplicated or reordered, forged events that were accepted, and events that were never
sent. `result.Reconciliation` defines each figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.event_outcomes import REFUSAL_DUE, REUSED, Ending, Outcomes
from loadsim.measure.hdr import Ints
from loadsim.measure.ledger_document import RunLedger
from loadsim.measure.result_deliveries import Reconciliation

EXAMPLES = 5
Which = NDArray[np.bool_]


def reconcile(
    outcomes: Outcomes, ledger: RunLedger, source: str, *, ordered: bool = True, by_body: bool = False
) -> Reconciliation:
    """Compare both sides. `ordered`: events were due in the order of their indexes. `by_body`: the receiver identifies
    events by an id in their body. A delivery that repeats another event's body is then left out: the ledger cannot show
    which of the two it was.
    """
    size = max(len(outcomes.endings), len(ledger.accepted))
    endings, deliveries, accepted = (
        _filled(array, size) for array in (outcomes.endings, outcomes.deliveries, ledger.accepted)
    )
    joined = Outcomes(endings, deliveries)
    ending, due = joined.ending, joined.flagged(REFUSAL_DUE)
    sent, received = deliveries > 0, accepted > 0
    own = sent if not by_body else sent & ~joined.flagged(REUSED)
    genuine = own & ~due
    acknowledged = ending == Ending.succeeded
    answered = ending >= Ending.answered
    missing = genuine & ~received
    repeated = accepted > (deliveries if ledger.of == "deliveries" else 1)
    found: dict[str, Which] = {
        "unacknowledged": genuine & received & ~acknowledged,
        "lost": missing & (acknowledged | ~answered),
        "acknowledged_not_received": missing & acknowledged,
        "duplicated": genuine & repeated,
        "forged_accepted": own & due & acknowledged & received,
        "forged_unanswered": own & due & ~acknowledged & received,
        "never_sent": received & ~sent,
    }
    reordered, extent = (None, None)
    if ordered and ledger.first_s is not None:
        reordered, extent = displaced(_arrived(ledger.first_s, ledger.arrivals))
    counts: dict[str, Any] = {name: int(which.sum()) for name, which in found.items()}
    return Reconciliation(
        source=source,
        of=ledger.of,
        sent=int(genuine.sum()),
        delivered=int((genuine & received & acknowledged).sum()),
        refused=int((missing & answered & ~acknowledged).sum()),
        reordered=reordered,
        reorder_extent=extent,
        forged_sent=int((own & due).sum()),
        examples=_examples({**found, "unanswered": missing & ~answered}),
        **counts,
    )


def _examples(found: dict[str, Which]) -> dict[str, list[int]]:
    return {name: np.flatnonzero(which)[:EXAMPLES].tolist() for name, which in found.items() if which.any()}


def _filled(array: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The array extended with zeros to `size`."""
    return array if len(array) == size else np.concatenate((array, np.zeros(size - len(array), dtype=np.uint8)))


def _arrived(first_s: NDArray[np.float64], arrivals: NDArray[np.uint8]) -> Ints:
    """The indexes of the events that arrived, in the order of their first arrival."""
    index = np.flatnonzero(arrivals)
    return index[np.argsort(first_s[index], kind="stable")]


def displaced(arrived: Ints) -> tuple[int, int]:
    """How many events arrived after one with a greater index, and the most places by which one was overtaken.

    `arrived` are the indexes in order of arrival. RFC 4737: an arrival is reordered when its number is below the
    greatest that came before (3.3); its extent is how many places back the earliest greater one stands (4.2.1).
    """
    if len(arrived) < 2:
        return 0, 0
    greatest = np.maximum.accumulate(arrived)
    reordered = np.flatnonzero(arrived < greatest)
    if not len(reordered):
        return 0, 0
    overtaken_by = np.searchsorted(greatest, arrived[reordered], side="right")
    return len(reordered), int((reordered - overtaken_by).max())
