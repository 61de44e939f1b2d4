"""What forged and awkward cases cost a run that has none: instructions per event, counted by callgrind.

    python -m tests.benchmarks.cases [--before COMMIT]

Fixed work in one process: a plan without cases is walked, and the request of every event is made and signed. `now` goes
the way that a shard goes; `straight` is the same with the machinery of cases taken out, both where an event's case is
drawn and where its request is made; `before` is the whole of an older commit, from git's own store. Each runs with
two numbers of events, and the difference is divided by the difference: what start-up costs cancels out. Instructions do
not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks import common

BEFORE = "6959e48"
"""The last commit of which nothing but genuine deliveries can come."""
LIMIT = 0.03
FEW, MANY = 4_000, 24_000
WORK = """
import gc, sys
from loadsim.cases import RequestMaker
from loadsim.model import Secret
from loadsim.plan import Plan, from_document
from loadsim.signing import scheme

way, events = sys.argv[1], int(sys.argv[2])
document = {
    "name": "cost",
    "target": {"url": "http://127.0.0.1:9/"},
    "events": [{"type": "desktop.app_tracking.captured"}, {"type": "desktop.activity_tracking.captured"}],
    "phases": [{"name": "load", "rate": "4000/s", "duration": f"{events // 4}ms"}],
}
scenario = from_document(document, source="cost")
plan = Plan(scenario, 7)
if way == "straight":
    from tests.benchmarks.straight import StraightKinds, StraightMaker
    plan._kinds = StraightKinds(scenario, 7)
    make_all = StraightMaker(scenario, scheme("trackpilots"), Secret("s"), 7).make_all
else:
    maker = RequestMaker(scenario.events, scheme("trackpilots"), Secret("s"), 7)
    make_all = getattr(maker, "make_all", None)
gc.collect()
gc.freeze()
gc.disable()  # as a shard does
now_ns, made = 1_700_000_000_000_000_000, 0
for block in plan.blocks(0):
    indexes, strata = block[0], block[2]
    if make_all is None:
        for index, stratum in zip(indexes, strata):
            made += len(maker.make(index, stratum, now_ns).headers) > 0
        continue
    events_of = [(index, stratum, 0, 0) for index, stratum in zip(indexes, strata)]
    for start in range(0, len(indexes), 32):  # about what the engine makes at once
        batch = slice(start, start + 32)
        made += sum(len(headers) > 0 for headers, _ in make_all(indexes[batch], events_of[batch], now_ns))
assert made == events, (made, events)
"""


def instructions(way: str, events: int, package: Path) -> int:
    """Instructions of the whole process. `package` is the directory that holds `loadsim/`."""
    environment = common.counting_environment(package)
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", WORK, way]
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as directory:
        done = subprocess.run(
            [*command, str(events)], cwd=directory, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(f"{way}: {done.stderr[-2000:]}")
    return int(next(line for line in done.stderr.splitlines() if "Collected" in line).split()[-1])


def per_event(way: str, package: Path) -> float:
    """Instructions that one more event costs."""
    few, many = (instructions(way, events, package) for events in (FEW, MANY))
    common.say(f"{way}: {(many - few) / (MANY - FEW):,.0f} instructions an event")
    return (many - few) / (MANY - FEW)


def measure(before: str) -> dict[str, float]:
    """Instructions per event by way."""
    found = {way: per_event(way, common.ROOT) for way in ("now", "straight")}
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as directory:
        if not common.extract(before, Path(directory)):
            common.say(f"git has no commit {before} here: measured without it")
            return found
        return found | {"before": per_event("before", Path(directory))}


def report(document: dict[str, Any]) -> str:
    """The figures as Markdown."""
    counts = document["instructions_per_event"]
    words = {
        "now": "a plan without cases",
        "straight": "the same with the machinery of cases taken out",
        "before": f"the whole of commit {document['before']}, before there were cases",
    }
    rows = [
        [words[way], f"{count:,.0f}", "" if way == "now" else f"{counts['now'] / count - 1:+.2%}"]
        for way, count in counts.items()
    ]
    told = (
        "Instructions (callgrind) for planning, making and signing one event, without sending it: the part of the path "
        f"that cases touch. At most {LIMIT:.0%} are allowed. How each figure is taken is described in "
        "`tests/benchmarks/cases.py`."
    )
    return "\n".join(
        [
            "# What cases cost a run that has none",
            "",
            common.environment_note(document["environment"]),
            "",
            told,
            "",
            common.table(["way", "instructions an event", "now costs more by"], rows),
            "",
        ]
    )


def main() -> None:
    """Measure, write, and fail when cases cost more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default=BEFORE, metavar="COMMIT")
    parser.add_argument("--out", type=Path, default=common.REPORTS)
    options = parser.parse_args()
    if text := common.missing("valgrind"):
        sys.exit(text)
    counts = measure(options.before)
    document = {"environment": common.environment(), "before": options.before, "instructions_per_event": counts}
    common.write(options.out, "cases", document, md=report(document))
    if any(counts["now"] / count - 1 > LIMIT for count in counts.values()):
        sys.exit(99)


if __name__ == "__main__":
    main()
