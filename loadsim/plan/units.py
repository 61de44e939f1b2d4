"""Parses and formats durations, rates and sizes, such as `30s`, `500/s` and `64KB`.

A number without a unit is an error. Parsing and formatting are exact: `parse(format(x)) == x`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from loadsim.model import NS_PER_MS, NS_PER_S

DURATION_UNITS = {"ms": NS_PER_MS, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S}
RATE_UNITS = {"s": 1, "m": 60, "h": 3600}
SIZE_UNITS = {"B": 1, "KB": 1_000, "MB": 1_000_000}

_NUMBER_AND_UNIT = re.compile(r"\s*(-?)([0-9]{1,18}(?:\.[0-9]{1,12})?|\.[0-9]{1,12})\s*(/?\s*[A-Za-zµ]*)\s*", re.ASCII)


class UnitError(ValueError):
    """A text is not a quantity in a known unit. The message has the reason and a valid example."""


class Span(NamedTuple):
    """A time span that starts `after_ns` after an agreed instant and lasts `for_ns`."""

    after_ns: int
    for_ns: int


class Share(NamedTuple):
    """A share of the events, and what happens to them: a status, or a duration in ns."""

    value: int
    share: float


class Cycle(NamedTuple):
    """The last `for_ns` of every `every_ns`."""

    every_ns: int
    for_ns: int


class ServiceTime(NamedTuple):
    """A distribution of service times. `ns` is the value of a constant, the mean of an exponential, the median of a
    log-normal, whose 99th percentile is `p99_ns` (0 for the others)."""

    kind: str
    ns: int
    p99_ns: int = 0


CONSTANT, EXPONENTIAL, LOG_NORMAL = "constant", "exponential", "lognormal"
_USUAL_P99 = 10
"""The 99th percentile of a log-normal over its median where only the median is given: σ is 0.99."""


def _split(text: str, kind: str, units: str, example: str) -> tuple[Fraction, str]:
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None:
        raise UnitError(f"{text!r} is not a {kind}: write a number and a unit ({units}), such as {example!r}")
    sign, number, unit = match.groups()
    if sign:
        raise UnitError(f"{text!r} is negative: a {kind} is 0 or more, such as {example!r}")
    unit = unit.replace(" ", "")
    if not unit:
        mine = "".join(char for char in example if not char.isdigit())
        raise UnitError(f"{text!r} has no unit: write {units}, such as {number + mine!r}")
    return Fraction(number), unit


def parse_duration(text: str) -> int:
    """`"1.5s"` → nanoseconds. Units: ms s m h. Raises UnitError; parts of a nanosecond are an error too."""
    number, unit = _split(text, "duration", "ms, s, m or h", "30s")
    if unit not in DURATION_UNITS:
        raise UnitError(f"{text!r} has the unknown unit {unit!r}: a duration is in ms, s, m or h, such as '30s'")
    value = number * DURATION_UNITS[unit]
    if value.denominator != 1:
        raise UnitError(f"{text!r} is finer than a nanosecond")
    return int(value)


def _two_durations(text: str, form: str, example: str) -> tuple[int, int]:
    first, colon, second = text.partition(":")
    if not colon:
        raise UnitError(f"{text!r} is not {form}: write two durations, such as {example!r}")
    return parse_duration(first), parse_duration(second)


def parse_span(text: str) -> Span:
    """`"10s:1.4s"` → begins after 10 s and lasts 1.4 s. Raises UnitError."""
    return Span(*_two_durations(text, "AT:FOR", "10s:1.4s"))


def format_span(span: Span) -> str:
    """The inverse of `parse_span`."""
    return f"{format_duration(span.after_ns)}:{format_duration(span.for_ns)}"


def parse_cycle(text: str) -> Cycle:
    """`"5s:2s"` → the last 2 s of every 5 s. Raises UnitError."""
    return Cycle(*_two_durations(text, "EVERY:FOR", "5s:2s"))


def format_cycle(cycle: Cycle) -> str:
    """The inverse of `parse_cycle`."""
    return f"{format_duration(cycle.every_ns)}:{format_duration(cycle.for_ns)}"


def parse_service(text: str) -> ServiceTime:
    """`"50ms"` → constant; `"exp:50ms"` → exponential with this mean; `"lognormal:50ms"` → log-normal with this median,
    and a 99th percentile of ten times that; `"lognormal:50ms:200ms"` names the percentile. Raises UnitError."""
    kind, *given = text.strip().split(":")
    if not given:
        return ServiceTime(CONSTANT, parse_duration(kind))
    times = tuple(map(parse_duration, given))
    if kind in {"exp", EXPONENTIAL} and len(times) == 1:
        return ServiceTime(EXPONENTIAL, *times)
    if kind == LOG_NORMAL and len(times) == 1:
        return ServiceTime(LOG_NORMAL, times[0], _USUAL_P99 * times[0])
    if kind == LOG_NORMAL and len(times) == 2:
        return ServiceTime(LOG_NORMAL, *times)
    raise UnitError(f"{text!r} is not a service time: write TIME, exp:MEAN, lognormal:MEDIAN or lognormal:MEDIAN:P99")


def format_service(service: ServiceTime) -> str:
    """The inverse of `parse_service`."""
    if service.kind == CONSTANT:
        return format_duration(service.ns)
    if service.kind == EXPONENTIAL:
        return f"exp:{format_duration(service.ns)}"
    p99 = "" if service.p99_ns == _USUAL_P99 * service.ns else f":{format_duration(service.p99_ns)}"
    return f"lognormal:{format_duration(service.ns)}{p99}"


def parse_share(text: str) -> float:
    """`"1%"` → 0.01. Raises UnitError."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%", text.strip(), re.ASCII)
    if match is None or float(match[1]) > 100:
        raise UnitError(f"{text!r} is not a share: write 0% to 100%, such as '1%'")
    return float(match[1]) / 100


