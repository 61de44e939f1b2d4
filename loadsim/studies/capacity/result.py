"""The stored result of a search for the highest rate, `capacity.json` (`"schema": "loadsim.capacity/1"`).

A figure that is not known is None, never 0. The complete result of each step is stored in a file of its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result import Environment

SCHEMA = "loadsim.capacity/1"

Ending = Literal["found", "none", "generator", "interrupted", "lost"]
"""`none`: even the lowest rate fails. `generator`: it was the limit. `lost`: the endpoint went away."""


class StepRow(msgspec.Struct, frozen=True):
    """One rate that was tried; latencies are response times in ms."""

    number: int
    """From 1."""
    kind: Literal["doubling", "bisection", "confirming", "refining"]
    """What the step was for."""
    rate: float
    """Events per second."""
    outcome: Literal["pass", "fail", "unclear", "invalid", "interrupted"]
    """`unclear`: its interval holds the limit."""
    why: str
    """Why it did not pass, in words."""
    stopped_early: bool
    """It could not pass any more and was ended."""
    duration_s: float | None
    """Recorded time."""
    events: int
    """Events sent."""
    rate_completed: float | None
    success_rate: float | None
    p50_ms: float | None
    p99_ms: float | None
    p99_ci95: tuple[float, float] | None
    """95 % interval of `p99_ms`, ms; None: too short for one."""
    lag_p99_ms: float | None
    """Percentile 99 of the generator's lag."""
    result: str
    """The step's own result, relative to this file."""
    excess: float | None = None
    """Bad events as a multiple of what the objectives allow; 1 is the limit."""
    judged_ms: dict[str, float | None] = {}
    """The percentiles that the objectives name, such as `p95` or `service p95`, in ms."""


class CapacityResult(msgspec.Struct, frozen=True):
    """A search for the highest rate and its outcome."""

    schema: str
    id: str
    name: str
    started_at: str
    ended_at: str
    version: str
    seed: int
    workers: int
    target: str
    """Redacted."""
    objectives: list[str]
    """What a rate had to meet."""
    lowest: float
    """Lowest rate to try, events per second."""
    highest: float | None
    """Highest rate to try; None: until one fails."""
    precision: float
    """Largest difference between passing and failing rate at the end, a fraction."""
    ending: Ending
    """`found`, or why there is no answer. `none`: even the lowest rate fails. `generator`: it was the limit. `lost`:
    the endpoint went away."""
    rate: float | None
    """Events per second: the answer when it was found, else the highest rate that passed."""
    at_least: bool
    """The highest rate asked for passed: the endpoint may sustain more."""
    reason: str
    """In words: why the search ended and what limits the answer."""
    steps: list[StepRow]
    """In the order in which they were made."""
    environment: Environment
    rate_ci95: tuple[float, float] | None = None
    """95 % interval of the rate at which the objectives are just met; None where only the rates asked for bound it."""
    estimated: bool = False
    """`rate` is estimated from all steps, because steps near it were not clear; else it passed a longer step."""
