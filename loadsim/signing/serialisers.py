"""Writes JSON as other serialisers do: layout, order of keys, escapes, numbers.

Each serialiser raises ValueError when the body is not JSON, or when it cannot write the body.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

LARGEST_BODY = 4_000_000
"""Bodies above this are not serialised again."""

_LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "compact": ("compact JSON", {"separators": (",", ":")}),
    "spaced": ("JSON with spaces", {"separators": (", ", ": ")}),
    "indented": ("JSON indented by 2", {"indent": 2}),
    "indented-4": ("JSON indented by 4", {"indent": 4}),
    "indented-tab": ("JSON indented by tabs", {"indent": "\t"}),
}


# -- escapes --------------------------------------------------------------------------------------------------------


def _slashes(text: str) -> str:
    return text.replace("/", "\\/")


def _lines(text: str) -> str:
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _html(text: str) -> str:
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return _lines(text)


def _dotnet(text: str) -> str:
    """System.Text.Json's default encoder: upper-case escapes for everything that is not plain ASCII."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[place : place + 2]) for place in range(0, len(units), 2)]
    return "".join(chr(code) if code < 127 and chr(code) not in "<>&'+`" else f"\\u{code:04X}" for code in codes)


def _lone_surrogates(text: str) -> str:
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


_ESCAPES: dict[str, tuple[str, Callable[[str], str]]] = {
    "": ("", lambda text: text),
    "slashes": (", slashes escaped", _slashes),
    "html": (", <, > and & escaped", _html),
    "slashes-lines": (", slashes and U+2028 escaped", lambda text: _lines(_slashes(text))),
    "dotnet": (", everything but plain ASCII escaped in upper case", _dotnet),
    "surrogates": ("", _lone_surrogates),
}


# -- numbers --------------------------------------------------------------------------------------------------------


def _digits(value: float) -> tuple[str, int]:
    """The shortest digits of a positive double, and n where its value is 0.digits · 10^n."""
    mantissa, _, exponent = f"{value!r}e".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    lost = len(whole + fraction) - len(digits)
    return digits.rstrip("0"), len(whole) - lost + int(exponent.rstrip("e") or 0)


def _javascript(text: str) -> str:
    """ECMA-262, Number::toString: doubles, whole ones without a fraction, exponents from 1e21 and below 1e-6."""
    value = float(text)
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    digits, n = _digits(abs(value))
    count = len(digits)
    if count <= n <= 21:
        return sign + digits.ljust(n, "0")
    if 0 < n <= 21:
        return f"{sign}{digits[:n]}.{digits[n:]}"
    if -6 < n <= 0:
        return f"{sign}0.{'0' * -n}{digits}"
    point = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{point}e{'+' if n > 0 else '-'}{abs(n - 1)}"


def _go(text: str) -> str:
    """As in ECMAScript, except for minus zero (encoding/json, floatEncoder)."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("Go refuses it")
    return "-0" if value == 0 and math.copysign(1, value) < 0 else _javascript(text)


def _php(text: str) -> str:
    """Integers up to 64 bits are kept; doubles have serialize_precision = -1 and no zero fraction."""
    if re.fullmatch("-?[0-9]+", text) and -(2**63) <= int(text[:21]) < 2**63 and text != "-0":
        return text
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("PHP cannot write it")
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0"
    digits, n = _digits(abs(value))
    if -4 < n <= 17:
        return _javascript(text)
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}e{'+' if n > 0 else '-'}{abs(n - 1)}"


_NUMBERS: dict[str, Callable[[str], str] | None] = {
    "python": None,
    "raw": lambda text: text,
    "javascript": _javascript,
    "go": _go,
    "php": _php,
}
_PLACEHOLDER = "\0loadsim "
_PLACEHOLDER_PATTERN = re.compile(r'"\\u0000loadsim ([^"]*)"')
"""A number whose text is given is put into the document as a placeholder string, because the JSON encoder would format
numbers itself."""


def _integers_first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JavaScript's order of keys: array indexes in ascending order, then the others in their original order."""
    found = dict(pairs)
    numbers = [key for key in found if key.isascii() and key.isdigit() and str(int(key[:11])) == key]
    if not numbers:
        return found
    return {key: found[key] for key in sorted(numbers, key=int)} | found


