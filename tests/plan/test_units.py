"""Durations, rates and sizes: tables, refusals and the round trip."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.plan import (
    UnitError,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
    units,
)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("5s", 5_000_000_000),
        ("1.5s", 1_500_000_000),
        ("10ms", 10_000_000),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("0s", 0),
        (" 3 s ", 3_000_000_000),
        (".5ms", 500_000),
        ("0.000001ms", 1),
    ],
)
def test_a_duration_is_read_in_nanoseconds(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "rate"),
    [("500/s", 500), ("30/m", Fraction(1, 2)), ("100/h", Fraction(1, 36)), ("0/s", 0), ("0.1/s", Fraction(1, 10))],
)
def test_a_rate_is_read_exactly(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(("text", "size"), [("64KB", 64_000), ("1.5MB", 1_500_000), ("12B", 12), ("0B", 0)])
def test_a_size_is_read_in_bytes_of_a_thousand(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 seconds", "5S", "-5s", "5/s", "1e3s", "1,5s", "5us", "inf s", "nans", "٣s", "0.0000001ms"]
)
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_duration(text)


@pytest.mark.parametrize("text", ["500", "500s", "-1/s", "500/d", "/s", "500//s", "500/ms", "1/2/s", "500 per s"])
def test_what_is_not_a_rate_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_rate(text)


@pytest.mark.parametrize("text", ["64", "64kb", "64KiB", "-1B", "1.5B", "64GB"])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_size(text)


def test_a_bare_number_is_told_which_units_there_are() -> None:
    with pytest.raises(UnitError, match=r"'30' has no unit: write ms, s, m or h, such as '30s'"):
        parse_duration("30")
    with pytest.raises(UnitError, match="negative"):
        parse_rate("-3/s")


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0s"), (10_000_000, "10ms"), (90_000_000_000, "90s"), (7_200_000_000_000, "2h"), (1, "0.000001ms")],
)
def test_a_duration_is_written_in_its_largest_whole_unit(ns: int, text: str) -> None:
    assert format_duration(ns) == text


def test_a_rate_without_a_finite_decimal_per_second_is_written_per_minute_or_hour() -> None:
    assert format_rate(Fraction(1, 3)) == "20/m"
    assert format_rate(Fraction(1, 36)) == "100/h"
    assert format_rate(Fraction(500)) == "500/s"
    with pytest.raises(UnitError):
        format_rate(Fraction(1, 7))


@given(st.integers(min_value=0, max_value=10**17))
def test_durations_come_back(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns


@given(st.integers(min_value=0, max_value=10**9), st.sampled_from([1, 60, 3600]), st.integers(0, 6))
def test_rates_come_back(number: int, per: int, places: int) -> None:
    rate = Fraction(number, per * 10**places)
    assert parse_rate(format_rate(rate)) == rate


@given(st.integers(min_value=0, max_value=10**15))
def test_sizes_come_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(400, 599), st.integers(1, 10**9))
def test_what_a_receiver_is_told_comes_back(ns: int, billionths: int, status: int, speed: int) -> None:
    share = units.parse_share(f"{billionths / 10**7:.7f}%")
    assert units.parse_share(units.format_share(share)) == share
    assert units.parse_span(units.format_span(units.Span(ns, ns + 1))) == (ns, ns + 1)
    assert units.parse_failure(units.format_failure(units.Share(status, share))) == (status, share)
    assert units.parse_slow(units.format_slow(units.Share(ns, share))) == (ns, share)
    assert units.parse_speed(units.format_speed(speed)) == speed
    assert units.parse_cycle(units.format_cycle(units.Cycle(ns, speed))) == (ns, speed)
    for service in (
        units.ServiceTime(units.CONSTANT, ns),
        units.ServiceTime(units.EXPONENTIAL, ns),
        units.ServiceTime(units.LOG_NORMAL, ns, 10 * ns),
        units.ServiceTime(units.LOG_NORMAL, ns, speed),
    ):
        assert units.parse_service(units.format_service(service)) == service


def test_a_service_time_may_be_written_in_full_and_in_short() -> None:
    assert units.parse_service("exponential:50ms") == units.parse_service("exp:50ms")
    assert units.parse_service("lognormal:50ms:500ms") == units.parse_service("lognormal:50ms")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (units.parse_span, "1s"),
        (units.parse_span, "1s:2"),
        (units.parse_share, "101%"),
        (units.parse_share, "1"),
        (units.parse_failure, "200:1%"),
        (units.parse_failure, "503"),
        (units.parse_slow, "1%"),
        (units.parse_cycle, "1s"),
        (units.parse_service, "50"),
        (units.parse_service, "exp:"),
        (units.parse_service, "exp:5ms:6ms"),
        (units.parse_service, "normal:5ms"),
        (units.parse_service, "lognormal:1ms:2ms:3ms"),
        (units.parse_speed, "64KB"),
        (units.parse_speed, "0B/s"),
        (units.parse_speed, "64KB/m"),
    ],
)
def test_what_tells_a_receiver_nothing_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(UnitError):
        read(text)
