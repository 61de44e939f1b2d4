"""Numbers as they are shown: a unit that fits the size, three significant digits, n/a for what is not known.

`printable` makes foreign text safe to show: nothing that an endpoint sends may control a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from loadsim.foreign_text import harmless

NOT_KNOWN = "n/a"
_SPANS = ((1, "s"), (60, "min"), (3600, "h"))
_MOST_OF_A_UNIT = 200


def milliseconds(value: float | None) -> str:
    """`870 µs`, `12.3 ms`, `1.10 s`: three significant digits in the unit that fits."""
    if value is None:
        return NOT_KNOWN
    scale, unit = time_unit(value)
    return f"{significant(value * scale)} {unit}"


def interval(low: float, high: float, like: float | None = None) -> str:
    """`1.02–1.18`, in the unit that `milliseconds(like)` shows; with its own unit when `like` is None."""
    scale, unit = time_unit(high if like is None else like)
    text = f"{significant(low * scale)}–{significant(high * scale)}"
    return text if like is not None else f"{text} {unit}"


def span(seconds: float) -> str:
    """A length of time that may be long: `350 ms`, `90.0 s`, `4.20 min`, `12.5 h`."""
    if seconds < 2 * _SPANS[1][0]:
        return milliseconds(1000 * seconds)
    scale, unit = next(pair for pair in _SPANS[1:] if seconds < _MOST_OF_A_UNIT * pair[0] or pair is _SPANS[-1])
    return f"{significant(seconds / scale)} {unit}"


def needed(seconds: float) -> str:
    """How long a run would have to be for an interval, two digits, rounded up: `needs 45 s`, `needs 12 min`."""
    scale, unit = next(pair for pair in _SPANS if seconds < _MOST_OF_A_UNIT * pair[0] or pair is _SPANS[-1])
    value = seconds / scale
    step = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return f"needs {significant(math.ceil(round(value / step, 6)) * step, 2).removesuffix('.0')} {unit}"


def time_unit(ms: float) -> tuple[float, str]:
    """The factor from ms, and the name of the unit that fits this size."""
    rounded = float(f"{abs(ms):.3g}")
    if rounded >= 1000:
        return 0.001, "s"
    if rounded >= 1 or rounded == 0:
        return 1.0, "ms"
    if rounded >= 0.001:
        return 1000.0, "µs"
    return 1e6, "ns"


def significant(value: float, digits: int = 3) -> str:
    """`digits` significant digits without an exponent, whole numbers in full: `1.10`, `12.3`, `352`, `3,520`."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{value:,.{max(decimals, 0)}f}"


def share(value: float | None, decimals: int = 2) -> str:
    """A fraction as a percentage that never rounds up to 100 % or down to 0 %."""
    if value is None:
        return NOT_KNOWN
    text = ""
    for digits in range(decimals, decimals + 8):
        text = f"{100 * value:.{digits}f}"
        if value in (0, 1) or 0 < float(text) < 100:
            break
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    return NOT_KNOWN if value is None else f"{value:,.0f}"


def per_second(value: float | None) -> str:
    """`2,000/s`, `0.5/s`."""
    if value is None:
        return NOT_KNOWN
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}/s"


def size(value: int | None) -> str:
    """Bytes in powers of 1,000: `812 B`, `48.7 MB`."""
    if value is None:
        return NOT_KNOWN
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5 or unit == "GB":
            break
        amount /= 1000
    return f"{value} B" if unit == "B" else f"{significant(amount)} {unit}"


def observed(value: float | None, unit: str, limit: float | None = None) -> str:
    """An objective's figure in its unit (`ms`, `fraction`, `events`, `events/s`; of a watch `s`, `bytes`,
    `cores`, `number`).

    With a limit, it has enough digits to show on which side of the limit it lies: 250.04 ms is not `250 ms`.
    """
    if value is None:
        return NOT_KNOWN
    texts = (_with_digits(value, unit, digits) for digits in range(3, 12))
    if limit is None or limit == value:
        return next(texts)
    text = ""
    for digits, text in enumerate(texts, 3):
        if text != _with_digits(limit, unit, digits):
            break
    return text


def _with_digits(value: float, unit: str, digits: int) -> str:
    if unit == "ms":
        scale, name = time_unit(value)
        return f"{significant(value * scale, digits)} {name}"
    if unit == "fraction":
        return share(value, digits - 1)
    if unit == "s":
        return _with_digits(1000 * value, "ms", digits)
    if unit == "bytes" and abs(value) >= 1000:
        scale, name = next(pair for pair in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if abs(value) >= pair[0])
        return f"{significant(value / scale, digits)} {name}"
    if unit in ("number", "bytes", "cores"):
        return significant(value, max(digits, 4)) + ("" if unit == "number" else f" {unit}")
    return count(value) if unit == "events" else f"{significant(value, max(digits, 4))}/s"


def printable(text: str, *, lines: bool = False) -> str:
    """The text as one line, with every control, format and unassigned character written as an escape, and what a CI
    runner would take for a command broken by one.

    `lines`: line breaks are kept, for texts of several lines such as a body.
    """
    kept = "\n" if lines else ""
    shown = text.replace("\r\n", "\n").replace("\t", "    ")
    if not shown.isprintable():  # few texts are looked at character by character
        shown = "".join(
            char if char.isprintable() or char == kept else char.encode("unicode_escape").decode("ascii")
            for char in shown
        )
    return harmless(shown.encode()).decode() if "::" in shown or "##" in shown or not shown.isascii() else shown


def ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The counts that are not 0, the greatest first."""
    return sorted(((name, n) for name, n in counts.items() if n), key=lambda item: (-item[1], item[0]))


def answers(status: Mapping[str, int], errors: Mapping[str, int], unfinished: int) -> str:
    """How deliveries ended, the most frequent first: `200: 40, 409: 12`."""
    found = ranked({**status, **errors, "unfinished": unfinished})
    return ", ".join(f"{outcome_name(name)}: {count(n)}" for name, n in found)


def deliveries(number: int) -> str:
    """`1 delivery`, `2,000 deliveries`."""
    return f"{number:,} {'delivery' if number == 1 else 'deliveries'}"


def outcome_name(name: str) -> str:
    """A status or an error kind as reports show it. Events are refused by answers: of a connection it says so."""
    return "connection refused" if name == "refused" else name
