"""A long command is run to its end: shown, kept, limited in time, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

LIMIT_S = 2 * 3600
"""A suite that takes longer hangs."""
GRACE_S = 20


class CannotRunError(Exception):
    """A round cannot be run here; the message says why."""


def watched(
    command: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command to its end; its output is shown, kept in `log` and returned with the exit code. All processes of
    its group end with it, and with us."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=cwd,
        env=env,
    )
    assert process.stdout is not None
    alarm = threading.Timer(LIMIT_S, stop_group, (process.pid, signal.SIGTERM))
    alarm.start()
    said = bytearray()
    try:
        with log.open("wb") as file:
            while chunk := os.read(process.stdout.fileno(), 65536):
                for sink in (sys.stdout.buffer, file):
                    sink.write(chunk)
                    sink.flush()
                said += chunk
        return process.wait(), said.decode(errors="replace")
    finally:
        alarm.cancel()
        end(process)
        process.stdout.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started."""
    if process.poll() is None:
        stop_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    stop_group(process.pid, signal.SIGKILL)
    process.wait()


def stop_group(group: int, number: signal.Signals) -> None:
    """Signal a process group, which may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
