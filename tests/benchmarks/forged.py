"""One million forged events at full rate against each engine of the companion receiver: how many get in.

    python -m tests.benchmarks.forged            (--events 20000 for a quick look)

Every kind of case that an endpoint must refuse takes part, and one event in a hundred is genuine, so that a receiver
that refuses everybody is found too. The sender's count of 2xx answers and the receiver's own books must agree.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from loadsim.plan.receiver_behaviour import ENGINES, Engine
from tests.benchmarks import common

EVENTS = 1_000_000
GENUINE = 0.01
CONNECTIONS = 64
CASE_KINDS = (
    "wrong_secret", "empty_key", "documentation_key", "missing_signature", "missing_timestamp", "malformed_signature",
    "non_ascii_signature", "stale_timestamp", "future_timestamp", "tampered_body", "tampered_replay",
    "reserialised_body", "malformed_json",
)  # fmt: skip
LARGE = 0.0005
"""The share of bodies over the limit: a thousand times as large as the others."""


def scenario(engine: Engine, events: int) -> str:
    """As a file: `events` forged ones, about, and the genuine beside them."""
    share = (1 - GENUINE - LARGE) / len(CASE_KINDS)
    planned = int(events / (1 - GENUINE) * 1.001) + 1
    cases = [*((kind, share) for kind in CASE_KINDS), ("body_over_limit", LARGE)]
    return "\n".join(
        (
            'name = "forged events"',
            '[target]\nurl = "embedded"\ntimeout = "30s"',
            f'[receiver]\nengine = "{engine}"',
            *(f'[[cases]]\nkind = "{kind}"\nshare = {part:.9f}' for kind, part in cases),
            f'[[phases]]\nname = "load"\nconnections = {CONNECTIONS}\nevents = {planned}',
        )
    )


def findings(result: dict[str, Any]) -> dict[str, Any]:
    """Of a run's result: what was sent, and what the sender and the receiver say of it."""
    by_case, receiver = result["by_case"], result["receiver"]
    forged = {kind: part for kind, part in by_case.items() if kind != "genuine"}
    return {
        "forged_sent": sum(part["sent"] for part in forged.values()),
        "forged_accepted": result["totals"]["forged_accepted"],
        "refused_badly": result["totals"]["refused_badly"],
        "genuine_sent": by_case["genuine"]["sent"],
        "genuine_accepted": by_case["genuine"]["succeeded"],
        "receiver_verified": receiver["verified"],
        "receiver_rejected": receiver["rejected"],
        "sent_by_case": {kind: part["sent"] for kind, part in forged.items()},
    }


def run(engine: Engine, events: int) -> dict[str, Any]:
    """One run by the real command, with its findings."""
    with tempfile.TemporaryDirectory() as directory:
        file, out = Path(directory) / "forged.toml", Path(directory) / "result.json"
        file.write_text(scenario(engine, events), encoding="utf-8")
        began = time.perf_counter()
        command = common.loadsim("run", str(file), "-q", "--json", str(out), "--out", directory, "--seed", "1")
        done = subprocess.run(command, cwd=common.ROOT, capture_output=True, text=True, check=False)
        if not out.exists():
            sys.exit(done.stderr)
        result = json.loads(out.read_text(encoding="utf-8"))
        found = findings(result)
        rate = round((found["forged_sent"] + found["genuine_sent"]) / result["totals"]["duration_s"])
        return {"engine": engine, "seconds": round(time.perf_counter() - began, 1), "rate": rate, **found}


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    forged = ("forged sent", "forged accepted", "wrong refusals")
    head = ("engine", *forged, "genuine sent", "genuine accepted", "events/s")
    keys = ("forged_sent", "forged_accepted", "refused_badly", "genuine_sent", "genuine_accepted", "rate")
    rows = [(row["engine"], *(f"{row[key]:,}" for key in keys)) for row in found["runs"]]
    kinds = [
        (kind, *(f"{row['sent_by_case'][kind]:,}" for row in found["runs"]))
        for kind in found["runs"][0]["sent_by_case"]
    ]
    return "\n".join(
        (
            "# Forged events against the companion receiver\n",
            f"{common.environment_note(found['environment'])}\n",
            f"Closed model, {CONNECTIONS} connections; generator and receiver share the cores: the rate is no claim.\n",
            common.table(head, rows),
            "What was sent:\n",
            common.table(("case", *(row["engine"] for row in found["runs"])), kinds),
        )
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"forged events per engine (default {EVENTS:,})")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where forged.json and .md go")
    given = parser.parse_args()
    if given.events < 1:
        parser.error("give at least 1 event")
    runs = []
    for engine in ENGINES:
        found = run(engine, given.events)
        common.say(
            f"{engine}: {found['forged_accepted']:,} of {found['forged_sent']:,} forged events accepted, "
            f"{found['rate']:,}/s"
        )
        runs.append(found)
    result = {"environment": common.environment(), "runs": runs}
    text = markdown(result)
    print(text)
    common.write(given.out, "forged", result, md=text)
    if any(found["forged_accepted"] or found["refused_badly"] for found in runs):
        sys.exit(99)


if __name__ == "__main__":
    main()
