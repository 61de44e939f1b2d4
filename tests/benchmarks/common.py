"""What every benchmark shares: cores, child processes and their CPU time, spreads, the noise of the machine, files.

Decides how a figure is taken (on which core, from which counter) and how it is written down. Refuses to know what is
being compared. Linux only: CPU time comes from /proc and pinning from taskset.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from loadsim import __version__
from loadsim.compiled_step import why_not
from loadsim.launch.environment import environment as surroundings
from loadsim.measure.timing_statistics import spread

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "reports" / "benchmarks"
SECRET = "whsec_benchmark"
SECRET_ENV = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
EVENT = "desktop.app_tracking.captured"
PATH = "/webhooks/trackpilots"
QUIET = 0.05
"""More of a core than this used by strangers, or stolen by the hypervisor, and a sitting is called noisy."""
_TICKS = os.sysconf("SC_CLK_TCK")


# -- cores ----------------------------------------------------------------------------------------------------------


class Cores(NamedTuple):
    """Who runs where. The harness only sleeps and reads counters while a window is open."""

    target: int
    generator: int
    harness: int


def share_out() -> Cores:
    """One core each for target and generator, the third (else the target's) for the harness, which moves there."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        sys.exit("this benchmark needs two cores: one for the target and one for the generator")
    cores = Cores(mine[0], mine[1], mine[2] if len(mine) > 2 else mine[0])
    os.sched_setaffinity(0, {cores.harness})
    return cores


def pinned(cores: int | Iterable[int], command: Sequence[str]) -> list[str]:
    """The command, held to one core, or to several, together with everything that it starts."""
    held = [cores] if isinstance(cores, int) else cores
    return ["taskset", "-c", ",".join(map(str, held)), *command]


# -- child processes ------------------------------------------------------------------------------------------------


def loadsim(*arguments: str) -> list[str]:
    """The real command, from this checkout (children run with it as their working directory)."""
    return [sys.executable, "-m", "loadsim", *arguments]


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with the secret, which no generator gets by argv unless it knows no other way."""
    return {**os.environ, SECRET_ENV: SECRET, **(extra or {})}  # noqa: TID251 - a child's


def extract(commit: str, into: Path) -> bool:
    """The package and its scenarios as they were at `commit`, from git's own store, in the directory `into`. False
    without that commit."""
    archive = subprocess.run(
        ["git", "archive", commit, "loadsim", "scenarios"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        return False
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(into, filter="data")
    return True


@contextlib.contextmanager
def compared(before: str) -> Iterator[dict[str, Path]]:
    """The trees of a comparison, "before" (a commit) and "now" (this one), where `loadsim/` lies in them. Ends the
    program where git has no such commit."""
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as directory:
        if not extract(before, Path(directory)):
            sys.exit(f"git has no commit {before} here")
        yield {"before": Path(directory), "now": ROOT}


STEP = "compiled step"
"""What figures that were taken with it are called."""


def purity(pure: bool) -> dict[str, str]:
    """What has a child leave the compiled step aside, or use it where it was built."""
    return {"LOADSIM_PURE": "1" if pure else "0"}


def paths() -> tuple[bool, ...]:
    """Whether to measure without the compiled step: yes, and no where it was built."""
    if why_not:
        say(f"{STEP}: {why_not} (python setup.py build_ext --inplace)")
    return (True,) if why_not else (True, False)


def counting_environment(package: Path) -> dict[str, str]:
    """Of a child whose work is counted: it takes `loadsim` from the directory `package`, and these benchmarks from this
    tree."""
    return child_environment(
        {
            "PYTHONPATH": os.pathsep.join([str(package), str(ROOT)]),
            "PYTHONHASHSEED": "0",
            "OPENBLAS_NUM_THREADS": "1",
            "LOADSIM_PURE": "1",
        }
    )


@contextlib.contextmanager
def running(
    command: Sequence[str], *, log: IO[bytes] | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a session of its own, which does not outlive the block. Its output goes to `log` (else nowhere)."""
    sink: IO[bytes] | int = subprocess.DEVNULL if log is None else log
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=child_environment(extra),
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for sign, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, None)):
            if process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)


