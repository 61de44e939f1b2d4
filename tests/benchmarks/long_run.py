"""A `loadsim run` whose shards are simulated: what is left to be done after the last answer of a very long run.

    python -m tests.benchmarks.long_run SHARDS SECONDS PER_SECOND STAMP run URL ...

The command is the real one, from its options to the end of its process. In place of shard processes it gets frames of
shards that fold simulated outcomes with the shards' own tallies: latencies log-normal around 2 ms with a slow tail, one
answer in 2,000 a failure, waves of 100 s. All frames but the last of each shard are merged first; then the instant is
written to the file STAMP, as `time.monotonic_ns` has it, and the last frames are handed over. Run by `start_end` in the
tree of any commit.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from loadsim.engine.messages import Frame, Last, Ready, encode
from loadsim.engine.recorder import Recorder
from loadsim.engine.shard import named_events
from loadsim.launch import local_shards, run_lifecycle
from loadsim.launch.launcher import Beginning
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column
from loadsim.measure.pauses import Pauses
from loadsim.measure.tally import Tally
from loadsim.measure.without_generator_tally import LatenessTally
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.plan.providers import DEADLINES_NS

POOL = 1_000_000
"""Outcomes that are drawn once; each frame takes a stretch of them that begins anywhere."""


class SimulatedShard:
    """One shard of a run: its outcomes, folded by what folds a real one's."""

    def __init__(self, number: int, plan: Any, per_second: int) -> None:
        start = NS_PER_S
        self._start, self._strata, self._per_second = start, plan.strata, per_second
        self._random = np.random.Generator(np.random.Philox(number))
        self._named = named_events(plan, start)
        pauses = Pauses(plan.scenario.validity.lag)
        self._lateness = LatenessTally(start, plan.scenario.target.timeout, pauses.disturbed)
        self._tally = Tally(plan.strata, start, [-1] * plan.strata, deadlines=DEADLINES_NS)
        self._recorder = Recorder(self._tally, [self._named], self._lateness)
        self._pool = self._drawn()
        self._planned = np.zeros(plan.strata, dtype=np.int64)

    def _drawn(self) -> Ints:
        """Rows with times since an event is due."""
        draw = self._random.lognormal
        rows = np.zeros((POOL, len(Column)), dtype=np.int64)
        rows[:, Column.stratum] = self._random.integers(0, self._strata, POOL)
        rows[:, Column.code] = np.where(self._random.random(POOL) < 1 / 2000, 503, 200)
        rows[:, Column.woken] = draw(np.log(3_000), 0.3, POOL)
        rows[:, Column.slot] = rows[:, Column.ready] = rows[:, Column.woken] + 1_000
        rows[:, Column.sent] = rows[:, Column.slot] + draw(np.log(15_000), 0.3, POOL).astype(np.int64)
        slow = np.where(self._random.random(POOL) < 0.01, 10, 1)
        took = (2 * NS_PER_MS * slow * draw(0, 0.5, POOL)).astype(np.int64)
        rows[:, Column.first_byte] = rows[:, Column.sent] + took
        rows[:, Column.done] = rows[:, Column.first_byte] + 20_000
        rows[:, Column.bytes_sent], rows[:, Column.bytes_received] = 960, 150
        rows[:, Column.attempt] = 1
        rows[:, Column.receipt] = draw(np.log(8_000), 0.3, POOL)
        return rows

    def frames(self, seconds: int) -> Iterator[Frame]:
        """One for each second."""
        for second in range(seconds):
            yield self._frame(second)

    def _frame(self, second: int) -> Frame:
        count, random = self._per_second, self._random
        first = int(random.integers(0, POOL - count))
        rows = self._pool[first : first + count].copy()
        wave = 1 + 0.3 * np.sin(2 * np.pi * second / 100)
        due = self._start + second * NS_PER_S + np.arange(count) * NS_PER_S // count
        rows[:, [Column.first_byte, Column.done]] = (rows[:, [Column.first_byte, Column.done]] * wave).astype(np.int64)
        for column in (Column.woken, Column.slot, Column.ready, Column.sent, Column.first_byte, Column.done):
            rows[:, column] += due
        rows[:, Column.due] = due
        rows[:, Column.index] = second * count + np.arange(count)
        self._planned += np.bincount(rows[:, Column.stratum], minlength=self._strata)
        recorder = self._recorder
        recorder.rows = [rows.tobytes()]
        recorder.signs = np.stack([rows[:, Column.stratum], due, np.full(count, 2_500)], axis=1).ravel().tolist()
        recorder.fold()
        return Frame(
            seq=second + 1,
            elapsed_ns=(second + 1) * NS_PER_S,
            planned=self._planned.tolist(),
            ended=recorder.ended,
            in_flight=0,
            queued=0,
            connections=64,
            connections_peak=64,
            opened=64,
            saturated_ns=0,
            limit_reached="",
            cpu_s=0.5 * (second + 1),
            rss_bytes=50_000_000,
            tally=self._tally.drain(),
            lateness=self._lateness.drain([], []),
            samples=[],
            named=self._named.take(),
        )


class SimulatedShards:
    """See Launcher. `stamp` is called when only the last frames are missing."""

    def __init__(self, shards: int, seconds: int, per_second: int, stamp: Callable[[], None]) -> None:
        self.say: Callable[[str], None] = lambda _: None
        self.offered = shards
        self._seconds, self._per_second, self._stamp = seconds, per_second, stamp
        self._last: list[bytes] = []
        self._intake: Any

    async def reserve(self, most: int) -> int:
        """As many as were asked for."""
        return min(self.offered, most)

    async def check_endpoint(self, *_: object) -> str:
        """There is none."""
        return "1.1"

    async def start(self, spec: Any, shards: int, intake: Any, on_ready: Callable[[], None]) -> Beginning:
        """Merge all frames but the last of each shard."""
        self._intake = intake
        for number in range(shards):
            intake.take(number, encode(Ready("host", 1, "0", 1024, False))[4:])
        on_ready()
        begins = Beginning.ahead(-self._seconds * NS_PER_S)
        sources = [
            SimulatedShard(number, spec.plan(), self._per_second).frames(self._seconds) for number in range(shards)
        ]
        for second in range(self._seconds):
            for number, source in enumerate(sources):
                frame = next(source)
                if second < self._seconds - 1:
                    intake.take(number, encode(frame)[4:])
                else:
                    self._last.append(encode(Last(frame, 0, self._seconds * NS_PER_S))[4:])
        return begins

    async def wait(self) -> None:
        """Hand over the last frames."""
        self._stamp()
        for number, message in enumerate(self._last):
            self._intake.take(number, message)

    async def stop(self, *, drain: bool) -> None:
        """See Launcher."""

    async def close(self) -> None:
        """See Launcher."""


def main() -> None:
    """Run the command."""
    shards, seconds, per_second = map(int, sys.argv[1:4])
    stamp = Path(sys.argv[4])
    sys.argv[1:] = sys.argv[5:]

    def write_stamp() -> None:
        stamp.write_text(f"{time.monotonic_ns()} {sum(os.times()[:2])}", encoding="ascii")

    launcher = SimulatedShards(shards, seconds, per_second, write_stamp)
    for owner in (local_shards, run_lifecycle):
        setattr(owner, "LocalShards", lambda *_: launcher)  # noqa: B010 - a type checker would not let a class go
    from loadsim.cli import run
    from loadsim.cli.main import main as command

    if hasattr(run, "early_shard"):  # no tree before it had this has it
        setattr(run, "early_shard", lambda **_: contextlib.nullcontext())  # noqa: B010 - as above

    command()


if __name__ == "__main__":
    main()
