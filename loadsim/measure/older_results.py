"""Stored results of earlier schemas, brought to the present one before they are decoded."""

from __future__ import annotations

from typing import Any

_GROUPS = ("by_event", "by_case", "by_case_part", "by_phase")


def from_first(document: dict[str, Any]) -> dict[str, Any]:
    """A `loadsim.result/1` document with the keys of `loadsim.result/2`.

    `late` of each group of events is called `after_end` since then, and the result's `floor` `generator_limits`. What
    is not in the form of a result is left as it is: decoding says what is wrong with it.
    """
    renamed = _renamed(document, "floor", "generator_limits")
    if isinstance(totals := renamed.get("totals"), dict):
        renamed["totals"] = _renamed(totals, "late", "after_end")
    for key in _GROUPS:
        if isinstance(groups := renamed.get(key), dict):
            renamed[key] = {
                name: _renamed(group, "late", "after_end") if isinstance(group, dict) else group
                for name, group in groups.items()
            }
    return renamed


def _renamed(table: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if key == old else key: value for key, value in table.items()}
