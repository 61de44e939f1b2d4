"""Headers that a user gives: a name once, or one name with several values, each of which is a line of its own."""

from __future__ import annotations

from collections.abc import Mapping

Headers = dict[str, str | tuple[str, ...]]
"""Name → value, or values. Values may be `env:NAME`."""


def header_pairs(headers: Mapping[str, str | tuple[str, ...]]) -> list[tuple[str, str]]:
    """The lines that the headers are, as (name, value)."""
    return [
        (name, value)
        for name, values in headers.items()
        for value in ((values,) if isinstance(values, str) else values)
    ]


def headers_over(
    below: Mapping[str, str | tuple[str, ...]], above: Mapping[str, str | tuple[str, ...]]
) -> dict[str, str | tuple[str, ...]]:
    """Both; those of `below` that `above` names, in whichever case, are left out."""
    replaced = {name.lower() for name in above}
    return {name: value for name, value in below.items() if name.lower() not in replaced} | dict(above)
