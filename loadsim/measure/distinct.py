"""The different values of an array, and how often each is there.

Not `np.unique`: without further results it imports `numpy.ma` when it is first called, which takes as long as a pause
that disturbs events, in the middle of the load; with counts it takes half as long again.
"""

from __future__ import annotations

import numpy as np

from loadsim.measure.hdr import Ints


def starts_of(ordered: Ints) -> Ints:
    """Where each stretch of equal values begins, int64 (k,); `ordered`: int64 (n,), equal ones side by side, n > 0."""
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def distinct(values: Ints) -> Ints:
    """The different values, ascending."""
    ordered: Ints = np.sort(values)
    return ordered[starts_of(ordered)] if len(ordered) else ordered


def counted(values: Ints) -> tuple[Ints, Ints]:
    """The different values, ascending, and how often each is there; there is at least one."""
    ordered = np.sort(values)
    starts = starts_of(ordered)
    return ordered[starts], np.diff(starts, append=len(ordered))
