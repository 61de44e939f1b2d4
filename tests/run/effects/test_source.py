"""Times and counts as sources write them."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from loadsim.run.effects.source import GapError, columns, count_of, instant_ns

AT_NS = 1_764_430_000_250_000_000


@pytest.mark.parametrize(
    "value",
    [
        1764430000.25,
        "1764430000.25",
        Decimal("1764430000.25"),
        "2025-11-29T15:26:40.250Z",
        "2025-11-29T16:26:40.250+01:00",
        datetime.datetime(2025, 11, 29, 15, 26, 40, 250_000),  # noqa: DTZ001 - one without a zone is UTC
        datetime.datetime(2025, 11, 29, 15, 26, 40, 250_000, datetime.UTC),
    ],
)
def test_a_time_is_seconds_since_1970_or_a_date(value: object) -> None:
    assert abs(instant_ns(value, "at") - AT_NS) < 1000


@pytest.mark.parametrize("value", [None, True, "soon", -1, float("nan"), 1e300, Decimal("NaN"), b"1764430000"])
def test_anything_else_is_no_time(value: object) -> None:
    with pytest.raises(GapError, match=r"at: .* is no time"):
        instant_ns(value, "at")


@pytest.mark.parametrize("value", [None, True, -1, 1 << 64, 1.5, "1", Decimal(1)])
def test_what_is_no_count(value: object) -> None:
    with pytest.raises(GapError, match=r"count: .* is no count"):
        count_of(value, "count")


def test_what_was_done_no_times_is_no_effect() -> None:
    ids, at, times = columns([(b"a", 1, 0), (b"b", 2, 3)])
    assert (ids, at.tolist(), times.tolist()) == ([b"b"], [2], [3])
    assert columns([])[0] == []
