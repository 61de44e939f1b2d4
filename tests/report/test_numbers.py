"""How figures read: units, digits, and foreign text made harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.report import numbers


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "n/a"),
        (0, "0 ms"),
        (0.0000021, "2.10 ns"),
        (0.0009996, "1.00 µs"),
        (0.87, "870 µs"),
        (0.99951, "1.00 ms"),
        (9.999, "10.0 ms"),
        (12.34, "12.3 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1104, "1.10 s"),
        (3_600_000, "3,600 s"),
    ],
)
def test_milliseconds(ms: float | None, text: str) -> None:
    assert numbers.milliseconds(ms) == text


def test_an_interval_speaks_in_the_unit_of_its_value() -> None:
    assert numbers.interval(950, 1040, like=1000) == "0.950–1.04"
    assert numbers.interval(950, 1040, like=980) == "950–1,040"
    assert numbers.interval(950, 1040) == "0.950–1.04 s"


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(None, "n/a"), (1, "100 %"), (0, "0 %"), (0.9995, "99.95 %"), (0.999999, "99.9999 %"), (0.000001, "0.0001 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(fraction: float | None, text: str) -> None:
    assert numbers.share(fraction) == text


@pytest.mark.parametrize(
    ("value", "unit", "limit", "text"),
    [
        (250.04, "ms", 250, "250.04 ms"),
        (250, "ms", 250, "250 ms"),
        (44.01, "ms", 250, "44.0 ms"),
        (0.98996, "fraction", 0.99, "98.996 %"),
        (0.5, "fraction", 0.99, "50 %"),
        (479.9999, "events/s", 480, "479.9999/s"),
        (60_000, "events", 60_001, "60,000"),
        (None, "ms", 250, "n/a"),
    ],
)
def test_an_observation_shows_on_which_side_of_the_limit_it_lies(
    value: float | None, unit: str, limit: float, text: str
) -> None:
    assert numbers.observed(value, unit, limit) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (812, "812 B"), (48_720_000, "48.7 MB"), (None, "n/a")])
def test_size(size: int | None, text: str) -> None:
    assert numbers.size(size) == text


@given(st.text())
def test_nothing_can_steer_a_terminal(text: str) -> None:
    assert all(char.isprintable() or char == "\n" for char in numbers.printable(text))


@given(st.floats(1e-6, 1e9))
def test_what_is_shown_is_within_the_last_digit(ms: float) -> None:
    number, unit = numbers.milliseconds(ms).split()
    shown = float(number.replace(",", "")) / {"s": 0.001, "ms": 1, "µs": 1e3, "ns": 1e6}[unit]
    assert shown == pytest.approx(ms, rel=0.0051)
