"""The different values of an array."""

from __future__ import annotations

import numpy as np

from loadsim.measure.hdr import Ints


def distinct(values: Ints) -> Ints:
    """The different values, ascending.

    Not `np.unique`: without further results it imports `numpy.ma` when it is first called, which takes as long as a
    pause that disturbs events, in the middle of the load.
    """
    ordered: Ints = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered
