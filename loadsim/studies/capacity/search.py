"""Which rate to try next: doubling until one is too much, bisection in between, then a longer look at the answer.

Decides from rates and outcomes alone, so that the whole search can be tested without a server. Refuses to know how a
rate is tried and what makes it pass. Where steps contradict each other, which is so near the limit of a randomly loaded
endpoint, the answer is estimated from all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from loadsim.studies.capacity.estimate import MOST_EXCESS, Estimate, Look, estimate, pooled

Kind = Literal["doubling", "bisection", "confirming", "refining"]
Outcome = Literal["pass", "fail", "generator"]
"""`generator`: nothing can be said of the endpoint at this rate, because the generator could not do it."""
Bound = Literal["endpoint", "generator", "asked"]

COARSE = Fraction(1, 10)
"""How closely the generator's own limit is looked for: it is no answer, only a figure in a message."""
MOST_REFINING = 6
"""Longer steps at the estimate, while its interval is wider than the precision."""


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
        self._looks: list[Look] = []
        self._refined = 0

    @property
    def best(self) -> Fraction | None:
        """The highest rate that passed, below every rate that did not."""
        ceiling = min(self._bad, default=None)
        return max((rate for rate in self._passed if ceiling is None or rate < ceiling), default=None)

    @property
    def confirmed(self) -> Fraction | None:
        """The rate that passed the confirming stage."""
        return self._confirmed

    @property
    def answer(self) -> Fraction | None:
        """The rate that passed the confirming stage or, where steps were not clear, the estimate; None before."""
        if self._confirmed is not None or not self._refined or self.next() is not None:
            return self._confirmed
        found = self.estimate
        return None if found is None else self._within(found.rate)

    @property
    def estimated(self) -> bool:
        """Whether the answer is an estimate from all steps instead of a rate that was confirmed."""
        return self._confirmed is None and self.answer is not None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, around the answer; None without one, and where only the rates asked for bound it."""
        answer, found, ceiling = self.answer, self.estimate, self.ceiling
        if answer is None or found is None or ceiling is None:
            return None
        if self.estimated:
            return min(found.low, float(answer)), max(found.high, float(answer))
        return min(found.low, float(answer)), max(found.high, float(ceiling))

    @property
    def estimate(self) -> Estimate | None:
        """The crossing by all steps so far; None before rates have passed and failed."""
        best, ceiling = self.best, self.ceiling
        if best is None or ceiling is None or self.bound != "endpoint" or not self._looks:
            return None
        return _estimated(tuple(self._looks), float(best), float(ceiling))

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
        if not self._refined and ceiling / best - 1 > precision and best < middle < ceiling:
            return Trial("bisection", middle)
        if self.bound == "generator":
            return None
        return self._last(best, ceiling)

    def planned(self) -> list[Kind] | None:
        """The trials still to come, at most, if each is clear; None while nothing bounds the doubling."""
        if (trial := self.next()) is None:
            return []
        if trial.kind == "refining":
            return ["refining"] * (MOST_REFINING - self._refined)
        if trial.kind == "confirming":
            return ["confirming"]
        best, ceiling = self.best, self.ceiling
        if best is not None and ceiling is not None:
            return [*self._bisections(float(ceiling / best)), "confirming"]
        if self._highest is None:
            return None
        doublings: list[Kind] = ["doubling"]
        rate = trial.rate
        while rate < self._highest:
            rate *= 2
            doublings.append("doubling")
        return [*doublings, *self._bisections(2.0), "confirming"]

    def _bisections(self, ratio: float) -> list[Kind]:
        """What narrows a failing over a passing rate down to the precision: each halves their distance, and one more is
        needed where rates were rounded."""
        found: list[Kind] = ["bisection"] if ratio - 1 > self._precision else []
        distance = ratio - 1
        while distance > self._precision:
            distance /= 2
            found.append("bisection")
        return found

    def _last(self, best: Fraction, ceiling: Fraction) -> Trial | None:
        """Confirm a rate where the steps were clear, else look longer where the answer is estimated to be."""
        found = self.estimate
        # a bracket can be as wide as the precision, and one rounded rate more
        clear = found is None or found.within(float(ceiling / best - 1) + float(self._precision) / 2)
        if clear and not self._refined:
            return Trial("confirming", best)
        if found is None or self._refined >= MOST_REFINING or found.within(float(self._precision)):
            return None
        return Trial("refining", self._within(found.rate))

    def _within(self, rate: float) -> Fraction:
        wanted = rounded(Fraction(rate))
        return max(wanted, self._lowest) if self._highest is None else min(max(wanted, self._lowest), self._highest)

    def look(self, look: Look) -> None:
        """What a step says of its rate beside its outcome."""
        self._looks.append(look)

    def looks_at(self, rate: Fraction) -> list[Look]:
        """What all steps of one rate said."""
        return [look for look in self._looks if look.rate == float(rate)]

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """How the trial came out."""
        if trial.kind == "refining":
            self._refined = MOST_REFINING if outcome == "generator" else self._refined + 1
        elif outcome != "pass":
            self._passed.discard(trial.rate)
            self._bad[trial.rate] = outcome
            if outcome == "fail":
                self._failed(float(trial.rate))
        elif trial.kind == "confirming":
            self._confirmed = trial.rate
        else:
            self._passed.add(trial.rate)

    def _failed(self, rate: float) -> None:
        """Where a rate failed for another reason than bad events, its steps stand above the crossing all the same."""
        here = [look for look in self._looks if look.rate == rate]
        if here and pooled(here) <= 1:
            self._looks = [look._replace(excess=MOST_EXCESS) if look in here else look for look in self._looks]


@lru_cache(maxsize=1)
def _estimated(looks: tuple[Look, ...], best: float, ceiling: float) -> Estimate:
    """The last estimate is asked for several times: for the next rate, the answer, and its interval."""
    return estimate(looks, best, ceiling)


def rounded(rate: Fraction) -> Fraction:
    """The rate to three significant digits: 393.75 → 394."""
    scale = Fraction(1)
    while rate / scale >= 1000:
        scale *= 10
    while rate / scale < 100:
        scale /= 10
    return round(rate / scale) * scale
