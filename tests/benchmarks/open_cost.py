"""What an event costs a shard in the open model, against the closed one: CPU time per event, in turns.

The closed run goes as fast as it can over 64 connections. The open ones go at a fixed rate, and at half of what the
closed one was found to do in this sitting. All send to the same nginx, which has a core of its own. In each round every
way runs for FEW_S and for some seconds more, and the difference in the shard's CPU time is divided by the difference in
events: start-up cancels out. Figures are medians of the rounds; a ratio is the median of the rounds' ratios. Every
other round goes in reverse order. Where the compiled step was built, all of it once more with that. Beside it, in the
same rounds, a sender in C that makes, signs and measures nothing (`bare_sender`), closed and at the same rates: its
ratio is what being woken for each event costs here in itself. Part of `pacing`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import common, event_cost, nginx
from tests.benchmarks.bare_sender import BareSender
from tests.benchmarks.common import Cores
from tests.benchmarks.pacing_run import CONNECTIONS, SEED

PROGRAMS = ("nginx", "openssl", "gcc")
"""What it needs."""
RATE = 20_000
FEW_S = 1
CAPACITY_S = 3
CLOSED, FIXED, HALF = "closed", "open", "open, half of capacity"
BARE = {way: f"bare sender, {way}" for way in (CLOSED, FIXED, HALF)}
"""The sender that does nothing else, by what it stands beside."""
CLOSED_CONNECTIONS = 64
LIMIT = 1.3
"""How many times the closed model's cost an open event may cost."""


def measure(cores: Cores, rounds: int, seconds: int, *, pure: bool) -> dict[str, Any]:
    """The figures, as they are kept; `pure`: without the compiled step."""
    with (
        tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name,
        nginx.serving(Path(name), cores.target) as target,
    ):
        bare = BareSender(Path(name))

        def used(size: Sequence[str], length_s: int) -> event_cost.Used:
            words = (target.url("http"), *size, "-d", f"{length_s}s", "-e", common.EVENT, "-w", "1")
            return event_cost.used(cores.generator, (*words, "--seed", str(SEED)), pure=pure)

        closed = ("-c", str(CLOSED_CONNECTIONS))
        capacity = round(used(closed, CAPACITY_S).rate)
        rates = _rates(capacity)
        ways = {CLOSED: closed, **{way: _open(rate) for way, rate in rates.items()}}
        found = []
        for number in range(rounds):
            costs = {}
            for way in reversed(ways) if number % 2 else ways:
                few, many = used(ways[way], FEW_S), used(ways[way], FEW_S + seconds)
                costs[way] = event_cost.per_event_us(few, many)
                if way == CLOSED:
                    costs[BARE[way]] = bare.closed_cost_us(cores.generator, target.port, capacity * seconds)
                else:
                    costs[BARE[way]] = bare.cost_us(cores.generator, target.port, rates[way], seconds)
            found.append(costs)
            named = "cost" if pure else f"cost, {common.STEP}"
            each = ", ".join(f"{way} {cost:.2f} µs" for way, cost in costs.items())
            common.say(f"{named}, round {number + 1}: {each}")
    return document(capacity, found, pure=pure)


def _rates(capacity: int) -> dict[str, int]:
    return {FIXED: RATE, HALF: capacity // 2}


def _open(rate: int) -> tuple[str, ...]:
    return ("-c", str(CONNECTIONS), "-r", f"{rate}/s")


def document(capacity: int, rounds: Sequence[Mapping[str, float]], *, pure: bool = True) -> dict[str, Any]:
    """Medians, ratios and all rounds; `capacity` is the closed model's rate per second, costs are in µs."""
    ratios = {way: event_cost.ratios(rounds, way, CLOSED) for way in (FIXED, HALF)}
    of_bare = {way: event_cost.ratios(rounds, BARE[way], BARE[CLOSED]) for way in ratios}
    return {
        "pure": pure,
        "capacity": capacity,
        "rates": _rates(capacity),
        "cpu_us": {way: round(value, 3) for way, value in event_cost.medians(rounds).items()},
        "ratio": {way: found.document() for way, found in ratios.items()},
        "bare_ratio": {way: found.document() for way, found in of_bare.items()},
        "rounds": [{way: round(value, 3) for way, value in costs.items()} for costs in rounds],
    }


def verdicts(found: Mapping[str, Any]) -> dict[str, bool]:
    """What was asked for, and whether it was met."""
    return {
        f"CPU per event {_named(found, way)} at most {LIMIT} × the closed model's": ratio["median"] <= LIMIT
        for way, ratio in found["ratio"].items()
    }


def _named(found: Mapping[str, Any], way: str) -> str:
    rate = f"at {found['rates'][way]:,}/s"
    named = f"{rate} (half of capacity)" if way == HALF else rate
    return named if found["pure"] else f"{named}, {common.STEP},"


def section(costs: Sequence[Mapping[str, Any]]) -> str:
    """The part of the page: a group of lines for each way of running."""
    lines = []
    for found in costs:
        step = "" if found["pure"] else f", {common.STEP}"
        closed = f"closed, {found['capacity']:,}/s{step}"
        lines.append((closed, _us(found, CLOSED), "1", "", _us(found, BARE[CLOSED]), "1", ""))
        for way, ratio in found["ratio"].items():
            beside = (_us(found, BARE[way]), *common.shown(found["bare_ratio"][way]))
            named = f"open {_named(found, way).rstrip(',')}"
            lines.append((named, _us(found, way), *common.shown(ratio), *beside))
    note = (
        f"One shard against nginx on another core, {len(costs[0]['rounds'])} rounds in turns. Closed: "
        f"{CLOSED_CONNECTIONS} connections, as fast as it can. Bare sender: a loop in C that waits, sends and reads, "
        "and makes, signs and measures nothing. How each figure is taken is described in "
        "`tests/benchmarks/open_cost.py`.\n"
    )
    columns = ("model", "CPU per event", "× closed", "quartiles", "bare sender", "× its closed", "quartiles")
    return "\n".join(("## CPU per event\n", note, common.table(columns, lines)))


def _us(found: Mapping[str, Any], way: str) -> str:
    return f"{found['cpu_us'][way]:.2f} µs"
