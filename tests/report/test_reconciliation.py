"""What every report says of a receiver's ledger."""

from __future__ import annotations

import html
import re

import pytest

from loadsim.measure.result_deliveries import Reconciliation
from loadsim.report import terminal
from loadsim.report.reconciliation import (
    has_findings,
    reconcile_report,
    reconciliation_findings,
    reconciliation_rows,
)
from tests.builders import run_result
from tests.report.rendering import render_page, render_summary, render_text

CLEAN = Reconciliation(
    source="https://h/ledger",
    of="deliveries",
    sent=1_000,
    delivered=990,
    unacknowledged=4,
    refused=6,
    lost=0,
    acknowledged_not_received=0,
    duplicated=0,
    reordered=12,
    reorder_extent=3,
    forged_sent=0,
    forged_accepted=0,
    forged_unanswered=0,
    never_sent=0,
)
BAD = Reconciliation(
    source="done.csv",
    of="effects",
    sent=1_000,
    delivered=990,
    unacknowledged=0,
    refused=0,
    lost=10,
    acknowledged_not_received=7,
    duplicated=1,
    forged_sent=50,
    forged_accepted=2,
    forged_unanswered=3,
    never_sent=4,
    examples={"acknowledged_not_received": [17, 2_039], "unanswered": [5], "duplicated": [9], "never_sent": [8]},
)
PROBLEM = Reconciliation(source="https://h/ledger", problem="answered 500")


def test_nothing_bad_is_no_finding() -> None:
    assert not has_findings(CLEAN)
    assert list(reconciliation_findings(CLEAN)) == []
    assert not any(row.bad for row in reconciliation_rows(CLEAN))
    assert "by at most 3 places" in terminal.render(reconcile_report(run_result(), CLEAN))


def test_what_is_bad_is_said_with_its_first_events() -> None:
    assert has_findings(BAD)
    assert list(reconciliation_findings(BAD)) == [
        "7 events answered 2xx, but not in the receiver's ledger (first: index 17, 2039)",
        "3 events sent and never answered, and not in the receiver's ledger (first: index 5)",
        "1 event in the receiver's ledger more often than expected (first: index 9)",
        "3 events forged and not answered 2xx, but in the receiver's ledger",
        "4 events in the receiver's ledger for this run, but never sent by it (first: index 8)",
    ]
    bad = {row.name: row.events for row in reconciliation_rows(BAD) if row.bad}
    assert bad == {
        "lost": 10,
        "of the lost 2xx": 7,
        "duplicated": 1,
        "delivered forged": 2,
        "unacknowledged forged": 3,
        "never sent": 4,
    }
    assert "more than once" in terminal.render(reconcile_report(run_result(), BAD))


@pytest.mark.parametrize("found", [CLEAN, BAD, PROBLEM])
def test_every_report_shows_the_same(found: Reconciliation) -> None:
    result = run_result(reconciliation=found)
    page = html.unescape(re.sub(r"<[^>]+>", " ", render_page(result, None).decode()))
    for report in (render_text(result, width=150), render_summary(result), page):
        text = " ".join(report.replace("\\", "").replace("\u2060", "").split())
        assert found.source in text
        if found.problem:
            assert "the ledger of https://h/ledger could not be read: answered 500".lower() in text.lower()
        for row in reconciliation_rows(found):
            assert re.search(rf"{row.name}\W+{row.events:,}\W+{re.escape(row.meaning)}", text), (row, text)
