"""The result of `loadsim doctor` (`"schema": "loadsim.doctor/1"`)."""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result import Environment

SCHEMA = "loadsim.doctor/1"

State = Literal["good", "note", "limit"]
"""`note`: it could be better. `limit`: a run is likely to be limited by it."""


Figures = dict[str, float | int | str | bool | None]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One property of the machine."""

    name: str
    state: State
    """`note`: it could be better. `limit`: a run is likely to be limited by it."""
    found: str
    """In words, for people."""
    meaning: str
    """What it means for a load."""
    advice: str = ""
    """What to do about it."""
    figures: Figures = {}
    """The same for programs; each check has always the same keys, and null for what is not known."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """All checks of one machine."""

    schema: str = SCHEMA
    version: str
    environment: Environment
    checks: list[Check]
    """One for each property."""
