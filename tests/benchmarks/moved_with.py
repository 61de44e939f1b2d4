"""Which watched figures a run names beside receivers whose bottleneck is known:

    python -m tests.benchmarks.moved_with

Three receivers, each run for 40 s with a rate that rises half way beyond what it holds: a pool of 4 connections to a
database, a queue of 200 places, and a processor. Each shows the same figures: those of its bottleneck, and some that
have nothing to do with it. What is named should be the former, and none of the latter.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from aiohttp import web

RATES = {"pool": (40, 450), "queue": (20, 200), "processor": (15, 500)}
"""Events per second before and after: a tenth of what the receiver holds, and more than that."""
OF_BOTTLENECK = {
    "pool": {"pool_waiting", "pool_in_use"},
    "queue": {"queue_depth"},
    "processor": {"app.cpu"},
}
UNRELATED = ("temperature", "drift", "uptime")
POOL, POOL_S = 4, 0.01
QUEUE, WORK_S = 200, 0.01
BURNT_S = 0.004
SCENARIO = """
objectives = ["success: rate >= 0%"]
[target]
url = "http://127.0.0.1:{port}/hook"
timeout = "5s"
[validity]
lag = "5s"
[[phases]]
name = "calm"
rate = "{calm}/s"
arrivals = "poisson"
duration = "20s"
[[phases]]
name = "busy"
rate = "{busy}/s"
arrivals = "poisson"
duration = "20s"
[[watch]]
name = "app"
pid = {pid}
"""
WATCH = '[[watch]]\nname = "{name}"\nurl = "http://127.0.0.1:{port}/metrics"\nmetric = "{name}"\n'


class Receiver:
    """One of the three; `main` runs it as a process of its own."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._pool = asyncio.Semaphore(POOL)
        self._queue: asyncio.Queue[float] = asyncio.Queue(QUEUE)
        self._began = time.monotonic()
        self._random = np.random.default_rng(1)
        self._waiting, self._in_use, self._drift = 0, 0, 100.0

    async def hook(self, request: web.Request) -> web.Response:
        await request.read()
        if self._kind == "pool":
            await self._ask_database()
        elif self._kind == "processor":
            end = time.thread_time() + BURNT_S
            while time.thread_time() < end:
                pass
        else:
            try:
                self._queue.put_nowait(time.monotonic())
            except asyncio.QueueFull:
                return web.Response(status=503)
        return web.Response()

    async def _ask_database(self) -> None:
        self._waiting += 1
        async with self._pool:
            self._waiting -= 1
            self._in_use += 1
            await asyncio.sleep(POOL_S)
            self._in_use -= 1

    async def work(self) -> None:
        """Take events from the queue, one after the other."""
        while True:
            await self._queue.get()
            await asyncio.sleep(WORK_S)

    async def metrics(self, _: web.Request) -> web.Response:
        self._drift += self._random.normal(0, 1)
        figures = {
            "pool_waiting": self._waiting,
            "pool_in_use": self._in_use,
            "queue_depth": self._queue.qsize(),
            "temperature": self._random.normal(40, 2),
            "drift": self._drift,
            "uptime": time.monotonic() - self._began,
        }
        return web.Response(text="".join(f"{name} {value}\n" for name, value in figures.items()))


async def receive(kind: str) -> None:
    """Serve on a free port, which is printed, until standard input ends."""
    receiver = Receiver(kind)
    app = web.Application()
    app.add_routes([web.post("/hook", receiver.hook), web.get("/metrics", receiver.metrics)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    working = asyncio.get_running_loop().create_task(receiver.work())
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    working.cancel()
    await runner.cleanup()


def fired(kind: str, port: int, pid: int, directory: Path) -> dict[str, object]:
    """The result of a run against one of them."""
    calm, busy = RATES[kind]
    names = ("pool_waiting", "pool_in_use", "queue_depth", *UNRELATED)
    text = SCENARIO.format(port=port, calm=calm, busy=busy, pid=pid)
    (directory / "run.toml").write_text(text + "".join(WATCH.format(name=name, port=port) for name in names), "utf-8")
    environment = {**os.environ, "TRACKPILOTS_WEBHOOKS_SECRET_KEY": "benchmark"}  # noqa: TID251 - a child's
    subprocess.run(
        [sys.executable, "-m", "loadsim", "run", "run.toml", "-q", "--json", "out.json"],
        cwd=directory,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    found: dict[str, object] = json.loads((directory / "out.json").read_bytes())["moved_with"]
    return found


def main() -> None:
    """Run all three and print what is named."""
    if len(sys.argv) > 1:
        asyncio.run(receive(sys.argv[1]))
        return
    for kind, wanted in OF_BOTTLENECK.items():
        command = [sys.executable, "-m", "tests.benchmarks.moved_with", kind]
        with (
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as receiver,
            tempfile.TemporaryDirectory() as directory,
        ):
            assert receiver.stdin is not None
            assert receiver.stdout is not None
            port = int(receiver.stdout.readline())
            found = fired(kind, port, receiver.pid, Path(directory))
            receiver.stdin.close()
        rows = found["rows"]
        assert isinstance(rows, list)
        named = {row["name"] for row in rows}
        print(
            f"{kind}: {'right' if named & wanted else 'missed'}, unrelated: {sorted(named & set(UNRELATED)) or 'none'}"
        )
        for row in rows:
            change = f"{row['before']:.4g} to {row['after']:.4g} at {row['at_s']:g} s"
            figures = f"{row['figure_before']:.4g} to {row['figure_after']:.4g} at {row['figure_at_s']:g} s"
            print(f"  {row['name']}: {change}; {row['figure']}: {figures}")
        if found["why_not"]:
            print(f"  {found['why_not']}")


if __name__ == "__main__":
    main()
