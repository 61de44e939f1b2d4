"""The machine and the versions of a run."""

from __future__ import annotations

import os
import platform
from typing import NamedTuple

from loadsim.compiled_step import step
from loadsim.measure.result import Environment

PACKAGES = ("aiohttp", "uvloop", "httptools", "orjson", "numpy", "msgspec", "click", "rich")


def environment() -> Environment:
    """The environment of this process. Nothing in it identifies a person."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu_model=cpu_model(),
        cpu_count=available_cores(),
        packages={name: version for name in PACKAGES if (version := _version(name))},
        compiled=step is not None,
    )


def available_cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class ProcessorTime(NamedTuple):
    """Time of all cores since the machine began, in ticks: in all, and what a hypervisor gave to others."""

    whole: int
    stolen: int


def processor_time(path: str = "/proc/stat") -> ProcessorTime | None:
    """As the kernel counts it (proc_stat(5), the first line); None where it does not."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a kernel file
            ticks = [int(word) for word in file.readline().split()[1:]]
        return ProcessorTime(sum(ticks[:8]), ticks[7])  # guest time is part of user time
    except (OSError, ValueError, IndexError):
        return None


def steal_share(before: ProcessorTime | None, after: ProcessorTime | None) -> float | None:
    """The share of processor time between two looks that a hypervisor gave to others; None where it is not known."""
    if before is None or after is None or after.whole <= before.whole:
        return None
    return max(0, after.stolen - before.stolen) / (after.whole - before.whole)


def cpu_model() -> str:
    """The processor's own name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a kernel file
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    from importlib import metadata  # after the run: it would delay the first event

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
