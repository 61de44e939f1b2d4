"""Chooses the rates to try: doubling until one fails, then bisection, then one longer step to confirm the result."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Kind = Literal["doubling", "bisection", "confirming"]
Outcome = Literal["pass", "fail", "generator"]
"""`generator`: the generator could not send this rate, so nothing is known about the endpoint."""
Bound = Literal["endpoint", "generator", "asked"]

COARSE = Fraction(1, 10)
"""Precision of the search for the generator's own limit, which is only a figure in a message."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One rate to try, events per second."""

    kind: Kind
    rate: Fraction


class RateSearch:
    """The search from `lowest` up, to `highest` at most, until pass and fail are `precision` (a fraction) apart."""

    def __init__(self, lowest: Fraction, highest: Fraction | None, precision: Fraction) -> None:
        self._lowest, self._highest, self._precision = lowest, highest, precision
        self._passed: set[Fraction] = set()
        self._bad: dict[Fraction, Outcome] = {}
        self._confirmed: Fraction | None = None

    @property
    def best(self) -> Fraction | None:
        """The highest rate that passed, below every rate that did not."""
        ceiling = min(self._bad, default=None)
        return max((rate for rate in self._passed if ceiling is None or rate < ceiling), default=None)

    @property
    def confirmed(self) -> Fraction | None:
        """The result, once it has passed the confirming step."""
        return self._confirmed

    @property
    def bound(self) -> Bound:
        """The reason why the result is not higher."""
        if not self._bad:
            return "asked"
        return "generator" if self._bad[min(self._bad)] == "generator" else "endpoint"

    @property
    def ceiling(self) -> Fraction | None:
        """The lowest rate that did not pass."""
        return min(self._bad, default=None)

    def next(self) -> Trial | None:
        """The next rate to try; None when the search is over."""
        if self._confirmed is not None:
            return None
        best, ceiling = self.best, self.ceiling
        if best is None:
            return Trial("doubling", self._lowest) if ceiling is None else None
        if ceiling is None:
            if best == self._highest:
                return Trial("confirming", best)
            double = 2 * best
            return Trial("doubling", double if self._highest is None else min(double, self._highest))
        precision = max(self._precision, COARSE) if self.bound == "generator" else self._precision
        middle = rounded((best + ceiling) / 2)
        if ceiling / best - 1 > precision and best < middle < ceiling:
            return Trial("bisection", middle)
        return None if self.bound == "generator" else Trial("confirming", best)

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Record the outcome of the trial."""
        if outcome != "pass":
            self._passed.discard(trial.rate)
            self._bad[trial.rate] = outcome
        elif trial.kind == "confirming":
            self._confirmed = trial.rate
        else:
            self._passed.add(trial.rate)


def rounded(rate: Fraction) -> Fraction:
    """The rate to three significant digits: 393.75 → 394."""
    scale = Fraction(1)
    while rate / scale >= 1000:
        scale *= 10
    while rate / scale < 100:
        scale /= 10
    return round(rate / scale) * scale
