"""The signature schemes by name: those of `schemes.toml`, and `custom`, which a user describes in the same form."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadsim.model import UsageError
from loadsim.signing.description import Scheme
from loadsim.signing.scheme_tables import merged, read_table
from loadsim.spelling import did_you_mean

CUSTOM = "custom"
"""The name of a scheme that the user describes."""
CUSTOM_TABLE = "target.custom"


@functools.cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("schemes.toml").read_text("utf-8"))


def _table(name: str) -> dict[str, Any] | None:
    """The table of a known scheme, with the table that it is `like` merged in."""
    table = _tables().get(name)
    if table is None or "like" not in table:
        return table
    return merged(_table(table["like"]) or {}, table)


@functools.cache
def _known(name: str) -> Scheme:
    return read_table(name, _tables()[name], _table, "schemes.toml: " + name)


def scheme_names() -> tuple[str, ...]:
    """The names of all known schemes, without `custom`."""
    return tuple(_tables())


def scheme(name: str, custom: Mapping[str, Any] | None = None, *, where: str = CUSTOM_TABLE) -> Scheme:
    """The scheme of that name. For `custom` it is made from the table `custom`; `where` is its name in messages.

    Raises UsageError with the known names and the nearest one, or with what is wrong in the table.
    """
    if name == CUSTOM:
        if custom is None:
            raise UsageError(f'scheme "{CUSTOM}" needs a description: [{CUSTOM_TABLE}] in the scenario or loadsim.toml')
        return read_table(CUSTOM, custom, _table, where)
    if custom is not None:
        raise UsageError(f'{where}: goes with scheme = "{CUSTOM}" only')
    if name in _tables():
        return _known(name)
    known = [*_tables(), CUSTOM]
    hint = did_you_mean(name, known, after=" ")
    raise UsageError(f"unknown signature scheme {name!r}: {hint}known schemes are {', '.join(known)}")


def family(found: Scheme) -> tuple[str, ...]:
    """The scheme's name and those of the schemes that it is a variant of, nearest first."""
    names = [found.name]
    like = found.like
    while like is not None:
        names.append(like)
        like = _tables()[like].get("like")
    return tuple(names)
