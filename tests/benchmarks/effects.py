"""What watching effects costs: the pacing of a run, the parent's processor time, and a shard's time for each event.

    python -m tests.benchmarks.effects

`loadsim run` in the open model, with and without `[effects]`, in turns, against the companion receiver's bare engine,
which also does work (`--process 1ms --processors 64`) in both. Generator and parent are on one core, the receiver on
another. Lag is loadsim's own (woken - due). The parent's time is that of the run's own process, without its shard, from
the start to the end of the load, by `/proc`; the shard's is what its frames say, over all of its events.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from loadsim.engine.acknowledgements import Acknowledgements
from loadsim.measure.effect_book import EffectBook, Flag
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result import load_result
from tests.benchmarks import common
from tests.benchmarks.common import Cores

EVENTS, BATCH = 1 << 20, 2048
RATE, ROUNDS, SECONDS = 5_000, 7, 30
LAG_SHARE, PARENT_SHARE = 0.10, 0.20
WAYS = ("without", "with")
SCENARIO = """\
name = "effects"
seed = 20270
objectives = ["success: rate >= 99%"]

[target]
url = "{url}"
connections = 256
{effects}
[[events]]
type = "{event}"

[[phases]]
name = "steady"
duration = "{seconds}s"
rate = "{rate}/s"
"""
EFFECTS = """
[effects]
url = "{admin}/effects"
wait = "10s"
"""


def run(cores: Cores, way: str, rate: int, seconds: int) -> dict[str, Any]:
    """One run, as its row of figures. Raises SystemExit with the tool's last words when it fails."""
    port, admin = common.free_port(), common.free_port()
    work = ("--process", "1ms", "--processors", "64", "--admin", f"127.0.0.1:{admin}", "--port", str(port))
    receiver = common.pinned(cores.target, common.loadsim("receive", *work))
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name, common.running(receiver) as running:
        common.wait_for_port(port, running, 60.0)
        scenario, kept = Path(name) / "effects.toml", Path(name) / "kept.json"
        effects = EFFECTS.format(admin=f"http://127.0.0.1:{admin}") if way == "with" else ""
        url = f"http://127.0.0.1:{port}{common.PATH}"
        scenario.write_text(
            SCENARIO.format(url=url, effects=effects, event=common.EVENT, seconds=seconds, rate=rate), encoding="utf-8"
        )
        own = common.own_cpu_seconds() + common.cpu_seconds(running.pid)
        load, began = common.machine_load(), time.monotonic()
        command = common.loadsim("run", str(scenario), "-q", "--out", name, "--json", str(kept))
        parent_share = watched(cores, command, seconds)
        if not kept.exists():
            raise SystemExit("the run left no result")
        used = common.own_cpu_seconds() + common.cpu_seconds(running.pid) - own
        took, now = time.monotonic() - began, common.machine_load()
        result = load_result(kept.read_bytes(), "kept.json")
    lag, (shard, *_) = result.totals.latency_ms["lag"], result.shards
    found = result.effects
    return {
        "way": way,
        "lag_p99_us": None if lag.p99 is None else round(lag.p99 * 1e3, 1),
        "lag_max_us": None if lag.max is None else round(lag.max * 1e3, 1),
        "sent": result.totals.sent,
        "planned": result.totals.planned,
        "parent_share": parent_share,
        "shard_us_per_event": round((shard.cpu_s or 0.0) / max(1, result.totals.sent) * 1e6, 2),
        "problem": "" if found is None else found.problem,
        "done": None if found is None else found.done,
        "look_cpu_s": None if found is None else found.look_cpu_s,
        "noise": round(common.noise(load, now, used, took), 3),
    }


