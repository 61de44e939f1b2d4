"""Why a table says `n/a`: in words that stand under it, with what the percentile would have needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from loadsim.measure.sample_sizes import least_count
from loadsim.report.blocks import Column, Row, cell
from loadsim.report.numbers import NOT_KNOWN, count

_PERCENTILE = re.compile(r"\bp(\d+(?:\.\d+)?)$")


def unknown_words(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """What `n/a` means in a table with these columns; empty where it has none."""
    titles = [column.title for i, column in enumerate(columns) if any(cell(row[i]).text == NOT_KNOWN for row in rows)]
    if not titles:
        return ""
    percentiles = [found for title in titles if (found := _PERCENTILE.search(title))]
    reasons = []
    if percentiles:
        needs = dict.fromkeys(f"{each[0]} needs {_needed(each[1])}" for each in percentiles)
        reasons.append(f"too few samples ({', '.join(needs)})")
    if len(percentiles) < len(titles):
        reasons.append("not measured, or not known")
    return f"{NOT_KNOWN}: {'; elsewhere '.join(reasons)}"


def _needed(percentile: str) -> str:
    quantile = Fraction(percentile) / 100
    return count(least_count(max(quantile, 1 - quantile)))
