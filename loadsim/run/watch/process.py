"""A process of this machine and its children, as Linux shows them in `/proc`: processor time, memory, descriptors,
threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from loadsim.measure.watch_values import Raw
from loadsim.model import UsageError
from loadsim.run.effects.source import GapError
from loadsim.run.watch.source import Part

PROC = Path("/proc")
MOST_PROCESSES = 256
"""More children are not looked at: it would take too long."""
_UTIME, _STIME, _THREADS, _STARTED, _RSS = 11, 12, 17, 19, 21
"""Places of fields in `/proc/PID/stat`, behind the name (proc_pid_stat(5), where `state` is field 3)."""


class ProcessTree:
    """The process; see WatchSource."""

    def __init__(self, parts: tuple[Part, ...], proc: Path = PROC) -> None:
        if not (proc / "self" / "stat").exists():
            raise UsageError("watch: pid needs /proc, as Linux has it")
        self._pid = parts[0].watch.pid or 0
        self.place = f"process {self._pid}"
        self.parts = parts
        self._proc = proc
        self._tick_s = 1 / os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._own: tuple[int, int] | None = None
        self._ticks: dict[tuple[int, int], int] = {}
        """Processor time of each process at the reading before, by its number and start."""
        self._used_s = 0.0

    async def read(self) -> list[Raw | str]:
        """See WatchSource. It takes far less than a millisecond for a process."""
        found = {pid: fields for pid in self._tree() if (fields := self._stat(pid)) is not None}
        mine = found.get(self._pid)
        if mine is None:
            raise GapError(f"there is no process {self._pid}")
        own = (self._pid, mine[_STARTED])
        if self._own is not None and own != self._own:
            raise GapError(f"process {self._pid} is another one now")
        self._own = own
        wanted = {part.series.part for part in self.parts}
        values: dict[str, Raw | str] = {
            "cpu": self._used(found),
            "rss": float(sum(fields[_RSS] for fields in found.values()) * self._page),
            "threads": float(sum(fields[_THREADS] for fields in found.values())),
            "descriptors": self._descriptors(found) if "descriptors" in wanted else "",
        }
        return [values[part.series.part] for part in self.parts]

    async def close(self) -> None:
        """See WatchSource."""

    def _used(self, found: dict[int, list[int]]) -> float:
        """Processor time since the first reading, seconds. What a child used between the last reading and its end is
        not known."""
        now = {(pid, fields[_STARTED]): fields[_UTIME] + fields[_STIME] for pid, fields in found.items()}
        self._used_s += self._tick_s * sum(ticks - self._ticks.get(key, 0) for key, ticks in now.items())
        self._ticks = now
        return self._used_s

    def _descriptors(self, found: dict[int, list[int]]) -> float | str:
        try:
            return float(sum(len(list((self._proc / str(pid) / "fd").iterdir())) for pid in found))
        except PermissionError:
            return f"the descriptors of process {self._pid} cannot be listed: permission denied"
        except OSError:
            return "a process ended while it was read"

    def _stat(self, pid: int) -> list[int] | None:
        """The fields of a process behind its name and state; None where it is not there."""
        try:
            text = (self._proc / str(pid) / "stat").read_bytes()
        except OSError:
            return None
        state, *fields = text[text.rindex(b")") + 2 :].split()
        return None if state in (b"Z", b"X") else [0, *map(int, fields)]

    def _tree(self) -> list[int]:
        """The process and all its descendants."""
        found = [self._pid]
        for pid in found:
            if len(found) >= MOST_PROCESSES:
                break
            found += self._children(pid)
        return found

    def _children(self, pid: int) -> Iterator[int]:
        try:
            for thread in (self._proc / str(pid) / "task").iterdir():
                yield from map(int, (thread / "children").read_bytes().split())
        except OSError:  # it ended, or this kernel does not say (CONFIG_PROC_CHILDREN)
            return