@functools.lru_cache(maxsize=1)
def _document(body: bytes, numbers: str) -> Any:
    """The parsed body. The last one is cached, because all serialisers are tried on the same body."""
    write = _NUMBERS[numbers]
    if write is None:
        return json.loads(body)
    known = write  # narrows the type for the function below

    def marked(text: str) -> str:
        return f"{_PLACEHOLDER}{known(text)}"

    hook = _integers_first if numbers == "javascript" else None
    return json.loads(body, parse_float=marked, parse_int=marked, object_pairs_hook=hook)


# -- serialisers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Serialiser:
    """One way to write JSON. `library`: who writes so, in words; empty for a combination that no known library uses."""

    layout: str = "compact"
    sorts: bool = False
    ascii_only: bool = False
    escape: str = ""
    tail: bool = False
    """Whether a line break is added at the end."""
    numbers: str = "python"
    library: str = ""

    @property
    def name(self) -> str:
        """A short, unique name: the differences from compact JSON."""
        parts = [self.layout, "sorted" * self.sorts, "ascii" * self.ascii_only, self.escape, "lf" * self.tail]
        parts += [self.numbers] if self.numbers != "python" else []
        return "-".join(filter(None, parts))

    @property
    def words(self) -> str:
        """The description, to be used after "written as"."""
        order = " with sorted keys" if self.sorts else ""
        letters = ", every other letter than ASCII escaped" if self.ascii_only else ""
        tail = ", a line break at the end" if self.tail else ""
        library = f" ({self.library})" if self.library else ""
        return f"{_LAYOUTS[self.layout][0]}{order}{letters}{_ESCAPES[self.escape][0]}{tail}{library}"

    def write(self, body: bytes) -> bytes:
        """The JSON of `body`, written by this serialiser. Raises ValueError or RecursionError."""
        if len(body) > LARGEST_BODY:
            raise ValueError("too large to be serialised again")
        document = _document(body, self.numbers)
        layout = _LAYOUTS[self.layout][1]
        text = json.dumps(document, ensure_ascii=self.ascii_only, sort_keys=self.sorts, **layout)
        if self.numbers != "python":
            text = _PLACEHOLDER_PATTERN.sub(r"\1", text)
        text = _ESCAPES[self.escape][1](text)
        return text.encode() + b"\n" * self.tail


_KNOWN = (
    Serialiser(escape="surrogates", numbers="javascript", library="JavaScript's JSON.stringify"),
    Serialiser("spaced", ascii_only=True, library="Python's json.dumps"),
    Serialiser(library="orjson, Ruby's JSON.generate, Jackson"),
    Serialiser(ascii_only=True, library="json.dumps without spaces"),
    Serialiser("spaced", library="Python's json.dumps(ensure_ascii=False)"),
    Serialiser(ascii_only=True, escape="slashes", numbers="php", library="PHP's json_encode"),
    Serialiser(escape="slashes-lines", numbers="php", library="PHP's json_encode(JSON_UNESCAPED_UNICODE)"),
    Serialiser(sorts=True, escape="html", numbers="go", library="a map by Go's json.Marshal"),
    Serialiser(sorts=True, escape="html", numbers="go", tail=True, library="a map by Go's json.Encoder"),
    Serialiser(escape="html", numbers="go", library="a struct by Go's json.Marshal"),
    Serialiser(escape="html", library="Rails' to_json"),
    Serialiser(sorts=True, library="compact, with sort_keys"),
    Serialiser(sorts=True, numbers="javascript", library="a stable JSON.stringify"),
    Serialiser("spaced", sorts=True, ascii_only=True, library="Python's json.dumps(sort_keys=True)"),
    Serialiser(escape="dotnet", numbers="raw", library=".NET's System.Text.Json"),
    Serialiser(numbers="raw", library="numbers kept as they are written"),
    Serialiser("indented", escape="surrogates", numbers="javascript", library="JSON.stringify(…, null, 2)"),
    Serialiser("indented", library="indented by 2"),
)


def _combinations() -> Iterator[Serialiser]:
    for layout, sorts, ascii_only in itertools.product(_LAYOUTS, (False, True), (False, True)):
        for escape in ("", "slashes", "html"):
            yield Serialiser(layout, sorts, ascii_only, escape)
        yield Serialiser(layout, sorts, ascii_only, tail=True)


def _all() -> tuple[Serialiser, ...]:
    found = {each.name: each for each in _KNOWN}
    for each in _combinations():
        found.setdefault(each.name, each)
    return tuple(found.values())


SERIALISERS = _all()
"""The more probable first: those of known libraries, then all combinations of layout, order and escapes."""
