"""Looks at the machine: its cores, limits, timer, kernel, and what is installed. Nothing is sent to any endpoint."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import socket
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from loadsim import __version__
from loadsim.compiled_step import why_not
from loadsim.engine.pacer import Clock, Pacer, best_pacer, monotonic_ns
from loadsim.engine.receive_stamps import ask, receive
from loadsim.extras import INSTALL, NOT_FOR_USERS, PURPOSES
from loadsim.launch.environment import available_cores, environment
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.run.calibration import known_limits
from loadsim.studies.doctor import judgement
from loadsim.studies.doctor.result import Check, Diagnosis

PACED_NS, STEP_NS = NS_PER_S, 5 * NS_PER_MS
"""How long the timer is watched, and how often it fires."""
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PATIENCE_S = 1
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*).*;.*\bextra\s*==\s*['\"]([^'\"]+)['\"]")


def diagnose() -> Diagnosis:
    """All checks. Takes a second: that of the timer."""
    where = environment()
    checks = [
        _cores(),
        _descriptors(),
        _ports(),
        judgement.pacing(_paced()),
        judgement.floor(known_limits(where)),
        judgement.stamps(supported=_are_stamped()),
        judgement.loop(_version("uvloop")),
        judgement.compiled_step(why_not),
        *_extras(),
    ]
    return Diagnosis(version=__version__, environment=where, checks=checks)


async def lags(pacer: Pacer, now: Clock, span_ns: int, step_ns: int = STEP_NS) -> list[int]:
    """How late the timer fired, each time."""
    start, found, ended = now(), list[int](), asyncio.get_running_loop().create_future()
    due = [start + step_ns * (number + 1) for number in range(span_ns // step_ns)]

    def woken() -> None:
        late = now() - due[len(found)]
        if late < 0:  # a coarse timer fired early
            pacer.arm(due[len(found)])
            return
        found.append(late)
        if len(found) == len(due) or now() > start + 2 * span_ns:
            ended.set_result(None)
        else:
            pacer.arm(due[len(found)])

    pacer.start(woken)
    try:
        pacer.arm(due[0])
        await ended
    finally:
        pacer.close()
    return found


def missing_packages(requirements: Iterable[str], has: Callable[[str], bool]) -> dict[str, list[str]]:
    """The extras that users install, each with its packages that are missing, from a package's requirements."""
    extras: dict[str, list[str]] = {}
    for line in requirements:
        found = _REQUIREMENT.match(line)
        if found is None or found[2] in NOT_FOR_USERS:
            continue
        missing = extras.setdefault(found[2], [])
        if not has(found[1]):
            missing.append(found[1])
    return dict(sorted(extras.items()))


def _cores() -> Check:
    try:
        load: float | None = os.getloadavg()[0]
    except OSError:
        load = None
    return judgement.cores(available_cores(), os.cpu_count() or 1, quota_of(_QUOTA), load)


def quota_of(path: Path) -> float | None:
    """The cores that the control group may use up (cgroup v2, `cpu.max`: quota and period); None: any number."""
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # no such group, or "max"


def _descriptors() -> Check:
    soft, hard = (
        None if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return judgement.descriptors(soft, hard)


def _ports() -> Check:
    try:
        first, last = map(int, _PORTS.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return judgement.ports(None, None)
    return judgement.ports(first, last)


def _paced() -> list[int]:
    async def measure() -> list[int]:
        return await lags(best_pacer(asyncio.get_running_loop()), monotonic_ns, PACED_NS)

    try:
        import uvloop
    except ImportError:
        return asyncio.run(measure())
    return uvloop.run(measure())


def _are_stamped() -> bool:
    """Whether data over loopback comes with a stamp."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname(), timeout=_PATIENCE_S) as mine,
        ):
            theirs, _ = listener.accept()
            with theirs:
                if not ask(mine):
                    return False
                theirs.sendall(b"stamp")
                return receive(mine.recvmsg, 100)[1] > 0
    except OSError:
        return False


def _extras() -> list[Check]:
    try:
        requirements = metadata.requires("loadsim") or []
    except metadata.PackageNotFoundError:
        return []  # not installed, but run from its files
    found = missing_packages(requirements, lambda name: _version(name) is not None)
    return [
        judgement.optional(name, PURPOSES.get(name, ""), missing, INSTALL.format(extra=name))
        for name, missing in found.items()
    ]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
