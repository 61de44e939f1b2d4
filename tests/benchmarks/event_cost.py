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


Meanwhile = Callable[["subprocess.Popen[bytes]"], None]
"""Called with the run's parent while it runs. May raise RuntimeError."""


def used(
    cores: int | Iterable[int], words: Sequence[str], *, tree: Path = common.ROOT, meanwhile: Meanwhile | None = None
) -> Used:
    """What `loadsim run WORDS` takes, with the package of `tree`. Ends the program with its last words if it fails."""
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name:
        command = [sys.executable, "-P", "-m", "loadsim", "run", *words, "-q", "--out", name]
        extra = {"PYTHONPATH": str(tree), "PYTHONHASHSEED": "0", "LOADSIM_PURE": "1"}
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
        return used_by(msgspec.json.decode(found[0].read_bytes()))


def used_by(result: Mapping[str, object]) -> Used:
    """The same from a stored result of any version."""
    rows = msgspec.convert(result["shards"], list[dict[str, object]])
    totals = msgspec.convert(result["totals"], dict[str, object])
    return Used(
        sum(msgspec.convert(row["sent"], int) for row in rows),
        sum(msgspec.convert(row["cpu_s"], float) for row in rows),
        max(msgspec.convert(row["rss_mb"], float) for row in rows),
        msgspec.convert(totals["rate_completed"], float),
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
