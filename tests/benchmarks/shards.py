"""All cores: what an event costs with two shards against one, and what the parent takes of a core meanwhile.

    python -m tests.benchmarks.shards

Closed runs at full speed, CONNECTIONS connections for each shard, everything recorded, against nginx, in two
arrangements of two cores:

- apart: nginx has a core of its own, parent and shards share the other;
- together: parent, shards and nginx share both cores.

Two processes that share a core, or its caches, slow each other down, whatever they are. So two independent runs of one
shard each take part in the same turns, and two shards of one run are compared with them too. Each has a parent of its
own, which takes less than 1 % of a core.

Where two shards share one core their rate says nothing, so CPU time per event is compared: the difference between a run
of some seconds and one of FEW_S, over the difference in events, so that start-up cancels out; CPU time of all shards,
from the stored result. The parent's share of a core is its own CPU time (/proc, in steps of 10 ms, its children not in
it) over the window that opens once all connections are held and SETTLE_S have gone by. In each round every arrangement
runs with one shard, with two, and with two runs at once, every other round in reverse order. Figures are medians of the
rounds; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from loadsim.measure.timing_statistics import spread
from tests.benchmarks import common, event_cost, nginx
from tests.benchmarks.common import Cores
from tests.benchmarks.event_cost import Used
from tests.benchmarks.nginx import Nginx

CONNECTIONS = 64
FEW_S = 1
SETTLE_S = 0.5
TAIL_S = 0.5
RATIO_LIMIT, PARENT_LIMIT = 1.05, 0.03
ONE, TWO, TWO_RUNS = "one shard", "two shards", "two runs"
SHARDS = {ONE: (1, 1), TWO: (1, 2), TWO_RUNS: (2, 1)}
"""What runs at once: how many runs, and of how many shards each."""
APART, TOGETHER = "apart", "together"
SHOWN = {
    APART: "nginx on a core of its own, shards and parent on the other",
    TOGETHER: "shards, parent and nginx on both cores",
}
MANY_CORES, KEPT_CORES = 16, 2
"""On paper: so many cores, of which some are kept for the parent and the kernel's interrupts."""


class Place(NamedTuple):
    """Where loadsim runs, and what it sends to."""

    cores: tuple[int, ...]
    nginx: Nginx


class Found(NamedTuple):
    """Of one arrangement in one round, with some of SHARDS."""

    us: float
    """CPU time of the shards per event, µs."""
    parent_share: float
    """Of one core; the first run's, where there are two."""


# -- measuring ------------------------------------------------------------------------------------------------------


def one(place: Place, at_once: str, seconds: float) -> Found:
    """Cost and parent's share of one of SHARDS; the window has `seconds`."""
    runs, shards = SHARDS[at_once]
    few = _used(place, runs, shards, FEW_S)
    window = _Window(place.nginx, runs * shards * CONNECTIONS, seconds)
    many = _used(place, runs, shards, FEW_S + SETTLE_S + seconds + TAIL_S, window)
    return Found(event_cost.per_event_us(few, many), window.share)


def _used(place: Place, runs: int, shards: int, seconds: float, window: _Window | None = None) -> Used:
    """What so many runs take together; `window` is of the first."""
    size = ("-c", str(shards * CONNECTIONS), "-d", f"{seconds:g}s", "-w", str(shards))
    words = (place.nginx.url("http"), *size, "-e", common.EVENT, "--seed", "1")
    with ThreadPoolExecutor(runs) as threads:
        begun = [
            threads.submit(event_cost.used, place.cores, words, meanwhile=None if number else window)
            for number in range(runs)
        ]
    found = [each.result() for each in begun]
    return Used(
        sum(used.events for used in found),
        sum(used.cpu_s for used in found),
        max(used.rss_mb for used in found),
        sum(used.rate for used in found),
    )


class _Window:
    """Reads the parent's CPU time at both ends of a window while the run is at full speed."""

    def __init__(self, target: Nginx, connections: int, seconds: float) -> None:
        self._target = target
        self._connections = connections
        self._seconds = seconds
        self._before = target.status().requests
        self.share = 0.0

    def __call__(self, process: subprocess.Popen[bytes]) -> None:
        self._target.wait_for_load(self._connections, self._before, process)
        time.sleep(SETTLE_S)
        began, used = time.perf_counter(), common.process_seconds(process.pid)
        time.sleep(self._seconds)
        if process.poll() is not None:
            raise RuntimeError("the run ended before the window did")
        took = time.perf_counter() - began
        self.share = (common.process_seconds(process.pid) - used) / took


def measure(cores: Cores, rounds: int, seconds: float) -> list[dict[str, dict[str, Found]]]:
    """By round, arrangement and what ran at once."""
    both = (cores.target, cores.generator)
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name, contextlib.ExitStack() as stack:
        homes = {arrangement: Path(name) / arrangement for arrangement in SHOWN}
        for home in homes.values():
            home.mkdir()
        places = {
            APART: Place((cores.generator,), stack.enter_context(nginx.serving(homes[APART], cores.target))),
            TOGETHER: Place(both, stack.enter_context(nginx.serving(homes[TOGETHER], both))),
        }
        turns = [(arrangement, at_once) for arrangement in places for at_once in SHARDS]
        found = []
        for number in range(rounds):
            figures: dict[str, dict[str, Found]] = {arrangement: {} for arrangement in places}
            for arrangement, at_once in reversed(turns) if number % 2 else turns:
                got = figures[arrangement][at_once] = one(places[arrangement], at_once, seconds)
                text = f"{got.us:.2f} µs per event, parent {got.parent_share:.1%}"
                common.say(f"round {number + 1}, {arrangement}, {at_once}: {text}")
            found.append(figures)
        return found


