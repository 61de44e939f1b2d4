"""Many connections in one shard: what each costs in memory, and whether 10,000 of them work.

    python -m tests.benchmarks.connections

One `loadsim run` per number of connections (closed model, so that all of them are open and busy at once) against the
bare receiver. The shard's resident memory at the end, less that of the smallest run, by the connections between them is
the memory per connection. The kernel's own memory for sockets is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadsim.measure.result import RunResult, load_result
from loadsim.model import Secret
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ReceiverOptions
from tests.benchmarks import common

COUNTS = (100, 1_000, 5_000, 10_000)
EVENTS_EACH = 10
"""Per connection, so that every one of them carries some."""


async def measure(counts: Sequence[int]) -> list[RunResult]:
    """One result per number of connections. Raises SystemExit with the tool's last words when a run fails."""
    secret = secrets.token_hex(24)
    results = []
    async with await start_receiver(ReceiverOptions(engine="bare", admin=None), Secret(secret)) as receiver:
        for count in counts:
            with tempfile.TemporaryDirectory(prefix="loadsim-bench-") as name:
                results.append(await _run(receiver.url, secret, count, Path(name)))
            row = results[-1]
            common.say(f"{count:6,} connections: peak {row.limits.connections_peak:,}, {row.shards[0].rss_mb:.1f} MB")
    return results


async def _run(url: str, secret: str, count: int, directory: Path) -> RunResult:
    size = ("-c", str(count), "-n", str(EVENTS_EACH * count), "-d", "120s", "-w", "1", "--timeout", "60s")
    kept = directory / "result.json"
    command = common.loadsim("run", url, *size, "-q", "--out", str(directory), "--json", str(kept))
    process = await asyncio.create_subprocess_exec(
        *command,
        env=common.child_environment({common.SECRET_ENV: secret}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if not kept.exists():
        raise SystemExit(f"the run of {count:,} connections left no result: {said.decode('utf-8', 'replace').strip()}")
    return load_result(kept.read_bytes(), str(kept))


def document(counts: Sequence[int], results: Sequence[RunResult]) -> dict[str, Any]:
    """What was measured, as JSON carries it."""
    rows = [
        {
            "connections": count,
            "peak": result.limits.connections_peak,
            "events": result.totals.sent,
            "succeeded": result.totals.succeeded,
            "verdict": result.verdict.outcome,
            "shard_mb": result.shards[0].rss_mb,
            "service_p50_ms": result.totals.latency_ms["response"].p50,
        }
        for count, result in zip(counts, results, strict=True)
    ]
    first, last = results[0], results[-1]
    grown = (last.shards[0].rss_mb or 0.0) - (first.shards[0].rss_mb or 0.0)
    each = 1000 * grown / (counts[-1] - counts[0])
    return {"environment": common.environment(), "kb_per_connection": each, "runs": rows}


def markdown(found: Mapping[str, Any]) -> str:
    """The page beside the figures."""
    head = ("connections", "open at once", "events", "2xx", "shard", "verdict")
    rows = [
        (
            f"{row['connections']:,}",
            f"{row['peak']:,}",
            f"{row['events']:,}",
            f"{row['succeeded']:,}",
            f"{row['shard_mb']:.1f} MB",
            row["verdict"],
        )
        for row in found["runs"]
    ]
    text = f"One more connection costs the shard {found['kb_per_connection']:.1f} kB of its own memory.\n"
    about = common.environment_note(found["environment"]) + "\n"
    return "\n".join(("# Many connections in one shard\n", about, text, common.table(head, rows)))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of connections, ascending")
    parser.add_argument("--out", type=Path, default=common.REPORTS, help="where connections.json and .md go")
    given = parser.parse_args()
    if len(given.counts) < 2 or sorted(set(given.counts)) != list(given.counts) or given.counts[0] < 1:
        parser.error("give at least two numbers, ascending")
    found = document(given.counts, asyncio.run(measure(given.counts)))
    text = markdown(found)
    print(text)
    common.write(given.out, "connections", found, md=text)


if __name__ == "__main__":
    main()
