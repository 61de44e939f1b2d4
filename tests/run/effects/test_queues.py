"""The effects of a run at the companion receiver, against queueing theory: in virtual time, without sockets."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from loadsim.measure.effect_book import EffectBook, Flag, pack
from loadsim.measure.effect_figures import Observed, with_figures
from loadsim.measure.result_effects import EffectsFound
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.plan.units import parse_service
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.work_queue import WorkQueue, work_plan

START = 1_764_000_000 * NS_PER_S
EVENTS = 200_000
SERVICE_S = 0.01


def observed(process: str, processors: int, load: float, seed: int) -> EffectsFound:
    """The effects of a Poisson stream at a receiver, `load` of whose power it takes."""
    rate = load * processors / SERVICE_S
    gaps = np.random.default_rng(seed).exponential(NS_PER_S / rate, EVENTS)
    due = START + np.cumsum(gaps).astype(np.int64)
    options = ReceiverOptions(process=parse_service(process), processors=processors, seed=seed)
    queue: WorkQueue[int] = WorkQueue(work_plan(options), processors, options.process_queue)
    for number, at_ns in enumerate(due.tolist()):
        assert queue.offer(at_ns, number)
    queue.advance(int(due[-1]) + 3600 * NS_PER_S)
    book, index = EffectBook(), np.arange(EVENTS)
    book.add_deliveries(pack(index, np.full(EVENTS, Flag.acknowledged | Flag.recorded, dtype=np.int64), due, due))
    items, at = np.array([done.item for done in queue.done]), np.array([done.at_ns for done in queue.done])
    book.add_effects(items, at, np.ones(EVENTS, dtype=np.int64))
    span = Observed(START, int(due[-1]), int(at[-1]), error_ns=0)
    found, _ = with_figures(EffectsFound(source="http", place=""), book.events(), span, [])
    assert found.done == EVENTS
    return found


def mmc(load: float, processors: int) -> Callable[[float], float]:
    """P(response > t) of M/M/c: Erlang's C, then a wait and a service that are both exponential."""
    mu, offered = 1 / SERVICE_S, load * processors
    last = offered**processors / math.factorial(processors) / (1 - load)
    waits = last / (sum(offered**k / math.factorial(k) for k in range(processors)) + last)
    theta = processors * mu * (1 - load)

    def beyond(t: float) -> float:
        if math.isclose(theta, mu):
            return math.exp(-mu * t) * (1 + waits * mu * t)
        both = (theta * math.exp(-mu * t) - mu * math.exp(-theta * t)) / (theta - mu)
        return (1 - waits) * math.exp(-mu * t) + waits * both

    return beyond


def md1(load: float) -> Callable[[float], float]:
    """P(response > t) of M/D/1 (Erlang 1909), for t of a few services."""
    rate = load / SERVICE_S

    def beyond(t: float) -> float:
        wait = t - SERVICE_S
        if wait < 0:
            return 1.0
        terms = (
            (rate * (k * SERVICE_S - wait)) ** k / math.factorial(k) * math.exp(-rate * (k * SERVICE_S - wait))
            for k in range(int(wait / SERVICE_S) + 1)
        )
        return 1 - (1 - load) * math.fsum(terms)

    return beyond


def percentile(beyond: Callable[[float], float], q: float) -> float:
    """By bisection."""
    low, high = 0.0, 30 * SERVICE_S
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > 1 - q else (low, middle)
    return low


def mean(beyond: Callable[[float], float]) -> float:
    steps = np.linspace(0, 60 * SERVICE_S, 60_001)
    return float(np.trapezoid([beyond(t) if t < 25 * SERVICE_S else 0.0 for t in steps.tolist()], steps))


@pytest.mark.parametrize(
    ("process", "processors", "load", "theory"),
    [
        ("exp:10ms", 1, 0.7, mmc(0.7, 1)),
        ("exp:10ms", 2, 0.5, mmc(0.5, 2)),
        ("exp:10ms", 4, 0.8, mmc(0.8, 4)),
        ("10ms", 1, 0.7, md1(0.7)),
        ("10ms", 1, 0.4, md1(0.4)),
    ],
)
def test_latencies_and_backlog_are_those_of_the_queue(
    process: str, processors: int, load: float, theory: Callable[[float], float]
) -> None:
    found = observed(process, processors, load, seed=5)
    assert found.effect_ms is not None
    for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        figure = getattr(found.effect_ms, name)
        assert figure * NS_PER_MS / NS_PER_S == pytest.approx(percentile(theory, q), rel=0.05), name
    assert found.effect_ms.mean is not None
    assert found.effect_ms.mean * NS_PER_MS / NS_PER_S == pytest.approx(mean(theory), rel=0.03)
    rate = load * processors / SERVICE_S
    assert found.backlog_avg == pytest.approx(rate * mean(theory), rel=0.05), "Little 1961"
