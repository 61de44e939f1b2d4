"""Headers that a user gives. A name may have several values, which become a line each."""

from __future__ import annotations

from collections.abc import Mapping

Headers = dict[str, str | tuple[str, ...]]
"""Name → value, or values. Values may be `env:NAME`."""


def header_pairs(headers: Mapping[str, str | tuple[str, ...]]) -> list[tuple[str, str]]:
    """The header lines as (name, value)."""
    return [
        (name, value)
        for name, values in headers.items()
        for value in ((values,) if isinstance(values, str) else values)
    ]


def headers_over(
    below: Mapping[str, str | tuple[str, ...]], above: Mapping[str, str | tuple[str, ...]]
) -> dict[str, str | tuple[str, ...]]:
    """Both sets of headers. A header of `above` replaces one of `below` with the same name, in any case."""
    replaced = {name.lower() for name in above}
    return {name: value for name, value in below.items() if name.lower() not in replaced} | dict(above)
