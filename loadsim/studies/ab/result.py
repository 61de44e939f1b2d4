"""The stored result of a comparison by pairs, `ab.json` (`"schema": "loadsim.ab/1"`).

A figure that is not known is None, never 0. The complete result of each run is stored in a directory of its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result import Environment

SCHEMA = "loadsim.ab/1"

Ending = Literal["pass", "fail", "invalid", "interrupted"]


class SideRow(msgspec.Struct, frozen=True):
    """One run of a pair. `figures`: the figure that each gate compares, in ms, by the text of the gate."""

    run: str
    """Its directory, relative to this file."""
    outcome: Literal["pass", "fail", "invalid", "none"]
    """How it was judged."""
    success_rate: float | None
    rate_completed: float | None
    figures: dict[str, float | None]
    """Text of a gate → the figure that it compares, ms; None: too few samples."""
    disturbed: str = ""
    """How the generator may have changed what was measured, in words."""


class PairRow(msgspec.Struct, frozen=True):
    """One pair; `first` is the side that was run first. A side is None when the comparison ended before its run."""

    number: int
    """From 1."""
    first: Literal["a", "b"]
    """The side that was run first."""
    a: SideRow | None
    """The run against A; None: the comparison ended before it."""
    b: SideRow | None
    """The run against B."""


class GateRow(msgspec.Struct, frozen=True):
    """One gate over all pairs. Ratios are B / A; p is one-sided, for B slower."""

    text: str
    label: str
    effect: float
    """Least increase that fails, a fraction."""
    a_ms: float
    """Median over the pairs, as is `b_ms`."""
    b_ms: float
    """Median over the pairs."""
    ratio: float
    """B / A, median over the pairs."""
    interval: tuple[float, float]
    """95 %, of the ratio."""
    p: float
    """One-sided, for B slower."""
    p_adjusted: float
    """The same over all gates together."""
    outcome: Literal["slower", "faster", "none"]
    """`none`: no difference is shown."""


class CheckRow(msgspec.Struct, frozen=True):
    """How reliable a gate is on this machine, measured with A on both sides. All figures are fractions."""

    text: str
    label: str
    noise: float
    """Standard deviation of the log ratio of a pair: about the relative difference of two equal runs."""
    alarms: float
    """Share of false alarms among all relabellings of the measured pairs."""
    detectable: float | None
    """The least slowdown found in at least 90 % of the relabellings; None above 400 %."""


class AbResult(msgspec.Struct, frozen=True):
    """A comparison by pairs of runs and its outcome."""

    schema: str
    id: str
    name: str
    started_at: str
    ended_at: str
    version: str
    seed: int
    a: str
    """The target, redacted, as is `b`."""
    b: str
    """The other target."""
    same: bool
    """Both sides were the same target: only the noise of the machine was measured."""
    pairs_planned: int
    """Number of pairs asked for."""
    warm_up_s: float
    """Load before each run, which is not measured."""
    pairs: list[PairRow]
    """In the order in which they were run."""
    gates: list[GateRow]
    """What was compared."""
    checks: list[CheckRow]
    """Only where both sides were the same."""
    ending: Ending
    reasons: list[str]
    """In words: why it failed or is invalid."""
    environment: Environment
    repeated: list[PairRow] = []
    """Pairs that were run again because the generator was disturbed; they count for nothing."""
