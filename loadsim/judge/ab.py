"""Is B slower than A? Statistics of interleaved pairs of runs: numbers in, a decision out.

The test is an exact sign-flip test on the log ratios of the pairs, with a least effect and Holm's correction over
several gates. The unit is the run, not the request: two runs of one build differ by more than the spread of their
requests suggests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadsim.judge.vocabulary import did_you_mean
from loadsim.measure.hdr import PERCENTILES
from loadsim.measure.result import RunResult
from loadsim.model import UsageError

Floats = NDArray[np.float64]
AbOutcome = Literal["slower", "faster", "none"]

LEAST_PAIRS = 7
"""Five pairs reach p = 0.031 at best; with seven, one pair may go the other way, or a second metric may be judged."""
MOST_PAIRS = 16
"""The test computes all 2^pairs sign patterns."""
ALPHA = 0.05
DEFAULT_GATE = "p99:5%"
METRICS = ("response", "service")
FIGURES = (*PERCENTILES, "mean", "max")
_GATE = re.compile(r"(?:(?P<metric>[a-z_]+)\.)?(?P<figure>[a-z]+[0-9.]*)\s*:\s*(?P<percent>[0-9]+(?:\.[0-9]+)?)\s*%")
_TIE = 1e-12
MOST_PATTERNS = 512
LARGEST_SLOWDOWN = 4.0
_PRECISION = 0.001
_WANTED_POWER = 0.9


@dataclass(frozen=True, slots=True)
class Gate:
    """`p99:5%`: fails when this figure of B is significantly above that of A, by the least effect (a fraction) or
    more."""

    text: str
    metric: str
    figure: str
    effect: float

    def of(self, result: RunResult) -> float | None:
        """The figure in a result, ms; None when it has too few samples."""
        stats = result.totals.latency_ms.get(self.metric)
        value: float | None = None if stats is None else getattr(stats, self.figure)
        return value or None

    @property
    def label(self) -> str:
        """`p99`, `service p99.9`."""
        figure = self.figure.replace("_", ".")
        return figure if self.metric == "response" else f"{self.metric} {figure}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One gate over all pairs. Ratios are B / A; p-values are one-sided, for B slower."""

    gate: Gate
    ratios: tuple[float, ...]
    ratio: float
    """The median of the pairs."""
    interval: tuple[float, float]
    """Holds the true median with at least 95 % confidence, for any distribution."""
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


def parse_gate(text: str) -> Gate:
    """Parse a gate, `[service.]FIGURE:PERCENT%`, such as `p99:5%`. Raises UsageError, in one line."""
    match = _GATE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--fail {text!r}: write a figure and a least effect, such as p99:5% or service.p50:10%")
    metric = match["metric"] or "response"
    figure = {"med": "p50", "avg": "mean"}.get(match["figure"], match["figure"]).replace(".", "_")
    if metric not in METRICS:
        hint = did_you_mean(metric, METRICS)
        raise UsageError(f"--fail {text!r}: unknown metric {metric!r}{hint} (known: {', '.join(METRICS)})")
    if figure not in FIGURES:
        known = [name.replace("_", ".") for name in FIGURES]
        hint = did_you_mean(match["figure"], known)
        raise UsageError(f"--fail {text!r}: unknown figure {match['figure']!r}{hint} (known: {', '.join(known)})")
    effect = float(match["percent"]) / 100
    if effect > 10:
        raise UsageError(f"--fail {text!r}: a least effect above 1000 % would never be reached")
    return Gate(text.strip(), metric, figure, effect)


def parse_gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """Parse gates; each figure may occur once. Raises UsageError."""
    gates: dict[tuple[str, str], Gate] = {}
    for text in texts or (DEFAULT_GATE,):
        gate = parse_gate(text)
        if (gate.metric, gate.figure) in gates:
            raise UsageError(f"--fail {text!r}: {gate.label} has a gate already")
        gates[gate.metric, gate.figure] = gate
    return tuple(gates.values())


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
        low, high = median_interval(row)
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


def median_interval(values: Floats) -> tuple[float, float]:
    """The narrowest pair of order statistics that holds the median with at least 95 %, by the binomial distribution.

    The least and the greatest where there are too few values for that (under 6).
    """
    ordered, n = np.sort(values), len(values)
    outside, out = 0.0, 0
    while out < n // 2:
        outside += 2 * math.comb(n, out) / 2**n
        if outside > ALPHA:
            break
        out += 1
    edge = max(out - 1, 0)
    return float(ordered[edge]), float(ordered[n - 1 - edge])


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
