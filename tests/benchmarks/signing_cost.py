"""What making one signed event costs by scheme, beside a usual HMAC over the body for the very same events.

    python -m tests.benchmarks.signing_cost [--before COMMIT] [--rounds 15]

Body, headers and signature are made as a run makes them, in batches of eight, each scheme with the events of its own
provider. Schemes take turns, a round each; figures are medians of CPU time. What `ratio` compares with signs the body
alone and sends as many headers that carry the event's id: `github` has one, `meta` none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import common

SCHEMES = (
    "github", "meta", "stripe", "slack-commands", "twilio", "adyen", "mailgun", "mercadopago", "contentful",
)  # fmt: skip
LIMIT = 2.0
"""Schemes that sign fields of a form or of JSON may cost this many times the usual HMAC."""
OF_PARTS = ("twilio", "adyen", "mailgun")
BATCH, BATCHES = 8, 250
BEGIN_NS, STEP_NS = 1_800_000_000 * 10**9, 200_000
URL = "https://example.test/hooks?data.id=7"


def maker(name: str, events_of: str) -> Callable[[int], None]:
    """Makes a round of requests from an index on. In the tree of any commit: it needs little of the package."""
    from loadsim.cases import RequestMaker
    from loadsim.events import default_types
    from loadsim.model import Secret
    from loadsim.plan import EventMix
    from loadsim.signing import scheme

    kind = EventMix(type=default_types((events_of,))[0])
    secret = Secret("6c6f616473696d" * 6)  # a key in every form
    make_all = RequestMaker([kind], scheme(name), secret, 1, url=URL).make_all
    events = [(0, 0, 0, 0)] * BATCH

    def run(first: int) -> None:
        for number in range(BATCHES):
            start = first + number * BATCH
            make_all(range(start, start + BATCH), events, BEGIN_NS + number * STEP_NS)

    return run


def usual_of(name: str) -> str:
    """The usual scheme that it is compared with."""
    from loadsim.signing import scheme

    return "github" if scheme(name).id_headers else "meta"


def costs(rounds: int) -> dict[str, dict[str, float]]:
    """By scheme, µs per event: its own, and the usual one for its events."""
    pairs = {name: (maker(name, name), maker(usual_of(name), name)) for name in SCHEMES}
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in SCHEMES}
    for number in range(rounds + 1):
        for name, runs in pairs.items():
            for run, times in zip(runs, taken[name], strict=True):
                before = time.thread_time_ns()
                run(number * BATCH * BATCHES)
                times.append((time.thread_time_ns() - before) / (BATCH * BATCHES) / 1e3)
    # the first round compiles templates
    return {
        name: {"own": statistics.median(own[1:]), "usual": statistics.median(usual[1:])}
        for name, (own, usual) in taken.items()
    }


def _child(package: Path, rounds: int) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-P", "-m", "tests.benchmarks.signing_cost", "--child", "--rounds", str(rounds)]
    with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as directory:
        environment = common.counting_environment(package)
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def report(document: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    before, now = document["before"], document["now"]
    rows = [
        [
            name,
            f"{before[name]['own']:.1f}",
            f"{now[name]['own']:.1f}",
            f"{now[name]['usual']:.1f} ({document['usual'][name]})",
            f"{before[name]['own'] / before[name]['usual']:.2f}",
            f"{now[name]['own'] / now[name]['usual']:.2f}",
        ]
        for name in SCHEMES
    ]
    told = (
        f"CPU time of body, headers and signature; commit {document['commit']} and this tree in turns, medians of "
        f"{document['rounds']} rounds. At most {LIMIT:g} times the usual HMAC is asked of {', '.join(OF_PARTS)}. "
        "How it is taken is described in `tests/benchmarks/signing_cost.py`."
    )
    head = ["scheme", "before, µs", "now, µs", "usual HMAC, same events, µs", "ratio before", "ratio now"]
    return "\n".join(
        (
            "# What making one signed event costs",
            "",
            common.environment_note(document["environment"]),
            "",
            told,
            "",
            common.table(head, rows),
        )
    )


def _medians(found: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        name: {key: statistics.median(each[name][key] for each in found) for key in ("own", "usual")}
        for name in SCHEMES
    }


def main() -> None:
    """Measure, write, and fail where fields cost more than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="HEAD~1", metavar="COMMIT", help="what to compare with (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="(%(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="(%(default)s)")
    options = parser.parse_args()
    if options.child:
        print(json.dumps(costs(options.rounds)))
        return
    found: dict[str, list[dict[str, dict[str, float]]]] = {"before": [], "now": []}
    with common.compared(options.before) as trees:
        for _ in range(options.turns):
            for tree, package in trees.items():
                found[tree].append(_child(package, options.rounds))
    document = {
        "environment": common.environment(),
        "commit": options.before,
        "rounds": options.rounds * options.turns,
        "usual": {name: usual_of(name) for name in SCHEMES},
        **{tree: _medians(each) for tree, each in found.items()},
    }
    text = report(document)
    print(text)
    common.write(options.out, "signing_cost", document, md=text)
    if any(document["now"][name]["own"] > LIMIT * document["now"][name]["usual"] for name in OF_PARTS):
        sys.exit(99)


if __name__ == "__main__":
    main()
