"""Memory over a long run: how much a shard and its parent hold while ten million events go by.

    python -m tests.benchmarks.memory

One `loadsim run` of a given number of events (closed model, 64 connections, everything recorded) against nginx. Once a
second the resident memory of the parent and of the shard is read from /proc, beside nginx's own count of events. Flat
means: in the second half of the events it moves by at most FLAT_MB; with fewer than LEAST_READINGS of them the run was
too short to say. Each has a limit for the most that it held until then, start included (the
kernel's VmHWM). What the parent holds at most until it has ended, putting the result together and drawing the page,
stands beside it.

Everything recorded means what every run does without being asked: named events, lateness of each event, course of the
run. Watches, effects and traces are off.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from loadsim.launch.shard_process import SHARD
from tests.benchmarks import common
from tests.benchmarks.nginx import serving

CONNECTIONS = 64
FLAT_MB = 10.0
LEAST_READINGS = 10
LIMITS_MB = {"shard": 64.0, "parent": 80.0}
LONGEST_S = 3600
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 320, 60, 40, 50


class Reading(NamedTuple):
    """One look: seconds since the first event, events so far, resident MB."""

    t_s: float
    events: int
    parent_mb: float
    shard_mb: float


def measure(events: int, every_s: float) -> tuple[list[Reading], dict[str, float], float]:
    """The readings up to the last event, by process the most MB that it held until then, and the parent until its end.

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
            shard = next(pid for pid in common.tree(process.pid) if SHARD in _arguments(pid))
            peaks = {"shard": 0.0, "parent": 0.0}
            began, readings = time.monotonic(), [Reading(0.0, 0, common.rss_mb(process.pid), common.rss_mb(shard))]
            while process.poll() is None:
                time.sleep(every_s)
                count = nginx.status().requests
                memory = common.rss_mb(process.pid), common.rss_mb(shard)
                if count >= events or not all(memory):
                    break
                peaks = {"shard": peak_mb(shard), "parent": peak_mb(process.pid)}
                readings.append(Reading(time.monotonic() - began, count, *memory))
                common.say(f"{count:12,} events  parent {memory[0]:6.1f} MB  shard {memory[1]:6.1f} MB")
            until_end = 0.0
            while process.poll() is None:
                until_end = max(until_end, peak_mb(process.pid))
                time.sleep(0.01)
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip()
        if process.returncode:
            raise SystemExit(f"loadsim ended with exit code {process.returncode}: {said}")
    return readings, peaks, until_end


def peak_mb(pid: int) -> float:
    """Most resident memory of one process since its program was started, MB of 1,000,000 bytes; 0 when it is gone."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8", errors="replace"))
        if found:  # a process that has ended, and is not yet forgotten, has no memory
            return int(found[1]) * 1024 / 1e6
    return 0.0


def _arguments(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text("utf-8", errors="replace").split("\0")


def document(
    events: int, readings: Sequence[Reading], peaks_mb: Mapping[str, float], until_end_mb: float
) -> dict[str, Any]:
    """Everything, for JSON; `flat` is None where the second half of the events has too few readings.

    `until_end_mb` is the most that the parent held until its end; 0: it had ended by the next look.
    """
    last = readings[-1]
    settled = [reading for reading in readings if reading.events >= last.events / 2]
    found: dict[str, Any] = {}
    for who, limit in LIMITS_MB.items():
        values = [getattr(reading, f"{who}_mb") for reading in settled]
        moved = max(values) - min(values) if len(values) >= LEAST_READINGS else None
        found[who] = {
            "last_mb": round(getattr(last, f"{who}_mb"), 2),
            "highest_mb": round(peaks_mb[who], 2),
            "limit_mb": limit,
            "under_limit": peaks_mb[who] < limit,
            "moved_in_second_half_mb": None if moved is None else round(moved, 2),
            "flat": None if moved is None else moved <= FLAT_MB,
        }
    return {
        "environment": common.environment(),
        "events": events,
        "seconds": round(last.t_s, 1),
        "connections": CONNECTIONS,
        "flat_within_mb": FLAT_MB,
        "processes": found,
        "parent_until_end_mb": round(until_end_mb, 2) or None,
        "readings": [[round(value, 2) for value in reading] for reading in readings],
    }


def markdown(found: Mapping[str, Any]) -> str:
    """The page."""
    rows = []
    for who, figures in found["processes"].items():
        moved = figures["moved_in_second_half_mb"]
        flat = {True: "yes", False: "no", None: "the run was too short to say"}[figures["flat"]]
        rows.append(
            (
                who,
                f"{figures['last_mb']:.1f} MB",
                f"{figures['highest_mb']:.1f} MB",
                f"{figures['limit_mb']:g} MB",
                "yes" if figures["under_limit"] else "no",
                "" if moved is None else f"{moved:.1f} MB",
                flat,
            )
        )
    closing = "Putting the result together took less than one look"
    if found["parent_until_end_mb"] is not None:
        closing = f"Until the parent has put the result together it holds up to {found['parent_until_end_mb']:.1f} MB"
    text = (
        f"{found['events']:,} events in one run of {found['seconds']:.0f} s, {found['connections']} connections, one "
        "shard, everything recorded. Highest: the most that it held, from its start to the last event. Flat: "
        f"moves by at most {found['flat_within_mb']:g} MB in the second half of the events. {closing}. Resident "
        "memory over events: `memory.svg`.\n"
    )
    head = ("process", "at the last event", "highest", "limit", "under it", "moved in the second half", "flat")
    about = common.environment_note(found["environment"]) + "\n"
    return "\n".join(("# Memory over a long run\n", about, text, common.table(head, rows)))


def drawing(readings: Sequence[Reading]) -> str:
    """Resident memory over events, as SVG, half of the events marked."""
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
    half = x(readings[-1].events / 2)
    parts.append(f'<path d="M{half:.1f} {TOP}V{TOP + plot_h}" stroke="#999" stroke-dasharray="4 4"/>')
    for number, (who, colour) in enumerate((("shard", "#0b62a4"), ("parent", "#c2571a"))):
        points = " ".join(f"{x(r.events):.1f},{y(getattr(r, f'{who}_mb')):.1f}" for r in readings)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 90 * number}" y="{HEIGHT - 8}" fill="{colour}">{who}</text>')
    return "\n".join((*parts, "</svg>")) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the run (default 10,000,000)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between readings (default 1)")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where memory.json, .md and .svg go")
    given = parser.parse_args()
    if given.events < 1 or given.every <= 0:
        parser.error("give at least 1 event and a time between readings above 0")
    readings, peaks_mb, until_end_mb = measure(given.events, given.every)
    found = document(given.events, readings, peaks_mb, until_end_mb)
    text = markdown(found)
    print(text)
    common.write(given.out, "memory", found, md=text, svg=drawing(readings))


if __name__ == "__main__":
    main()
