"""An open-model sender in C that does nothing but wait, send and read: the floor under what an event can cost.

What the kernel and the hypervisor take for a wake-up is paid by every program, however little it does by itself.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.benchmarks import common

REQUEST_BYTES = 1076
"""Of a request of the events that `open_cost` sends, on average, head and body."""


class BareSender:
    """`bare_sender.c`, built in `directory`. Exits with one line where gcc is missing."""

    def __init__(self, directory: Path) -> None:
        if lack := common.missing("gcc"):
            raise SystemExit(lack)
        self._program = str(directory / "bare_sender")
        source = str(Path(__file__).with_suffix(".c"))
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", source, "-o", self._program], check=True)

    def cost_us(self, core: int, port: int, rate: int, seconds: int) -> float:
        """CPU time of an event sent to a loopback port at a fixed rate, µs. Raises RuntimeError when it fails."""
        count = rate * seconds
        done = subprocess.run(
            common.pinned(core, [self._program, str(port), str(rate), str(count)]),
            input=_request(port),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"bare_sender: {done.stderr.decode(errors='replace').strip()}")
        return int(done.stdout) / count / 1e3


def _request(port: int) -> bytes:
    head = (
        f"POST {common.PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: "
    )
    body = b"x" * (REQUEST_BYTES - len(head) - len("1000\r\n\r\n"))
    return f"{head}{len(body)}\r\n\r\n".encode() + body
