"""Latencies of known distribution and known correlation, to see whether what is said of them is true.

Each process gives events by their due time at 200/s, and knows its percentiles in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.hdr import Ints
from loadsim.measure.merged_counts import Merged
from loadsim.measure.outcome_columns import Column
from loadsim.measure.tally import Tally
from loadsim.model import NS_PER_S

RATE = 200
"""Events per second."""
MEDIAN_S = 0.010
"""Of the log-normal processes."""
FAST_S, SLOW_S = 0.005, 0.050
_SOJOURNS_S = (2.0, 0.5)
"""Mean time in the fast and in the slow state."""
Floats = NDArray[np.float64]


class Drawn(NamedTuple):
    """The events of one run: due times and latencies, s."""

    due_s: Floats
    latency_s: Floats


@dataclass(frozen=True)
class Process:
    """`draw(seconds, random)` gives one run, `truth(q)` the percentile, s."""

    name: str
    draw: Callable[[int, np.random.Generator], Drawn]
    truth: Callable[[float], float]


def _log_normal(q: float) -> float:
    return MEDIAN_S * math.exp(NormalDist().inv_cdf(q))


def _independent(seconds: int, random: np.random.Generator) -> Drawn:
    n = RATE * seconds
    return Drawn(np.arange(n) / RATE, MEDIAN_S * np.exp(random.standard_normal(n)))


def _autoregressive(coefficient: float) -> Process:
    """exp of a first-order autoregression over events, with a standard normal marginal."""

    def draw(seconds: int, random: np.random.Generator) -> Drawn:
        n = RATE * seconds
        steps = random.standard_normal(n)
        steps[1:] *= math.sqrt(1 - coefficient**2)
        values, last = np.empty(n), 0.0
        for i, step in enumerate(steps.tolist()):
            values[i] = last = coefficient * last + step
        return Drawn(np.arange(n) / RATE, MEDIAN_S * np.exp(values))

    return Process(f"AR(1) {coefficient:g}", draw, _log_normal)


def queue(load: float, rate: float = RATE) -> Process:
    """Response times of an M/M/1 queue (Poisson arrivals, exponential service), from its stationary state."""
    services = rate / load

    def draw(seconds: int, random: np.random.Generator) -> Drawn:
        n = int(random.poisson(rate * seconds))
        due = np.sort(random.random(n)) * seconds
        took = random.exponential(1 / services, n)
        waiting = random.exponential(1 / (services - rate)) if random.random() < load else 0.0
        # Lindley's recursion in closed form: W[i] = max(0, W[i-1] + took[i-1] - gap[i])
        steps = np.concatenate(([waiting], took[:-1])) - np.diff(due, prepend=0.0)
        total = np.cumsum(steps)
        return Drawn(due, total - np.minimum(np.minimum.accumulate(total), 0.0) + took)

    return Process(f"M/M/1 {load:g}", draw, lambda q: -math.log(1 - q) / (services - rate))


def _two_state(seconds: int, random: np.random.Generator) -> Drawn:
    """A server that is fast or slow for exponential times."""
    n = RATE * seconds
    fast_first = bool(random.random() < _SOJOURNS_S[0] / sum(_SOJOURNS_S))
    first, second = _SOJOURNS_S if fast_first else _SOJOURNS_S[::-1]
    pairs = 2 * seconds + 50
    stays = np.column_stack((random.exponential(first, pairs), random.exponential(second, pairs))).ravel()
    due = np.arange(n) / RATE
    in_first = np.searchsorted(np.cumsum(stays), due, side="right") % 2 == 0
    return Drawn(due, np.where(in_first == fast_first, FAST_S, SLOW_S))


PROCESSES = (
    Process("independent", _independent, _log_normal),
    *(queue(load) for load in (0.5, 0.7, 0.9)),
    *(_autoregressive(coefficient) for coefficient in (0.9, 0.99)),
    Process("two states", _two_state, lambda q: FAST_S if q < _SOJOURNS_S[0] / sum(_SOJOURNS_S) else SLOW_S),
)


def rows_of(drawn: Drawn) -> Ints:
    """The outcome rows of an engine, response times only: due, answered with 200."""
    rows = np.zeros((len(drawn.due_s), len(Column)), dtype=np.int64)
    due = 1 + np.round(drawn.due_s * NS_PER_S).astype(np.int64)
    rows[:, Column.due] = due
    rows[:, Column.done] = due + np.round(drawn.latency_s * NS_PER_S).astype(np.int64)
    rows[:, Column.code] = 200
    return rows


def measured(drawn: Drawn) -> Merged:
    """The run as the parent has it: counted by a shard's tally, its frame added up."""
    tally = Tally(1, 0, [-1])
    tally.fold(rows_of(drawn))
    merged = Merged(1)
    merged.add(0, tally.drain())
    return merged