def format_share(share: float) -> str:
    """The inverse of `parse_share`."""
    return f"{share * 100:.9f}".rstrip("0").rstrip(".") + "%"


def parse_failure(text: str) -> Share:
    """`"503:1%"` → 1 % of the events are answered with 503. Raises UnitError."""
    status, _, share = text.partition(":")
    if re.fullmatch(r"[45][0-9]{2}", status.strip(), re.ASCII) is None:
        raise UnitError(f"{text!r} is not STATUS:SHARE: write a status from 400 to 599 and a share, such as '503:1%'")
    return Share(int(status), parse_share(share))


def format_failure(failure: Share) -> str:
    """The inverse of `parse_failure`."""
    return f"{failure.value}:{format_share(failure.share)}"


def parse_slow(text: str) -> Share:
    """`"500ms:2%"` → 2 % of the events take 500 ms. Raises UnitError."""
    duration, colon, share = text.partition(":")
    if not colon:
        raise UnitError(f"{text!r} is not TIME:SHARE: write a duration and a share, such as '500ms:2%'")
    return Share(parse_duration(duration), parse_share(share))


def format_slow(slow: Share) -> str:
    """The inverse of `parse_slow`."""
    return f"{format_duration(slow.value)}:{format_share(slow.share)}"


def parse_speed(text: str) -> int:
    """`"64KB/s"` → bytes per second, at least 1. Raises UnitError."""
    size, slash, unit = text.strip().partition("/")
    if not slash or unit != "s" or parse_size(size) < 1:
        raise UnitError(f"{text!r} is not a reading speed: write bytes per second, such as '64KB/s'")
    return parse_size(size)


def format_speed(speed: int) -> str:
    """The inverse of `parse_speed`."""
    return f"{format_size(speed)}/s"


def parse_rate(text: str) -> Fraction:
    """`"500/s"` → events per second, exactly. Units: /s /m /h; 0 is allowed. Raises UnitError."""
    number, unit = _split(text, "rate", "/s, /m or /h", "500/s")
    if not unit.startswith("/") or unit[1:] not in RATE_UNITS:
        raise UnitError(f"{text!r} has the unknown unit {unit!r}: a rate is in /s, /m or /h, such as '500/s'")
    return number / RATE_UNITS[unit[1:]]


def parse_size(text: str) -> int:
    """`"64KB"` → bytes; 1 KB is 1,000 B. Units: B KB MB. Raises UnitError; parts of a byte are an error too."""
    number, unit = _split(text, "size", "B, KB or MB", "64KB")
    if unit not in SIZE_UNITS:
        raise UnitError(f"{text!r} has the unknown unit {unit!r}: a size is in B, KB or MB, such as '64KB'")
    value = number * SIZE_UNITS[unit]
    if value.denominator != 1:
        raise UnitError(f"{text!r} is not a whole number of bytes")
    return int(value)


def format_duration(ns: int) -> str:
    """Nanoseconds → the shortest exact text: the largest unit that gives a whole number, else ms with decimals."""
    for unit in ("h", "m", "s"):
        if ns % DURATION_UNITS[unit] == 0 and ns:
            return f"{ns // DURATION_UNITS[unit]}{unit}"
    return _decimal(Fraction(ns, NS_PER_MS)) + "ms" if ns else "0s"


def format_rate(rate: Fraction) -> str:
    """Events per second → exact text in the first of /s, /m, /h that has a finite decimal; UnitError if none has."""
    for unit, factor in RATE_UNITS.items():
        try:
            return f"{_decimal(rate * factor)}/{unit}"
        except UnitError:
            continue
    raise UnitError(f"the rate {rate} per second cannot be written exactly in /s, /m or /h")


def format_size(size: int) -> str:
    """Bytes → the largest unit that gives a whole number."""
    for unit in ("MB", "KB"):
        if size and size % SIZE_UNITS[unit] == 0:
            return f"{size // SIZE_UNITS[unit]}{unit}"
    return f"{size}B"


def _decimal(value: Fraction) -> str:
    """A fraction as a plain decimal with at most 12 digits behind the point, exactly."""
    scaled = value * 10**12
    if scaled.denominator != 1:
        raise UnitError(f"{value} has no finite decimal")
    whole, part = divmod(int(scaled), 10**12)
    return f"{whole}.{part:012d}".rstrip("0").rstrip(".")
