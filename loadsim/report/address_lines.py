"""Sentences on the connections and answers of each IP address of an endpoint."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.measure.result_events import AddressRow
from loadsim.model import counted

_MOST = 8
"""The number of addresses that are named."""


def address_lines(rows: Sequence[AddressRow]) -> list[str]:
    """One sentence for each address; the busiest first where there are many."""
    busiest = rows if len(rows) <= _MOST else sorted(rows, key=lambda row: -row.answers)[:_MOST]
    lines = []
    for row in busiest:
        failed = f", {counted(row.failures, 'failed attempt')} to connect" if row.failures else ""
        took = f"{counted(row.answers, 'answer')} on {counted(row.connections, 'connection')}"
        lines.append(f"address {row.address}: {took}{failed}")
    if len(rows) > len(busiest):
        left = sum(row.answers for row in rows) - sum(row.answers for row in busiest)
        lines.append(f"other addresses ({len(rows) - len(busiest):,}): {counted(left, 'answer')}")
    return lines