# -- figures --------------------------------------------------------------------------------------------------------


def document(rounds: Sequence[Mapping[str, Mapping[str, Found]]], seconds: float, noise: float) -> dict[str, Any]:
    """The figures, as they are kept; `noise` is the share of a core that others took while all ran."""
    arrangements: dict[str, dict[str, Any]] = {}
    for arrangement in SHOWN:
        by_round = [figures[arrangement] for figures in rounds]
        costs = [{at_once: got.us for at_once, got in figures.items()} for figures in by_round]
        ratio, of_two_runs = (event_cost.ratios(costs, TWO, under) for under in (ONE, TWO_RUNS))
        arrangements[arrangement] = {
            "cpu_us": event_cost.medians(costs),
            "parent_share": {
                at_once: spread([figures[at_once].parent_share for figures in by_round]).median
                for at_once in (ONE, TWO)
            },
            "ratio": ratio.document(),
            "ratio_met": ratio.median <= RATIO_LIMIT,
            "of_two_runs": of_two_runs.document(),
            "rounds": [
                {
                    at_once: {name: round(value, 4) for name, value in got._asdict().items()}
                    for at_once, got in each.items()
                }
                for each in by_round
            ],
        }
    shares = [share for found in arrangements.values() for share in found["parent_share"].values()]
    return {
        "environment": common.environment(),
        "noise": common.noise_note([noise]),
        "window_s": seconds,
        "connections_per_shard": CONNECTIONS,
        "arrangements": arrangements,
        "parent_met": max(shares) <= PARENT_LIMIT,
        "on_paper": on_paper(arrangements[APART]),
    }


def on_paper(apart: Mapping[str, Any], cores: int = MANY_CORES) -> dict[str, float]:
    """What follows for so many cores, from the cost with two shards and the parent's greatest share per shard."""
    shards = cores - KEPT_CORES
    cost = apart["cpu_us"][TWO]
    parent = max(apart["parent_share"][ONE], apart["parent_share"][TWO] / 2)
    return {
        "cores": cores,
        "shards": shards,
        "rate": round(shards / cost * 1e6),
        "parent_share": round(shards * parent, 3),
        "shards_of_a_full_parent": int(1 / parent) if parent else 0,
    }


# -- the page -------------------------------------------------------------------------------------------------------


def markdown(found: Mapping[str, Any]) -> str:
    """The page."""
    lines = []
    for arrangement, figures in found["arrangements"].items():
        lines.append(
            (
                SHOWN[arrangement],
                *(f"{figures['cpu_us'][at_once]:.2f} µs" for at_once in SHARDS),
                *common.shown(figures["ratio"], 3),
                *common.shown(figures["of_two_runs"], 3),
                *(f"{share:.1%}" for share in figures["parent_share"].values()),
            )
        )
    head = ("arrangement", *SHARDS, "× one", "quartiles", "× two runs", "quartiles", "parent with one", "with two")
    asked = [
        (f"CPU per event with two shards at most {RATIO_LIMIT} × one, {arrangement}", _yes(figures["ratio_met"]))
        for arrangement, figures in found["arrangements"].items()
    ]
    asked.append((f"the parent takes at most {PARENT_LIMIT:.0%} of a core", _yes(found["parent_met"])))
    rounds = len(found["arrangements"][APART]["rounds"])
    return "\n".join(
        (
            "# One shard and two\n",
            f"{common.environment_note(found['environment'])} {found['noise']}\n",
            (
                f"Closed runs at full speed against nginx, {found['connections_per_shard']} connections for each "
                f"shard, {rounds} rounds in turns. CPU time of all shards per event, and the parent's share of a core. "
                "Two runs: independent ones of one shard each. How each figure is taken is described in "
                "`tests/benchmarks/shards.py`.\n"
            ),
            common.table(head, lines),
            common.table(("asked", "met"), asked),
            f"## {found['on_paper']['cores']} cores, on paper\n",
            _told(found["on_paper"], found["arrangements"][APART]["cpu_us"][TWO]) + "\n",
        )
    )


def _yes(met: bool) -> str:
    return "yes" if met else "no"


def _told(paper: Mapping[str, float], cost_us: float) -> str:
    full = paper["shards_of_a_full_parent"]
    limit = f" and fill it at {full:,} shards" if full else ""
    return (
        f"With {paper['shards']} shards on {paper['cores']} cores (the others for the parent and the network card's "
        f"interrupts) loadsim would send {paper['shards']} cores / {cost_us:.2f} µs = {paper['rate']:,} events/s, "
        "assuming that an event costs what it costs here with two shards, that the cores are alike, full cores and no "
        "hyper-threads, that their caches and memory do not slow each other down, and that the endpoint runs on "
        "other machines and keeps up. What limits it first is most likely the endpoint, or the network card, whose "
        "packets and interrupts cost more than those of the loopback device here; the parent, which reads one frame "
        f"per shard and second, would use {paper['parent_share']:.0%} of a core{limit}, assuming that each shard's "
        "frames cost it what they cost here."
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="(default 7)")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of the window (default 6)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where shards.json and .md go")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds < 1:
        parser.error("give at least 1 round of at least 1 second")
    cores = common.share_out()
    load, own, began = common.machine_load(), common.own_cpu_seconds(), time.perf_counter()
    rounds = measure(cores, given.rounds, given.seconds)
    ours = common.own_cpu_seconds() - own  # all children have ended, nginx too
    noise = common.noise(load, common.machine_load(), ours, time.perf_counter() - began)
    found = document(rounds, given.seconds, noise)
    text = markdown(found)
    print(text)
    common.write(given.out, "shards", found, md=text)


if __name__ == "__main__":
    main()
