"""The part of a stored result that is about how it was judged."""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result_numbers import Figure


class Aborted(msgspec.Struct, frozen=True):
    """The run was ended early because an objective could not be met any more."""

    objective: str
    """Its text."""
    at_s: Figure
    """Since the start of the run."""
    why: str
    """In words, with figures."""


class Validity(msgspec.Struct, frozen=True):
    """Whether the measurement is valid, and if not, why."""

    valid: bool
    """False: INVALID."""
    reasons: list[str]
    """In words: why it is INVALID."""
    warnings: list[str] = []
    """What should be known beside the verdict, and does not decide it."""


class ObjectiveRow(msgspec.Struct, frozen=True):
    """One objective and how it was judged."""

    text: str
    """As it was given."""
    default: bool
    """Added by loadsim itself."""
    observed: Figure | None
    """The figure in the run, in `unit`; None: not known."""
    passed: bool | None
    """None: could not be judged."""
    ci95: tuple[Figure, Figure] | None = None
    """95 % interval of the figure, in its unit; None: not known."""
    needs_s: Figure | None = None
    """Without `ci95`: how long such a run would have to be for an interval; None: the figure never has one."""
    unit: str = ""
    """Of `observed`: `ms`, `/s`, `ratio` or nothing."""
    note: str = ""
    """What has to be known about this row, in words."""
    at_least: bool = False
    """`observed` is a lower bound: it falls on events that were still under way at the end."""
    scaled: bool = False
    """Not judged, because the run was shortened (`--scale`): it does not decide the verdict."""
    without_generator: Figure | None = None
    """The figure without the generator's own lateness, where the objective was missed and that is known."""


class VerdictRow(msgspec.Struct, frozen=True):
    """The verdict as stored."""

    outcome: Literal["pass", "fail", "invalid", "none"]
    """`none`: not judged."""
    objectives: list[ObjectiveRow]
    """Every objective, in the order given."""
    reading: Literal["point", "confident"] = "point"
    """How objectives were read (`--gate`): by the figure itself, or failed only when its whole interval is beyond the
    limit."""
    defaults: bool = True
    """Whether default objectives were added."""
