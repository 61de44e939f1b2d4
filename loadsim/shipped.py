"""The scenarios that come with loadsim: their names, their texts, and the question that each answers.

They are the files of the top-level `scenarios/`. A wheel has them inside the package, where `setup.py` puts them; in a
checkout they are read where they are.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from loadsim.model import UsageError
from loadsim.spelling import did_you_mean

SUFFIX = ".toml"
_PACKAGE = Path(__file__).parent


class ShippedScenario(msgspec.Struct, frozen=True):
    """One shipped scenario in a list."""

    name: str
    """What `loadsim run` calls it."""
    question: str
    """The question that it answers."""


class ShippedScenarios(msgspec.Struct, frozen=True, kw_only=True):
    """What `loadsim scenarios --json` prints."""

    schema: str = "loadsim.scenarios/1"
    scenarios: tuple[ShippedScenario, ...]
    """In order of the alphabet."""


def shipped_scenarios() -> ShippedScenarios:
    """All of them, with their questions."""
    listed = (ShippedScenario(name, question_of(shipped_text(name))) for name in shipped_names())
    return ShippedScenarios(scenarios=tuple(listed))


@cache
def shipped_names() -> tuple[str, ...]:
    """The names of all shipped scenarios, in order of the alphabet."""
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in _place().iterdir() if file.name.endswith(SUFFIX)))


def shipped_text(name: str) -> str:
    """The text of a shipped scenario. Raises UsageError where there is none of this name."""
    if name not in shipped_names():
        hint = did_you_mean(name, shipped_names(), "; ") or f"; there are {', '.join(shipped_names())}"
        raise UsageError(f'loadsim ships no scenario called "{name}"{hint}')
    return (_place() / f"{name}{SUFFIX}").read_text("utf-8")


def question_of(text: str) -> str:
    """The question that a scenario answers: its first line, if that is a comment that ends in "?"; else nothing."""
    first = text.partition("\n")[0].rstrip()
    return first.lstrip("# ") if first.startswith("#") and first.endswith("?") else ""


def _place() -> Path:
    inside = _PACKAGE / "scenarios"
    return inside if inside.is_dir() else _PACKAGE.parent / "scenarios"
