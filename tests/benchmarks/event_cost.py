"""What events cost the shards of a run: CPU time of few events taken from that of many, so that start-up cancels out.

Runs the real `loadsim run` pinned to given cores and reads the CPU time of its shards from the stored result. Refuses
to know what is being compared.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from loadsim.measure.timing_statistics import Spread, spread
from tests.benchmarks import common


class Used(NamedTuple):
    """What one run took."""

    events: int
    """Sent, by all shards."""
    cpu_s: float
    """Processor time of all shards."""
    rss_mb: float
    """Most memory of any shard."""
    rate: float
    """Answers per second."""


class _Shard(msgspec.Struct):
    sent: int
    cpu_s: float
    rss_mb: float


class _Totals(msgspec.Struct):
    rate_completed: float


class _Result(msgspec.Struct):
    """Of a stored result only what is needed, so that those of other commits can be read."""

    shards: list[_Shard]
    totals: _Totals


Meanwhile = Callable[["subprocess.Popen[bytes]"], None]
"""Called with the run's parent while it runs. May raise RuntimeError."""


def used(
    cores: int | Iterable[int],
    words: Sequence[str],
    *,
    tree: Path = common.ROOT,
    meanwhile: Meanwhile | None = None,
    pure: bool = True,
) -> Used:
    """What `loadsim run WORDS` takes, with the package of `tree`; `pure`: without the compiled step. Ends the program
    with its last words if it fails."""
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name:
        command = [sys.executable, "-P", "-m", "loadsim", "run", *words, "-q", "--out", name]
        extra = {"PYTHONPATH": str(tree), "PYTHONHASHSEED": "0", **common.purity(pure)}
        log = Path(name) / "log"
        with log.open("wb") as file, common.running(common.pinned(cores, command), log=file, extra=extra) as process:
            trouble = ""
            try:
                if meanwhile is not None:
                    meanwhile(process)
            except RuntimeError as error:
                trouble = f"{error}; "
            code = process.wait()
        found = list(Path(name).glob("**/result.json"))
        if trouble or len(found) != 1:
            sys.exit(f"{trouble}{' '.join(words)}: exit code {code}\n{log.read_text('utf-8', 'replace')[-2000:]}")
        return used_by(found[0].read_bytes())


def used_by(stored: bytes) -> Used:
    """The same from a stored result of any version. Raises msgspec.ValidationError where a figure is not known."""
    result = msgspec.json.decode(stored, type=_Result)
    rows = result.shards
    return Used(
        sum(row.sent for row in rows),
        sum(row.cpu_s for row in rows),
        max(row.rss_mb for row in rows),
        result.totals.rate_completed,
    )


def per_event_us(few: Used, many: Used) -> float:
    """CPU time of one event more, µs. Raises ValueError where `many` has no more events than `few`."""
    events = many.events - few.events
    if events <= 0:
        raise ValueError(f"{many.events} events are not more than {few.events}")
    return 1e6 * (many.cpu_s - few.cpu_s) / events


def ratios(rounds: Sequence[Mapping[str, float]], over: str, under: str) -> Spread:
    """Figure `over` to figure `under`, round by round."""
    return spread([figures[over] / figures[under] for figures in rounds])


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each figure, over the rounds."""
    return {name: spread([figures[name] for figures in rounds]).median for name in rounds[0]}