def tree(pid: int) -> list[int]:
    """A process and all that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - read while a window is open: the short way
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree so far, with its children that have ended; in steps of 10 ms."""
    return sum(int(tick) for member in tree(pid) for tick in _stat(member)[11:15]) / _TICKS


def process_seconds(pid: int) -> float:
    """User and system time of one process so far, without its children; in steps of 10 ms."""
    return sum(int(tick) for tick in _stat(pid)[11:13]) / _TICKS


def own_cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def rss_mb(pid: int) -> float:
    """Resident memory of one process, MB of 1,000,000 bytes; 0 when it is gone."""
    with contextlib.suppress(OSError):
        pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (proc(5), field 3); empty when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], patience_s: float = 10.0) -> None:
    """Until something answers there. Raises RuntimeError when the process ends first or takes too long."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.01)
    raise RuntimeError(f"{process.args!r} does not answer on port {port}")


# -- figures --------------------------------------------------------------------------------------------------------


class Load(NamedTuple):
    """How much CPU time the whole machine has used, and how much the hypervisor took from it, in seconds."""

    busy: float
    stolen: float


def machine_load() -> Load:
    """As of now, from /proc/stat (proc(5): user nice system idle iowait irq softirq steal)."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 - read while a window is open: the short way
        ticks = [int(field) for field in file.readline().split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = ticks
    return Load((user + nice + system + irq + softirq) / _TICKS, steal / _TICKS)


def noise(before: Load, after: Load, ours_s: float, seconds: float) -> float:
    """The share of one core that strangers and the hypervisor took while a window of `seconds` was open."""
    strangers = max(0.0, after.busy - before.busy - ours_s)
    return (strangers + after.stolen - before.stolen) / seconds


def noise_note(shares: Sequence[float]) -> str:
    """One sentence on how quiet the machine was; `shares` as `noise` gives them."""
    if not shares:
        return "The noise of the machine was not measured."
    found = spread(shares)
    text = f"Other processes and the hypervisor took {found.median:.1%} of a core (median; at most {found.high:.1%})"
    if found.median > QUIET:
        return f"{text}: a noisy sitting, the figures are not to be trusted."
    return f"{text}: a quiet sitting."


# -- writing down ---------------------------------------------------------------------------------------------------


def environment() -> dict[str, Any]:
    """The box that stands beside every figure. Nothing in it identifies a person or a host."""
    here = surroundings()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu_model": here.cpu_model,
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": here.python,
        "loadsim": __version__,
        "packages": here.packages,
    }


def environment_note(box: Mapping[str, Any]) -> str:
    """The box as one line."""
    return (
        f"{box['date']}, {box['cpu_model']}, {box['cores']} cores, {box['kernel']}, Python {box['python']}, "
        f"loadsim {box['loadsim']}."
    )


def shown(ratio: Mapping[str, float], digits: int = 2) -> tuple[str, str]:
    """Two columns of a table: the median of a spread's `document`, and its middle half."""
    return f"{ratio['median']:.{digits}f}", f"{ratio['q1']:.{digits}f} to {ratio['q3']:.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, figures to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


def write(out: Path, name: str, document: Mapping[str, Any], **texts: str) -> None:
    """`name.json` and, by ending, further files; says where they are."""
    out.mkdir(parents=True, exist_ok=True)
    files = {"json": json.dumps(document, indent=2, ensure_ascii=False) + "\n", **texts}
    for ending, text in files.items():
        path = out / f"{name}.{ending}"
        path.write_text(text, encoding="utf-8")
        say(f"wrote {path}")


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def missing(*programs: str) -> str:
    """Which Debian programs are not there, and how to get them; empty when all are."""
    absent = [name for name in programs if shutil.which(name) is None]
    packages = ["nginx-light" if name == "nginx" else name for name in absent]
    return f"{', '.join(absent)} not found: apt-get install {' '.join(packages)}" if absent else ""
