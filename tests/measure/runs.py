"""Results for tests, counted and assembled from outcome rows as a run's are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from loadsim.measure.assemble import LimitInputs, assemble
from loadsim.measure.merged_counts import Merged
from loadsim.measure.result import Environment, RunInfo, RunResult
from loadsim.measure.result_events import SampleRow
from loadsim.measure.strata import StratumNames
from loadsim.model import NS_PER_S
from tests.measure.rows import tallied

# phase (warm-up, steady) * type (a, b, c) * one case
PLAIN = StratumNames(
    phases=("warm-up", "steady"),
    types=("a", "b", "c"),
    cases=("genuine",),
    recorded=(False, True),
    durations_ns=(NS_PER_S, 10 * NS_PER_S),
    expects=("accept",),
)
STEADY_A, STEADY_B = 3, 4
FORGING = replace(
    PLAIN, types=("a",), cases=("genuine", "bad-signature", "big"), expects=("accept", "refuse", "accept")
)
GENUINE, FORGED, BIG = 3, 4, 5

RUN = RunInfo("run-1", "test", "", "", seed=1, version="0", model="open", workers=1, interrupted=False, scenario={})
HERE = Environment(python="3", platform="test", cpu_model="", cpu_count=1, packages={})


def built(
    rows: list[list[int]],
    names: StratumNames = PLAIN,
    *,
    planned: list[int] | None = None,
    extra: list[int] | None = None,
    samples: list[SampleRow] | None = None,
    limits: LimitInputs | None = None,
    ends: list[int] | None = None,
    recording_ends: list[int] | None = None,
    stop: int | None = None,
    deadlines: Sequence[int] = (),
) -> RunResult:
    """The result of one shard with these rows; see `tallied` and `assemble`."""
    merged = Merged(names.strata)
    merged.add(0, tallied(rows, names.strata, ends, recording_ends, stop, deadlines))
    counted = merged.shard_counter(0, "ended") + np.array(extra or 0)
    return assemble(
        merged,
        names,
        planned=counted if planned is None else planned,
        run=RUN,
        environment=HERE,
        shards=[],
        samples=samples or [],
        limits=limits or LimitInputs(10, 3),
        extra_unfinished=extra,
        deadlines=deadlines,
    )
