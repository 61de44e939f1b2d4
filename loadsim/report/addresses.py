"""Which of an endpoint's addresses took what, in sentences; an endpoint with one address has none."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.measure.result import AddressRow

_MOST = 8
"""So many addresses are named."""


def address_lines(rows: Sequence[AddressRow]) -> list[str]:
    """Which of an endpoint's addresses took what; the busiest first where there are many."""
    busiest = rows if len(rows) <= _MOST else sorted(rows, key=lambda row: -row.answers)[:_MOST]
    lines = []
    for row in busiest:
        failed = f", {_counted(row.failures, 'failed attempt')} to connect" if row.failures else ""
        took = f"{_counted(row.answers, 'answer')} on {_counted(row.connections, 'connection')}"
        lines.append(f"address {row.address}: {took}{failed}")
    if len(rows) > len(busiest):
        left = sum(row.answers for row in rows) - sum(row.answers for row in busiest)
        lines.append(f"{len(rows) - len(busiest)} more addresses: {_counted(left, 'answer')}")
    return lines


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
