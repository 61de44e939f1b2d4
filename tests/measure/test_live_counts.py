from __future__ import annotations

import numpy as np

from loadsim.measure.cells import Cells, Metric, compact
from loadsim.measure.hdr import MICROSECONDS
from loadsim.measure.live_counts import Live
from loadsim.measure.tally import Tally
from tests.measure.rows import MS, START, answered, array


def as_dict(cells: Cells) -> dict[int, int]:
    """Service time in ms → count; in these rows nothing waits."""
    values = MICROSECONDS.lowest_equivalent(cells.keys) // 1_000
    return dict(zip(values.tolist(), cells.counts.tolist(), strict=True))


def test_the_last_second_is_the_latest_frame_of_each_shard() -> None:
    live = Live(2)
    assert as_dict(live.latest(Metric.response)) == as_dict(live.latest(Metric.response, [0])) == {}
    tallies = [Tally(2, START, [-1, -1]) for _ in range(2)]
    for shard, service, stratum in ((0, 1, 0), (1, 5, 0), (0, 2, 1), (0, 3, 0)):
        tallies[shard].fold(array([answered(0, service * MS, stratum=stratum)] * 10))
        live.add(shard, compact([tallies[shard].drain().cells()]))
    assert as_dict(live.latest(Metric.response)) == {3: 10, 5: 10}
    assert as_dict(live.latest(Metric.response, [0])) == {3: 10}
    assert as_dict(live.latest(Metric.response, [0, 1, 9])) == {3: 10, 5: 10}
    assert as_dict(live.total(Metric.response)) == {1: 10, 2: 10, 3: 10, 5: 10}
    assert np.sum(live.total(Metric.lag).counts) == 40
    assert live.codes() == {200: 40}


def test_the_last_second_may_be_several_frames() -> None:
    live, tally = Live(1, frames=2), Tally(1, START, [-1])
    for service in (1, 2, 3):
        tally.fold(array([answered(0, service * MS)] * 10))
        live.add(0, compact([tally.drain().cells()]))
    assert as_dict(live.latest(Metric.response)) == as_dict(live.latest(Metric.response, [0])) == {2: 10, 3: 10}
