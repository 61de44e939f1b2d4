"""What a verified event costs a receiver: ours, a plain aiohttp application that does the same work, and the peers.

All verify the same events, signed before the run and sent round and round by wrk on 64 kept connections; the receiver
has one core to itself, wrk another. The windows of all rows are interleaved, round after round, so that a slow moment
of the machine meets all of them. The figure is the CPU time of the receiver's processes per answered event.

    python -m tests.benchmarks.receivers            (--install first, once: puts the peers into ~/.cache)

With `--keep FILE --minutes M` the windows are kept and the sitting ends in time; the same command goes on where it
ended, and writes the page after the last window.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from loadsim.events import EventSource
from loadsim.measure.timing_statistics import spread
from loadsim.model import Secret
from loadsim.signing import scheme
from tests.benchmarks import common

CONNECTIONS = 64
EVENTS = 1_000
WARM_UP_S = 1
TRACKPILOTS, STANDARD = "trackpilots", "standard-webhooks"
PIPS = ("fastapi", "uvicorn", "httptools", "uvloop", "flask", "gunicorn", "standardwebhooks", "svix", "cryptography")
NODES = ("express", "standardwebhooks")
HOME = Path.home() / ".cache" / "loadsim-bench" / "receivers"
"""Where `--install` puts the peers: never into the checkout."""
TARGETS = (
    ("aiohttp engine, plain routed application", "plain", "ours", 2.5),
    ("bare engine, plain routed application", "plain", "bare", 6.0),
)
SHARES = (("aiohttp", "ours", "ours-code", "ours-open"), ("bare", "bare", "bare-code", "bare-open"))
"""Of an engine: the rows that verify, that compute the code alone, and that do not verify."""
SHARE_LIMIT = 1.10
HASHED = (300, 772)
"""Body sizes whose code is timed alone: what the other benchmarks use, and about the event sent here."""
DISTURBED = 0.10
"""More of a core than this taken by strangers, and a window says nothing about caches and turbo that it shares."""
ATTEMPTS = 5
"""How often a window is measured before the sitting is given up."""
_SCRIPTS = Path(__file__).with_name("peers")
KEY = base64.b64encode(b"benchmark-secret-of-32-bytes-len").decode("ascii")


class Place(NamedTuple):
    """Where a receiver is to listen, and where its program comes from."""

    port: int
    home: Path


@dataclass(frozen=True)
class Row:
    """One receiver. `lack` says why it cannot run here; empty when it can."""

    key: str
    name: str
    scheme: str
    command: Callable[[Place], list[str]]
    needs: tuple[str, ...] = ()
    """Files under the peers' directory that must be there."""
    verifies: bool = True

    def lack(self, home: Path) -> str:
        """What is missing, or nothing."""
        absent = [name for name in self.needs if not (home / name).exists()]
        return f"{', '.join(absent)} not found: run with --install" if absent else ""


def _ours(engine: str, signed: str, *more: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        secret = [] if "--no-verify" in more else ["--secret-env", "BENCH_SECRET"]
        where = ["--port", str(place.port), "--admin", "127.0.0.1:0"]
        return common.loadsim("receive", *where, "--engine", engine, "--scheme", signed, *secret, *more)

    return command


def _script(name: str, *more: str) -> Callable[[Place], list[str]]:
    return lambda place: [sys.executable, str(_SCRIPTS / name), str(place.port), *more]


def _fastapi(place: Place) -> list[str]:
    server = [str(place.home / "venv/bin/uvicorn"), "fastapi_receiver:app", "--app-dir", str(_SCRIPTS)]
    return [*server, "--port", str(place.port), "--no-access-log", "--log-level", "warning"]


def _flask(place: Place) -> list[str]:
    server = [str(place.home / "venv/bin/gunicorn"), "flask_receiver:app", "--chdir", str(_SCRIPTS)]
    threads = ["--worker-class", "gthread", "--threads", "4", "--keep-alive", "75", "--log-level", "warning"]
    return [*server, "--bind", f"127.0.0.1:{place.port}", *threads]


def _express(place: Place) -> list[str]:
    return ["node", str(_SCRIPTS / "express_receiver.mjs"), str(place.port)]


ROWS = (
    Row("plain", "aiohttp, plain routed application", TRACKPILOTS, _script("plain_receiver.py", TRACKPILOTS)),
    Row("ours", "loadsim, aiohttp engine", TRACKPILOTS, _ours("aiohttp", TRACKPILOTS)),
    Row(
        "ours-open",
        "loadsim, aiohttp engine, without verification",
        TRACKPILOTS,
        _ours("aiohttp", TRACKPILOTS, "--no-verify"),
        verifies=False,
    ),
    Row("bare", "loadsim, bare engine", TRACKPILOTS, _ours("bare", TRACKPILOTS)),
    Row(
        "bare-open",
        "loadsim, bare engine, without verification",
        TRACKPILOTS,
        _ours("bare", TRACKPILOTS, "--no-verify"),
        verifies=False,
    ),
    Row(
        "ours-code",
        "loadsim, aiohttp engine, the code alone",
        TRACKPILOTS,
        _script("code_alone_receiver.py", "aiohttp"),
        verifies=False,
    ),
    Row(
        "bare-code",
        "loadsim, bare engine, the code alone",
        TRACKPILOTS,
        _script("code_alone_receiver.py", "bare"),
        verifies=False,
    ),
    Row("null", "asyncio.Protocol that looks at nothing", TRACKPILOTS, _script("null_receiver.py"), verifies=False),
    Row("ours-standard", "loadsim, aiohttp engine", STANDARD, _ours("aiohttp", STANDARD)),
    Row("fastapi", "FastAPI, uvicorn, standardwebhooks", STANDARD, _fastapi, ("venv/bin/uvicorn",)),
    Row("flask", "Flask, gunicorn, standardwebhooks", STANDARD, _flask, ("venv/bin/gunicorn",)),
    Row("express", "Express, standardwebhooks", STANDARD, _express, ("node/node_modules/express",)),
)


class Window(NamedTuple):
    """What one stretch of load saw."""

    events_per_s: float
    cpu_us: float
    p99_ms: float
    noise: float


@dataclass
class Found:
    """The windows of one row."""

    row: Row
    windows: list[Window] = field(default_factory=list)

    def median(self) -> float:
        """CPU µs per event."""
        return spread([window.cpu_us for window in self.windows]).median


def write_requests(path: Path, signed: str) -> None:
    """`EVENTS` app-tracking events signed now, as wrk_replay.lua reads them."""
    source, now_ns = EventSource(common.EVENT, 1), time.time_ns()
    signer = scheme(signed).signer(Secret(KEY))
    with path.open("wb") as file:
        for index in range(EVENTS):
            body = source.body(index, now_ns)
            head = f"POST {common.PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
            head += signer.headers(body, now_ns, source.event_id(index)) + b"Content-Length: %d\r\n\r\n" % len(body)
            file.write(b"%08d" % (len(head) + len(body)) + head + body)


def fire(core: int, port: int, requests: Path, seconds: int, connections: int = CONNECTIONS) -> tuple[int, float]:
    """wrk for so long: how many 2xx, and the p99 in ms. Raises RuntimeError when any answer was something else."""
    url = f"http://127.0.0.1:{port}{common.PATH}"
    size = ("-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency")
    command = ["wrk", *size, "-s", str(_SCRIPTS / "wrk_replay.lua"), url, "--", str(requests)]
    text = subprocess.run(common.pinned(core, command), capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", text)
    if bad is not None:
        raise RuntimeError(bad[0])
    done = re.search(r"(\d+) requests in", text)
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if done is None or tail is None:
        raise RuntimeError(f"wrk said {text!r}")
    return int(done[1]), float(tail[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[tail[2]]


def window(row: Row, cores: common.Cores, home: Path, directory: Path, seconds: int) -> Window:
    """Start the receiver, warm it up, load it, read its CPU time."""
    place = Place(common.free_port(), home)
    requests = directory / f"{row.scheme}.requests"
    write_requests(requests, row.scheme)
    extra = {"BENCH_SECRET": KEY, "BENCH_NODE": str(home / "node"), "PYTHONPATH": str(common.ROOT)}
    with common.running(common.pinned(cores.target, row.command(place)), extra=extra) as process:
        common.wait_for_port(place.port, process, 30.0)
        fire(cores.generator, place.port, requests, WARM_UP_S)
        load, own, began = common.machine_load(), common.own_cpu_seconds(), time.perf_counter()
        before = common.cpu_seconds(process.pid)
        done, tail = fire(cores.generator, place.port, requests, seconds)
        cpu_s = common.cpu_seconds(process.pid) - before
        took, used = time.perf_counter() - began, common.own_cpu_seconds() - own
        noise = common.noise(load, common.machine_load(), cpu_s + used, took)
    return Window(done / seconds, cpu_s / done * 1e6, tail, noise)


class Kept:
    """The windows of a sitting in several parts: a line of JSON for each, by round and row."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []
        self._windows = {(number, key): Window(*seen) for number, key, seen in map(json.loads, lines)}

    def get(self, number: int, key: str) -> Window | None:
        """What was measured already."""
        return self._windows.get((number, key))

    def add(self, number: int, key: str, seen: Window) -> None:
        """Keep it, on disk at once; what is kept already stays as it is."""
        known = (number, key) in self._windows
        self._windows[number, key] = seen
        if self._path is not None and not known:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([number, key, seen]) + "\n")


def measure(
    rows: Sequence[Row], home: Path, rounds: int, seconds: int, kept: Kept, end_s: float = math.inf
) -> list[Found] | None:
    """`rounds` windows of every row, in turn, beginning each round with another row; None when `end_s` came first.

    `end_s` is an instant of `time.monotonic`. A window that strangers disturbed is thrown away and measured again.
    """
    cores = common.share_out()
    found = [Found(row) for row in rows]
    with tempfile.TemporaryDirectory() as directory:
        for number in range(rounds):
            start = number % len(found)
            for entry in found[start:] + found[:start]:
                seen = kept.get(number, entry.row.key)
                for _ in range(ATTEMPTS if seen is None else 0):
                    if time.monotonic() > end_s:
                        return None
                    seen = window(entry.row, cores, home, Path(directory), seconds)
                    text = f"{seen.events_per_s:,.0f}/s, {seen.cpu_us:.1f} µs per event, noise {seen.noise:.0%}"
                    common.say(f"round {number + 1} of {rounds}: {entry.row.key}: {text}")
                    if seen.noise <= DISTURBED:
                        break
                if seen is None or seen.noise > DISTURBED:
                    common.say("the machine does not come to rest")
                    return None
                kept.add(number, entry.row.key, seen)
                entry.windows.append(seen)
    return found


def document(found: Sequence[Found], lacking: dict[str, str]) -> dict[str, Any]:
    """Everything, for JSON."""
    medians = {entry.row.key: entry.median() for entry in found}
    targets = [
        {"what": f"{name} / {base}", "asked_at_least": asked, "found": round(medians[base] / medians[key], 2)}
        for name, base, key, asked in TARGETS
        if base in medians and key in medians
    ]
    shares = [
        {
            "what": f"{name}, verifying / not",
            "asked_at_most": SHARE_LIMIT,
            "found": round(medians[key] / medians[rest], 3),
        }
        for name, key, _, rest in SHARES
        if key in medians and rest in medians
    ]
    floors = [
        {"engine": name, "us": medians[code] - medians[rest], "ratio": round(medians[code] / medians[rest], 3)}
        for name, _, code, rest in SHARES
        if code in medians and rest in medians
    ]
    return {
        "environment": common.environment(),
        "noise": common.noise_note([seen.noise for entry in found for seen in entry.windows]),
        "rows": [_row_document(entry) for entry in found],
        "lacking": lacking,
        "targets": [*targets, *shares],
        "code_alone_us": {str(size): code_us(size) for size in HASHED},
        "floors": floors,
    }


def code_us(size: int) -> float:
    """CPU µs of one HMAC-SHA256 of so many bytes from two prepared states, over and over with nothing between."""
    ready, body, times = hashlib.sha256(bytes(64)), bytes(size), 10_000
    found = []
    for _ in range(9):
        began = time.process_time_ns()
        for _ in range(times):
            inner = ready.copy()
            inner.update(body)
            outer = ready.copy()
            outer.update(inner.digest())
            outer.hexdigest()
        found.append((time.process_time_ns() - began) / times / 1e3)
    return spread(found).median


def floor_notes(found: dict[str, Any]) -> list[str]:
    """What of the cost of verifying nobody can save, in words."""
    alone = " and ".join(f"{us:.2f} µs for {size} bytes" for size, us in found["code_alone_us"].items())
    first = (
        f"Of what verifying adds, the code is what nobody can leave out: one HMAC-SHA256 takes {alone} in a loop, and "
        "more in a receiver, where between two of them everything else goes through the processor's caches.\n"
    )
    notes = [first]
    for floor in found["floors"]:
        share = floor["ratio"] - 1
        text = f"On the {floor['engine']} engine the code alone adds {floor['us']:.1f} µs, {share:.0%}"
        beneath = f": the {SHARE_LIMIT - 1:.0%} asked for lie beneath it, and no verification can reach them"
        notes.append(text + (beneath if floor["ratio"] > SHARE_LIMIT else "") + ".\n")
    return notes


def _row_document(entry: Found) -> dict[str, Any]:
    columns = Window._fields
    spreads = {name: spread([getattr(seen, name) for seen in entry.windows]).document() for name in columns}
    return {"key": entry.row.key, "name": entry.row.name, "scheme": entry.row.scheme, **spreads}


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    rows = [
        (
            row["name"],
            row["scheme"],
            f"{row['cpu_us']['median']:.1f}",
            f"{row['cpu_us']['low']:.1f} to {row['cpu_us']['high']:.1f}",
            f"{row['events_per_s']['median']:,.0f}",
            f"{row['p99_ms']['median']:.2f}",
        )
        for row in found["rows"]
    ]
    asked = [
        (
            target["what"],
            f"{target['found']:g}",
            f"≥ {target['asked_at_least']:g}" if "asked_at_least" in target else f"≤ {target['asked_at_most']:g}",
        )
        for target in found["targets"]
    ]
    head = ("receiver", "scheme", "CPU µs per event", "min to max", "events/s", "p99 ms")
    parts = [
        "# What a verified event costs a receiver\n",
        f"{common.environment_note(found['environment'])} {found['noise']}\n",
        f"One process on one core, wrk with {CONNECTIONS} connections on another, medians of interleaved windows.\n",
        f"Windows in which strangers took more than {DISTURBED:.0%} of a core were thrown away and measured again.\n",
        common.table(head, rows),
        common.table(("ratio of CPU time", "found", "asked"), asked) if asked else "",
        *(floor_notes(found) if found["floors"] else ()),
        *(f"Missing: {name}: {why}\n" for name, why in found["lacking"].items()),
    ]
    return "\n".join(part for part in parts if part)


def install(home: Path) -> None:
    """The peers into `home`."""
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True)
    subprocess.run([str(home / "venv/bin/pip"), "install", "-q", *PIPS], check=True)
    if lack := common.missing("npm"):
        common.say(lack)
    else:
        npm = ["npm", "install", "--silent", "--no-fund", "--prefix", str(home / "node")]
        subprocess.run([*npm, *NODES], check=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="windows per receiver (default 9)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a window (default 3)")
    parser.add_argument("--only", help=f"rows to measure, with commas: {', '.join(row.key for row in ROWS)}")
    parser.add_argument("--keep", type=Path, help="a file that keeps the windows, so that a sitting may have parts")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no window after so long")
    parser.add_argument("--install", action="store_true", help=f"install the peers into {HOME} and end")
    parser.add_argument("--home", type=Path, default=HOME, help="where the peers are")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where receivers.json and .md go")
    given = parser.parse_args()
    if given.install:
        install(given.home)
        return
    if lack := common.missing("wrk", "taskset"):
        parser.error(lack)
    if given.rounds < 1 or given.seconds < 1:
        parser.error("give at least 1 round of 1 second")
    keys = given.only.split(",") if given.only else [row.key for row in ROWS]
    if unknown := set(keys) - {row.key for row in ROWS}:
        parser.error(f"unknown rows: {', '.join(sorted(unknown))}")
    chosen = [row for row in ROWS if row.key in keys]
    lacking = {row.name: why for row in chosen if (why := row.lack(given.home))}
    rows = [row for row in chosen if row.name not in lacking]
    end_s = time.monotonic() + 60 * given.minutes
    found = measure(rows, given.home, given.rounds, given.seconds, Kept(given.keep), end_s)
    if found is None:
        common.say("not done: the same command goes on from here")
        return
    result = document(found, lacking)
    text = markdown(result)
    print(text)
    common.write(given.out, "receivers", result, md=text)
    if os.isatty(2):
        common.say("commit these figures only when the sitting was quiet")


if __name__ == "__main__":
    main()
