"""How often `loadsim ab` cries wolf on this machine: A against itself, 20 times.

    python -m tests.benchmarks.ab_aa                (about 20 minutes in one sitting)
    python -m tests.benchmarks.ab_aa --minutes 4    (as much as fits; the next call goes on from there)

Each comparison is the real `loadsim ab --aa` with 7 interleaved pairs of 2 × 2 s at 2,000 events/s, a warm-up of 1 s
dropped before each run, and the default gate. Target is one companion receiver, engine `bare`, that runs all the while.
Since both sides are the same, every failed gate is a false alarm: by the test's own level at most one comparison in 20
should give one, and at most 3 of 20 are asked for here (a true level of 5 % gives more in 1.6 % of such sittings).

A comparison in which a run was INVALID proves nothing and is made again with another seed; how many those were is said.
Whole comparisons are kept in `--work`, so that any number of calls make one sitting; the two files of `--out` are
written by the call that makes it whole (exit code 0, or 99 with too many alarms; the others end with 75).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from loadsim.studies.ab.result import AbResult
from tests.benchmarks import common

COMPARISONS = 20
MOST_ALARMS = 3
PAIRS = 7
RATE = "2000/s"
LENGTH = "2s"
WARM_UP = "1s"
GATE = "p99:5%"
MOST_ATTEMPTS = 3 * COMPARISONS
"""Where so many were not enough, the machine is too busy for this."""
FIRST_GUESS_S = 75.0
VALID = ("pass", "fail")


class Kept(msgspec.Struct, frozen=True):
    """One comparison of the sitting, and how noisy the machine was during it."""

    seed: int
    noise: float
    seconds: float
    result: AbResult


def kept(work: Path) -> list[Kept]:
    """The comparisons so far, by seed."""
    decode = msgspec.json.Decoder(Kept).decode
    return sorted((decode(path.read_bytes()) for path in work.glob("aa-*.json")), key=lambda each: each.seed)


def compare(url: str, seed: int, work: Path) -> Kept:
    """One comparison, kept. Raises RuntimeError when the command ends without a result."""
    load, own, began = common.machine_load(), common.own_cpu_seconds(), time.perf_counter()
    runs = work / f"runs-{seed:03d}"
    done = subprocess.run(
        common.loadsim(
            "ab", url, "--aa", "--pairs", str(PAIRS), "-r", RATE, "-d", LENGTH, "--warm-up", WARM_UP,
            "--fail", GATE, "--seed", str(seed * 1000), "--out", str(runs), "--quiet",
        ),
        cwd=common.ROOT,
        env=common.child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    paths = list(runs.glob("*/ab.json"))
    if len(paths) != 1:
        raise RuntimeError(done.stderr.strip() or f"loadsim ab ended with exit code {done.returncode}")
    seconds = time.perf_counter() - began
    strangers = common.noise(load, common.machine_load(), common.own_cpu_seconds() - own, seconds)
    found = Kept(seed, strangers, seconds, msgspec.json.decode(paths[0].read_bytes(), type=AbResult))
    path = work / f"aa-{seed:03d}.json"
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(found))
    partial.rename(path)
    return found


def go_on(work: Path, minutes: float) -> list[Kept]:
    """Make comparisons until there are enough valid ones, or the next might not fit into the time."""
    began, found = time.perf_counter(), kept(work)
    port = common.free_port()
    receiver = common.loadsim("receive", "--engine", "bare", "--port", str(port), "--admin", "127.0.0.1:0")
    with common.running(receiver) as process:
        common.wait_for_port(port, process)
        while len(valid(found)) < COMPARISONS and len(found) < MOST_ATTEMPTS:
            longest = max((each.seconds for each in found), default=FIRST_GUESS_S)
            if time.perf_counter() - began + longest > 60 * minutes:
                break
            each = compare(f"http://127.0.0.1:{port}{common.PATH}", 1 + max((k.seed for k in found), default=0), work)
            found.append(each)
            common.say(f"{len(valid(found))} of {COMPARISONS}: {each.result.ending} {' '.join(each.result.reasons)}")
    return found


def valid(found: Sequence[Kept]) -> list[Kept]:
    """Those that say something."""
    return [each for each in found if each.result.ending in VALID]


def document(found: Sequence[Kept]) -> dict[str, Any]:
    """For JSON."""
    counted = valid(found)
    alarms = sum(each.result.ending == "fail" for each in counted)
    whole = len(counted) >= COMPARISONS
    return {
        "environment": common.environment(),
        "work": {"pairs": PAIRS, "rate": RATE, "length": LENGTH, "warm_up": WARM_UP, "gate": GATE},
        "noise": common.noise_note([each.noise for each in counted]),
        "comparisons": len(counted),
        "asked": COMPARISONS,
        "alarms": alarms,
        "most_alarms": MOST_ALARMS,
        "met": alarms <= MOST_ALARMS if whole else None,
        "invalid": [each.result.reasons for each in found if each.result.ending not in VALID],
        "rows": [
            {
                "seed": each.seed,
                "ending": each.result.ending,
                "ratio": round(gate.ratio, 4),
                "interval": [round(end, 4) for end in gate.interval],
                "p": round(gate.p_adjusted, 4),
                "noise_of_a_pair": round(check.noise, 4),
                "detectable": check.detectable,
            }
            for each in counted
            for gate, check in zip(each.result.gates, each.result.checks, strict=True)
        ],
    }


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    counted, alarms = found["comparisons"], found["alarms"]
    verdict = {True: "yes", False: "no", None: f"not known yet, {found['asked']} are asked for"}[found["met"]]
    rows = [
        (
            str(number),
            f"{row['ratio']:.3f}",
            f"{row['interval'][0]:.3f} to {row['interval'][1]:.3f}",
            f"{row['p']:.3f}",
            f"{row['noise_of_a_pair']:.1%}",
            "over 400%" if row["detectable"] is None else f"{row['detectable']:.0%}",
            "alarm" if row["ending"] == "fail" else "",
        )
        for number, row in enumerate(found["rows"], start=1)
    ]
    outcome = (
        f"**{alarms} false alarms in {counted} comparisons of a target with itself.** At most {MOST_ALARMS} of "
        f"{COMPARISONS}: {verdict}. Made again because a run was INVALID: {len(found['invalid'])}.\n"
    )
    work = (
        f"Each comparison: {PAIRS} interleaved pairs of 2 × {LENGTH} at {RATE}, a warm-up of {WARM_UP} dropped, "
        f"gate {GATE}. Target: the companion receiver on the same machine. How each figure is taken is described in "
        "`tests/benchmarks/ab_aa.py`.\n"
    )
    head = ("comparison", "B / A", "95 % interval", "p", "noise of a pair", "detectable", "")
    note = f"{common.environment_note(found['environment'])} {found['noise']}\n"
    return "\n".join(("# False alarms of `loadsim ab`\n", note, outcome, work, common.table(head, rows)))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long this call may take at most")
    parser.add_argument("--work", type=Path, default=common.ROOT / "reports" / "ab-aa", help="what is done so far")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where ab_aa.json and .md go")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    found = document(go_on(given.work, given.minutes))
    text = markdown(found)
    print(text)
    if found["met"] is not None:  # a part of a sitting is no figure
        common.write(given.out, "ab_aa", found, md=text)
    sys.exit({True: 0, False: 99, None: 75}[found["met"]])


if __name__ == "__main__":
    main()
