"""The companion receiver with a memory: what came, whether it verifies, whether any body came twice, and when.

Stands on the receiver's own parts (its rules, its handler, its bare engine), so that what it calls verified is what the
receiver calls verified. Runs as a process of its own; the end of its stdin makes it write its report to stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np
import uvloop

from loadsim.model import Secret
from loadsim.receiver.answer_choice import Rules
from loadsim.receiver.answers import Answer, Entry
from loadsim.receiver.counters import SharedCounters
from loadsim.receiver.fault_plan import fault_plan
from loadsim.receiver.handler import WebhookHandler
from loadsim.receiver.http_bare import BareEngine
from loadsim.receiver.options import ANY_PATH, ReceiverOptions
from loadsim.signing import Checker, scheme
from tests.benchmarks import common


class Testimony(msgspec.Struct, frozen=True):
    """What a witness saw. Lengths are of bodies, in bytes; `offset_ns` takes an arrival to the wall clock."""

    received: int
    verified: int
    refused: dict[str, int]
    repeated: int
    mean_length: float
    offset_ns: int


class RememberingRules(Rules):
    """The receiver's rules, and a note of every request that they decide."""

    __slots__ = ("arrivals", "bodies", "entries", "length")

    def __init__(self, verifier: Checker) -> None:
        super().__init__(ANY_PATH, verifier)
        self.needs = (*self.needs, "x-loadsim-id")
        self.entries: Counter[str] = Counter()
        self.bodies: set[bytes] = set()
        self.length = 0
        self.arrivals: list[int] = []
        """Index of the event and ns of the monotonic clock, in turn."""

    def decide(self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Answer:
        """As the receiver decides it; the time is taken first."""
        now = time.monotonic_ns()
        answer = super().decide(method, target, headers, body, now_s)
        index = headers.get("x-loadsim-id", "//").split("/")[1]
        self.arrivals += (int(index) if index.isdecimal() else -1, now)
        self.entries[answer.entry.name if answer.entry is not None else str(answer.status)] += 1
        self.bodies.add(hashlib.blake2b(body, digest_size=16).digest())
        self.length += len(body)
        return answer

    def testimony(self) -> Testimony:
        """Everything so far."""
        received = self.entries.total()
        verified = self.entries[Entry.verified.name]
        refused = {name: count for name, count in self.entries.items() if name != Entry.verified.name}
        mean = self.length / received if received else 0.0
        return Testimony(received, verified, refused, received - len(self.bodies), mean, clock_offset_ns())


def clock_offset_ns() -> int:
    """What takes the monotonic clock to the wall clock: of many readings the one that was least interrupted."""
    readings = []
    for _ in range(100):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


async def _serve(port: int, arrivals: Path | None) -> None:
    options = ReceiverOptions(engine="bare", path=ANY_PATH)
    rules = RememberingRules(scheme(options.scheme).verifier(Secret(common.SECRET)))
    engine = BareEngine(
        options, WebhookHandler(options, rules, SharedCounters.create(1).row(0), fault_plan(options, 0)), None
    )
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    await engine.serve(listener)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await engine.stop(1.0)
    if arrivals is not None:
        np.save(arrivals, np.array(rules.arrivals, np.int64).reshape(-1, 2))
    sys.stdout.buffer.write(msgspec.json.encode(rules.testimony()))


class Witness:
    """A running witness, from outside. Made by `watching`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, arrivals: Path | None) -> None:
        self._process = process
        self._arrivals = arrivals
        self.port = port

    @property
    def url(self) -> str:
        """Where to POST."""
        return f"http://127.0.0.1:{self.port}{common.PATH}"

    def testimony(self) -> Testimony:
        """Ends the witness and hears it. Raises RuntimeError when it has nothing to say."""
        said, _ = self._process.communicate(timeout=60)
        if self._process.returncode:
            raise RuntimeError("the witness failed")
        return msgspec.json.decode(said, type=Testimony)

    def arrivals(self) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """After `testimony`: rows of event index (-1: untold) and ns of the monotonic clock, as they came."""
        if self._arrivals is None:
            raise RuntimeError("this witness was not asked to keep arrivals")
        found: np.ndarray[tuple[int, int], np.dtype[np.int64]] = np.load(self._arrivals)
        return found


@contextlib.contextmanager
def watching(core: int, port: int, arrivals: Path | None = None) -> Iterator[Witness]:
    """A witness pinned to `core` that listens on `port`; `arrivals` is a .npy file to be written at its end."""
    command = [sys.executable, "-m", "tests.benchmarks.witness", str(port)]
    if arrivals is not None:
        command += ["--arrivals", str(arrivals)]
    with subprocess.Popen(
        common.pinned(core, command), cwd=common.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            common.wait_for_port(port, process)
            yield Witness(process, port, arrivals)
        finally:
            if process.poll() is None:
                process.kill()


def main() -> None:
    """One witness; started by `watching`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--arrivals", type=Path)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.arrivals))


if __name__ == "__main__":
    main()