def watched(cores: Cores, command: Sequence[str], seconds: int) -> float:
    """Run a command to its end; the share of a core that its own process took during the load, without its children.

    The window is the middle of the load: start and end of the processes are not in it.
    """
    process = subprocess.Popen(
        common.pinned(cores.generator, command),
        cwd=common.ROOT,
        env=common.child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        deadline = time.monotonic() + 60
        while len(common.tree(process.pid)) < 2 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        time.sleep(3)  # the shard's start
        first, began = common.process_seconds(process.pid), time.monotonic()
        time.sleep(max(1, seconds - 6))
        share = (common.process_seconds(process.pid) - first) / (time.monotonic() - began)
        process.wait()
    return round(share, 4)


def by_itself() -> dict[str, float]:
    """Processor time of the work that effects add, ns for each event, as its batches come: medians of many."""
    index = np.arange(EVENTS)
    table = np.zeros((BATCH, len(Column)), dtype=np.int64)
    table[:, [Column.code, Column.attempt]] = 200, 1
    log, book = Acknowledgements(np.array([Flag.recorded], dtype=np.int64), 0), EffectBook()
    taken: dict[str, list[float]] = {name: [] for name in ("shard", "parent, its answer", "parent, its effect")}

    def timed(name: str, work: Callable[[], object]) -> None:
        began = time.thread_time_ns()
        work()
        taken[name].append((time.thread_time_ns() - began) / BATCH)

    for start in range(0, EVENTS, BATCH):
        mine = index[start : start + BATCH]
        table[:, Column.index] = mine
        table[:, Column.due] = table[:, Column.done] = mine + 1
        timed("shard", functools.partial(log.add, table, outcomes=True))
        timed("parent, its answer", functools.partial(book.add_deliveries, log.take()))
        timed("parent, its effect", functools.partial(book.add_effects, mine, mine + 2, np.ones(BATCH, dtype=np.int64)))
    return {name: round(median(each), 1) for name, each in taken.items()}


def verdicts(rows: Sequence[Mapping[str, Any]]) -> dict[str, bool | None]:
    """What was asked for, and whether it was met; None where no row says."""
    lags = {way: [row["lag_p99_us"] for row in rows if row["way"] == way and row["lag_p99_us"]] for way in WAYS}
    mine = [row for row in rows if row["way"] == "with"]
    ratio = median(lags["with"]) / median(lags["without"]) if all(lags.values()) else None
    return {
        f"lag p99 with effects within {LAG_SHARE:.0%} of that without (medians)": None
        if ratio is None
        else ratio <= 1 + LAG_SHARE,
        f"the parent under {PARENT_SHARE:.0%} of a core": all(row["parent_share"] < PARENT_SHARE for row in mine)
        if mine
        else None,
        "every planned event was sent, acknowledged and seen done": all(
            row["planned"] == row["sent"] == row["done"] for row in mine
        )
        if mine
        else None,
    }


def markdown(found: Mapping[str, Any]) -> str:
    """The page."""
    rows = found["rows"]
    head = ("median of the rounds", "lag p99", "lag max", "parent, share of a core", "shard, µs per event")
    lines = []
    for way in WAYS:
        mine = [row for row in rows if row["way"] == way]
        figures = [
            [row[name] for row in mine if row[name] is not None]
            for name in ("lag_p99_us", "lag_max_us", "parent_share", "shard_us_per_event")
        ]
        shown = [median(values) if values else None for values in figures]
        words = ("{:.0f} µs", "{:.0f} µs", "{:.1%}", "{:.2f}")
        cells = ["n/a" if value is None else word.format(value) for value, word in zip(shown, words, strict=True)]
        lines.append((f"{way} effects", *cells))
    answers = {True: "yes", False: "no", None: "not measured"}
    return "\n".join(
        (
            "# Effects\n",
            f"{common.environment_note(found['environment'])} {found['noise']}\n",
            (
                f"Open model, {found['rate']:,}/s, {found['rounds']} rounds of {found['seconds']} s in turns. How each "
                "figure is taken is described in `tests/benchmarks/effects.py`.\n"
            ),
            common.table(head, lines),
            "What is done for each event, by itself, as its batches come:\n",
            common.table(("of", "ns per event"), [(name, f"{ns:,.0f}") for name, ns in found["by_itself"].items()]),
            common.table(("asked", "met"), [(asked, answers[met]) for asked, met in found["verdicts"].items()]),
        )
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"length of a run (default {SECONDS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"runs of each way (default {ROUNDS})")
    parser.add_argument("--rate", type=int, default=RATE, help=f"events per second (default {RATE:,})")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where effects.json and .md go")
    given = parser.parse_args()
    if given.seconds < 8:
        parser.error("give at least 8 seconds: starts and ends are left out")
    cores = common.share_out()
    rows = []
    for number in range(given.rounds):
        for way in WAYS if number % 2 else reversed(WAYS):  # none is always first
            row = run(cores, way, given.rate, given.seconds)
            rows.append(row)
            common.say(
                f"{way:7}  lag p99 {row['lag_p99_us']} µs  parent {row['parent_share']:.1%}  "
                f"shard {row['shard_us_per_event']} µs per event"
            )
    found = {
        "environment": common.environment(),
        "noise": common.noise_note([row["noise"] for row in rows]),
        "rate": given.rate,
        "rounds": given.rounds,
        "seconds": given.seconds,
        "rows": rows,
        "by_itself": by_itself(),
        "verdicts": verdicts(rows),
    }
    text = markdown(found)
    print(text)
    common.write(given.out, "effects", found, md=text)


if __name__ == "__main__":
    main()
