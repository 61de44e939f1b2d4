"""HTTP/2 servers that are not ours: each verifies events itself, or passes them on to the companion receiver."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.documents import FILES

HERE = Path(__file__).parent
CERTIFICATE = HERE.parent / "engine" / "certs" / "localhost.pem"
"""For localhost, and its key."""
START_S = 60.0


@dataclass(frozen=True)
class Ports:
    """Where a server listens, without TLS and with it, and where it passes events on to."""

    plain: int
    secured: int
    behind: int


Commands = Callable[[Path, Ports], list[list[str]]]
"""Writes what a server needs into a directory; the commands that start it, one for both ports or one for each."""


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nginx(directory: Path, ports: Ports, requests: int = 1_000_000) -> list[list[str]]:
    """nginx in front of the companion receiver, as the documentation shows it. It ends a connection after so many
    `requests`."""
    text = FILES["receiver-http2.conf"].text
    for shown, own in (
        ("cert.pem", CERTIFICATE),
        ("key.pem", CERTIFICATE),
        ("127.0.0.1:8080", f"127.0.0.1:{ports.behind}"),
        ("127.0.0.1:8081", f"127.0.0.1:{ports.plain}"),
        ("127.0.0.1:8443", f"127.0.0.1:{ports.secured}"),
        ("keepalive_requests 1000000", f"keepalive_requests {requests}"),
    ):
        assert shown in text
        text = text.replace(shown, str(own))
    (directory / "nginx.conf").write_text(text, encoding="utf-8")
    return [["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")]]


def nghttpx(directory: Path, ports: Ports) -> list[list[str]]:
    """nghttp2's own proxy."""
    (directory / "nghttpx.conf").write_text("", encoding="utf-8")
    common = ["nghttpx", f"--conf={directory}/nghttpx.conf", "--workers=1"]
    front = [f"-f127.0.0.1,{ports.plain};no-tls", f"-f127.0.0.1,{ports.secured}", f"-b127.0.0.1,{ports.behind}"]
    return [[*common, *front, f"--errorlog-file={directory}/log", str(CERTIFICATE), str(CERTIFICATE)]]


def haproxy(directory: Path, ports: Ports) -> list[list[str]]:
    """HAProxy."""
    (directory / "haproxy.cfg").write_text(
        f"""
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend events
  bind 127.0.0.1:{ports.plain} proto h2
  bind 127.0.0.1:{ports.secured} ssl crt {CERTIFICATE} alpn h2,http/1.1
  default_backend receiver
backend receiver
  server receiver 127.0.0.1:{ports.behind}
""",
        encoding="utf-8",
    )
    return [["haproxy", "-f", str(directory / "haproxy.cfg")]]


def node(_: Path, ports: Ports) -> list[list[str]]:
    """Node's http2, which verifies itself."""
    script = ["node", str(HERE / "verify.mjs")]
    return [
        ["env", f"PORT={ports.plain}", "TLS_PEM=", *script],
        ["env", f"PORT={ports.secured}", f"TLS_PEM={CERTIFICATE}", *script],
    ]


def hypercorn(_: Path, ports: Ports) -> list[list[str]]:
    """Hypercorn with an application that verifies itself."""
    served = [sys.executable, "-m", "hypercorn", "--log-level", "warning", "tests.http2.verify:app"]
    secured = ["--certfile", str(CERTIFICATE), "--keyfile", str(CERTIFICATE)]
    return [
        [*served, "--bind", f"127.0.0.1:{ports.plain}"],
        [*served, "--bind", f"127.0.0.1:{ports.secured}", *secured],
    ]


@contextlib.contextmanager
def running(commands: Commands, directory: Path, behind: int = 0) -> Iterator[Ports]:
    """A server as long as the context lasts."""
    ports = Ports(free_port(), free_port(), behind)
    with contextlib.ExitStack() as stack, (directory / "output").open("wb") as output:
        for command in commands(directory, ports):
            process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
            stack.callback(process.wait)
            stack.callback(os.killpg, process.pid, signal.SIGKILL)  # a master's workers would outlive it
        for port in (ports.plain, ports.secured):
            _wait_for(port, directory / "output")
        yield ports


def _wait_for(port: int, output: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, output.read_text(errors="replace")
            time.sleep(0.05)
        else:
            return
