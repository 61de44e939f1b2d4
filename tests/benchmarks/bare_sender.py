"""A sender in C that only sends and reads: what the kernel and the machine take of an event, whoever sends it.

At a fixed rate it waits for each due time, as the open model does; without one it sends as soon as an answer has come.
The ratio of both is what being woken for each event costs a program that does hardly anything.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from loadsim.model import NS_PER_S
from tests.benchmarks import common

REQUEST_BYTES = 1076
"""Of a request of the events that `open_cost` sends, head and body: `bytes_sent` over `sent` of a stored result."""
LONGEST_S = 600
"""After so long a run is given up."""
LATE_S = 0.05
"""How much longer than planned the events of a run may take, the start included."""


class BareSender:
    """`bare_sender.c`, built in `directory` by gcc."""

    def __init__(self, directory: Path) -> None:
        self._program = str(directory / "bare_sender")
        source = str(Path(__file__).with_suffix(".c"))
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", source, "-o", self._program], check=True)

    def cost_us(self, core: int, port: int, rate: int, seconds: int) -> float:
        """CPU time of an event sent to a loopback port, µs; `rate` per second for so long. Raises RuntimeError when it
        fails, or does not keep the rate."""
        cpu_ns, took_ns = self._sent(core, port, rate, rate * seconds)
        if took_ns > (seconds + LATE_S) * NS_PER_S:
            raise RuntimeError(f"bare_sender did not keep {rate:,}/s: {seconds} s took {took_ns / NS_PER_S:.3f} s")
        return cpu_ns / (rate * seconds) / 1e3

    def closed_cost_us(self, core: int, port: int, count: int) -> float:
        """The same of `count` events, each sent as soon as a connection has its answer."""
        cpu_ns, _ = self._sent(core, port, 0, count)
        return cpu_ns / count / 1e3

    def _sent(self, core: int, port: int, rate: int, count: int) -> tuple[int, int]:
        """CPU time and time that `count` events took, ns."""
        done = subprocess.run(
            common.pinned(core, [self._program, str(port), str(rate), str(count)]),
            input=_request(port),
            capture_output=True,
            check=False,
            timeout=LONGEST_S,
        )
        if done.returncode:
            raise RuntimeError(f"bare_sender: {done.stderr.decode(errors='replace').strip()}")
        cpu_ns, took_ns = done.stdout.split()
        return int(cpu_ns), int(took_ns)


def _request(port: int) -> bytes:
    head = f"POST {common.PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: "
    body = b"x" * (REQUEST_BYTES - len(head) - len("999\r\n\r\n"))
    return f"{head}{len(body)}\r\n\r\n".encode() + body
