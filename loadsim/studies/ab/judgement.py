"""Is B slower than A? Statistics of interleaved pairs of runs: numbers in, a decision out.

The test is an exact sign-flip test on the log ratios of the pairs, with a least effect and Holm's correction over
several gates. The unit is the run, not the request: two runs of one build differ by more than the spread of their
requests suggests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadsim.judge.slowdown_gates import Gate
from loadsim.measure.timing_statistics import median_interval

Floats = NDArray[np.float64]
AbOutcome = Literal["slower", "faster", "none"]

LEAST_PAIRS = 7
"""Five pairs reach p = 0.031 at best; with seven, one pair may go the other way, or a second metric may be judged."""
MOST_PAIRS = 16
"""The test computes all 2^pairs sign patterns."""
ALPHA = 0.05
_TIE = 1e-12
MOST_PATTERNS = 512
LARGEST_SLOWDOWN = 4.0
_PRECISION = 0.001
_WANTED_POWER = 0.9


@dataclass(frozen=True, slots=True)
class Comparison:
    """One gate over all pairs. Ratios are B / A; p-values are one-sided, for B slower."""

    gate: Gate
    ratios: tuple[float, ...]
    ratio: float
    """The median of the pairs."""
    interval: tuple[float, float]
    """Holds the true median with at least 95 % confidence, for any distribution; the whole range of few pairs."""
    p: float
    p_adjusted: float
    """Holm's, over all gates of the comparison."""
    outcome: AbOutcome


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """How reliable a gate is on this machine, from pairs in which both sides were the same target."""

    gate: Gate
    noise: float
    """Standard deviation of the log ratio of a pair: approximately the relative difference of two equal runs."""
    alarms: float
    """Share of false alarms: of all relabellings of the measured pairs, those in which the gate would have failed."""
    detectable: float | None
    """The least slowdown (a fraction) found in at least 90 % of the relabellings; None above 400 %."""


def compare_pairs(pairs: Mapping[Gate, Sequence[tuple[float, float]]]) -> list[Comparison]:
    """Judge every gate from its (A, B) figures, one per pair, all above 0.

    A gate fails (`slower`) when Holm's adjusted p is at most 5 % and the median ratio reaches its least effect.
    `faster` is the same in the other direction, for information only.
    """
    logs = {gate: np.log([b / a for a, b in rows]) for gate, rows in pairs.items()}
    slower = {gate: sign_flip_p(row) for gate, row in logs.items()}
    faster = {gate: sign_flip_p(-row) for gate, row in logs.items()}
    adjusted = dict(zip(slower, holm(list(slower.values())), strict=True))
    mirrored = dict(zip(faster, holm(list(faster.values())), strict=True))
    found = []
    for gate, row in logs.items():
        ratio = math.exp(float(np.median(row)))
        outcome: AbOutcome = "none"
        if adjusted[gate] <= ALPHA and _reaches(ratio, 1 + gate.effect):
            outcome = "slower"
        elif mirrored[gate] <= ALPHA and _reaches(1 / ratio, 1 + gate.effect):
            outcome = "faster"
        low, high = median_interval(row.tolist()) or (float(row.min()), float(row.max()))
        found.append(
            Comparison(
                gate=gate,
                ratios=tuple(np.exp(row).tolist()),
                ratio=ratio,
                interval=(math.exp(low), math.exp(high)),
                p=slower[gate],
                p_adjusted=adjusted[gate],
                outcome=outcome,
            )
        )
    return found


def sign_flip_p(differences: Floats) -> float:
    """One-sided p of the exact sign-flip (Fisher's randomisation) test: how often a mean would be at least as high.

    Under the null hypothesis each difference could equally have the other sign, so all 2^n patterns of signs are
    equally likely. The share of patterns with a sum at least as large as the observed one is the p-value. Never below
    2^-n. Source: Fisher, The Design of Experiments, 1935, §21.
    """
    sums = np.zeros(1)
    for difference in np.abs(differences):
        sums = np.concatenate((sums - difference, sums + difference))
    return float(np.mean(sums >= differences.sum() - _TIE))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given. Source: Holm, Scand. J. Statist. 6, 1979."""
    adjusted, reached = [0.0] * len(p_values), 0.0
    for place, number in enumerate(sorted(range(len(p_values)), key=lambda number: p_values[number])):
        reached = max(reached, min(1.0, (len(p_values) - place) * p_values[number]))
        adjusted[number] = reached
    return adjusted


def self_check(pairs: Mapping[Gate, Sequence[tuple[float, float]]]) -> list[SelfCheck]:
    """How reliable each gate is on this machine, from pairs in which both sides were the same target.

    Which run of such a pair is called A is arbitrary, so swapping the names in any pair gives an equally possible
    comparison. All 2^n of them, or MOST_PATTERNS, are judged like the real one; no distribution of the noise is
    assumed.
    """
    logs = {gate: np.log([b / a for a, b in rows]) for gate, rows in pairs.items()}
    patterns = _patterns(len(next(iter(logs.values()))))
    adjusted = np.array([holm(row) for row in zip(*(_p_values(patterns * row) for row in logs.values()), strict=True)])
    found = []
    for number, (gate, row) in enumerate(logs.items()):
        alarms = float(np.mean((adjusted[:, number] <= ALPHA) & _reached(patterns * row, gate)))
        detectable = _detectable(patterns * row, gate, len(logs))
        found.append(SelfCheck(gate, float(np.sqrt(np.mean(row**2))), alarms, detectable))
    return found


def _patterns(n: int) -> Floats:
    """Patterns of signs, ±1: all 2^n of them, or MOST_PATTERNS evenly spread ones; (patterns, n)."""
    numbers = np.unique(np.linspace(0, 2**n - 1, min(2**n, MOST_PATTERNS)).astype(np.int64))
    return np.where(numbers[:, None] >> np.arange(n) & 1, -1.0, 1.0)


def _p_values(rows: Floats) -> list[float]:
    return [sign_flip_p(row) for row in rows]


def _reached(rows: Floats, gate: Gate) -> NDArray[np.bool]:
    return np.median(rows, axis=1) >= math.log1p(gate.effect) - _TIE


def _detectable(rows: Floats, gate: Gate, gates: int) -> float | None:
    """The least slowdown that would be found in 90 % of the rows; with Bonferroni's correction, Holm's worst case."""

    def found(slowdown: float) -> bool:
        slower = rows + math.log1p(slowdown)
        hits = [sign_flip_p(row) * gates <= ALPHA for row in slower[_reached(slower, gate)]]
        return sum(hits) >= _WANTED_POWER * len(rows)

    low, high = 0.0, LARGEST_SLOWDOWN
    if not found(high):
        return None
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def _reaches(ratio: float, least: float) -> bool:
    return ratio >= least - _TIE
