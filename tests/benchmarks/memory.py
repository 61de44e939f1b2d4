"""Memory over a long run: how much a shard and its parent hold while ten million events go by.

    python -m tests.benchmarks.memory

One `loadsim run` of a given number of events (closed model, 64 connections, everything recorded) against nginx. Once a
second the resident memory of the parent and of the shard is read from /proc, beside nginx's own count of events. Flat
means: after the first minute neither moves by more than 10 MB until the last event was sent. A run that is over within
a minute proves nothing and is said to.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks import common
from tests.benchmarks.nginx import serving

CONNECTIONS = 64
SETTLE_S = 60.0
FLAT_MB = 10.0
SHARD_LIMIT_MB = 120.0
LONGEST_S = 3600
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 320, 60, 40, 50


class Reading(NamedTuple):
    """One look: seconds since the first event, events so far, resident MB."""

    t_s: float
    events: int
    parent_mb: float
    shard_mb: float


def measure(events: int, every_s: float) -> tuple[list[Reading], float]:
    """The readings up to the last event, and the parent's highest MB after it (0: it had ended by the next look).

    Raises SystemExit with the tool's last words when it fails.
    """
    cores = common.share_out()
    with (
        tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name,
        serving(Path(name), cores.target) as nginx,
        (Path(name) / "run.log").open("w+b") as log,
    ):
        size = ("-c", str(CONNECTIONS), "-n", str(events), "-d", f"{LONGEST_S}s", "-w", "1")
        command = common.loadsim("run", nginx.url("http"), *size, "-e", common.EVENT, "-q", "--out", name)
        with common.running(common.pinned(cores.generator, command), log=log) as process:
            nginx.wait_for_load(CONNECTIONS, 0, process)
            shard = next(pid for pid in common.tree(process.pid) if "shard" in _arguments(pid))
            began, readings = time.monotonic(), [Reading(0.0, 0, common.rss_mb(process.pid), common.rss_mb(shard))]
            while process.poll() is None:
                time.sleep(every_s)
                count = nginx.status().requests
                memory = common.rss_mb(process.pid), common.rss_mb(shard)
                if count >= events or not all(memory):
                    break
                readings.append(Reading(time.monotonic() - began, count, *memory))
                common.say(f"{count:12,} events  parent {memory[0]:6.1f} MB  shard {memory[1]:6.1f} MB")
            closing = 0.0
            while process.poll() is None:
                closing = max(closing, common.rss_mb(process.pid))
                time.sleep(0.05)
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip()
        if process.returncode:
            raise SystemExit(f"loadsim ended with exit code {process.returncode}: {said}")
    return readings, closing


def _arguments(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text("utf-8", errors="replace").split("\0")


def document(events: int, readings: Sequence[Reading], closing_mb: float, settle_s: float) -> dict[str, Any]:
    """Everything, for JSON; `flat` is None where the run was over within `settle_s`."""
    settled = [reading for reading in readings if reading.t_s >= settle_s]
    found: dict[str, Any] = {}
    for who in ("parent", "shard"):
        values = [getattr(reading, f"{who}_mb") for reading in settled]
        growth = round(max(values) - min(values), 2) if len(values) > 1 else None
        found[who] = {
            "highest_mb": round(max(getattr(reading, f"{who}_mb") for reading in readings), 2),
            "moved_after_settling_mb": growth,
            "flat": None if growth is None else growth <= FLAT_MB,
        }
    found["shard"]["under_limit"] = found["shard"]["highest_mb"] < SHARD_LIMIT_MB
    last = readings[-1]
    return {
        "environment": common.environment(),
        "events": events,
        "seconds": round(last.t_s, 1),
        "connections": CONNECTIONS,
        "settle_s": settle_s,
        "flat_within_mb": FLAT_MB,
        "shard_limit_mb": SHARD_LIMIT_MB,
        "processes": found,
        "parent_while_closing_mb": round(closing_mb, 2) or None,
        "readings": [[round(value, 2) for value in reading] for reading in readings],
    }


def markdown(found: Mapping[str, Any]) -> str:
    """The page."""
    rows = []
    for who, figures in found["processes"].items():
        moved = figures["moved_after_settling_mb"]
        verdict = {True: "yes", False: "no", None: "the run was too short to say"}[figures["flat"]]
        rows.append((who, f"{figures['highest_mb']:.1f} MB", "" if moved is None else f"{moved:.1f} MB", verdict))
    closing = "Putting the result together took less than one look."
    if found["parent_while_closing_mb"] is not None:
        closing = (
            "While it puts the result together, after the last event, the parent holds up to "
            f"{found['parent_while_closing_mb']:.1f} MB."
        )
    text = (
        f"{found['events']:,} events in one run of {found['seconds']:.0f} s, {found['connections']} connections, one "
        f"shard, everything recorded. Flat: moves by at most {found['flat_within_mb']:g} MB after the first "
        f"{found['settle_s']:g} s. Resident memory over events: `memory.svg`. {closing} A shard "
        f"under {found['shard_limit_mb']:g} MB: {'yes' if found['processes']['shard']['under_limit'] else 'no'}.\n"
    )
    head = ("process", "highest", "moved afterwards", "flat")
    about = common.environment_note(found["environment"]) + "\n"
    return "\n".join(("# Memory over a long run\n", about, text, common.table(head, rows)))


def drawing(readings: Sequence[Reading], settle_s: float) -> str:
    """Resident memory over events, as SVG, the end of settling marked."""
    most_events = max(readings[-1].events, 1)
    top_mb = 20 * (int(max(max(r.parent_mb, r.shard_mb) for r in readings)) // 20 + 1)
    plot_w, plot_h = WIDTH - LEFT - 20, HEIGHT - TOP - BOTTOM

    def x(events: float) -> float:
        return LEFT + plot_w * events / most_events

    def y(mb: float) -> float:
        return TOP + plot_h * (1 - mb / top_mb)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            'font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        ),
        f'<text x="{LEFT}" y="20" font-size="14">Resident memory (MB) over events sent</text>',
    ]
    for step in range(5):
        mb, events = top_mb * step / 4, most_events * step / 4
        parts.append(f'<path d="M{LEFT} {y(mb):.1f}H{LEFT + plot_w}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(mb) + 4:.1f}" text-anchor="end">{mb:g}</text>')
        parts.append(f'<text x="{x(events):.1f}" y="{HEIGHT - 28}" text-anchor="middle">{events:,.0f}</text>')
    settled = next((r.events for r in readings if r.t_s >= settle_s), None)
    if settled is not None:
        parts.append(f'<path d="M{x(settled):.1f} {TOP}V{TOP + plot_h}" stroke="#999" stroke-dasharray="4 4"/>')
        parts.append(f'<text x="{x(settled) + 4:.1f}" y="{TOP + 12}" fill="#666">{settle_s:g} s</text>')
    for number, (who, colour) in enumerate((("shard", "#0b62a4"), ("parent", "#c2571a"))):
        points = " ".join(f"{x(r.events):.1f},{y(getattr(r, f'{who}_mb')):.1f}" for r in readings)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 90 * number}" y="{HEIGHT - 8}" fill="{colour}">{who}</text>')
    return "\n".join((*parts, "</svg>")) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the run (default 10,000,000)")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds before flatness counts (default 60)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between readings (default 1)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where memory.json, .md and .svg go")
    given = parser.parse_args()
    if given.events < 1 or given.every <= 0:
        parser.error("give at least 1 event and a time between readings above 0")
    readings, closing_mb = measure(given.events, given.every)
    found = document(given.events, readings, closing_mb, given.settle)
    text = markdown(found)
    print(text)
    common.write(given.out, "memory", found, md=text, svg=drawing(readings, given.settle))


if __name__ == "__main__":
    main()
