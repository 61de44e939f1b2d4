"""Where less load was offered than planned: windows in which events were released too late to be that window's load.

Counts by due time come from `lag`, which every released event has. Waiting for a busy connection is not counted: it
begins when an event was released.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadsim.measure.cells import Metric, layout, unit_ns
from loadsim.measure.merged_counts import Merged
from loadsim.measure.result_generator import ShortWindow
from loadsim.model import NS_PER_S

LEAST_SHARE = 0.99
"""Least share of the events due in a window that must be released within its width of their due time."""
_LEAST_EVENTS = 20
MOST_KEPT = 1000
"""So many short windows are kept; there is no need for more to say where they are."""


def window_ns(rate: float | None) -> int:
    """The width of a window at so many events per second: 1 s, or 20 events where that is longer."""
    return max(NS_PER_S, round(_LEAST_EVENTS / rate * NS_PER_S)) if rate else NS_PER_S


def short_windows(merged: Merged, strata: Sequence[int], rate: float | None) -> list[ShortWindow]:
    """The windows that fell short, the first MOST_KEPT of them; no narrower than the slices of the run."""
    slices, index, counts = merged.sliced(Metric.lag, strata)
    if not len(slices):
        return []
    width = window_ns(rate)
    per_window = -(-width // merged.slice_ns)
    last = layout(Metric.lag).index(np.array([width // unit_ns(Metric.lag)]))[0]
    numbers = slices // per_window
    due = np.bincount(numbers, weights=counts).astype(np.int64)
    released = np.bincount(numbers, weights=counts * (index <= last)).astype(np.int64)
    width_s = per_window * merged.slice_ns / NS_PER_S
    return [
        ShortWindow(number * width_s, width_s, int(due[number]), int(released[number]))
        for number in np.flatnonzero(released < LEAST_SHARE * due).tolist()[:MOST_KEPT]
    ]
