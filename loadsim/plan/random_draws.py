"""Counter-based random numbers: block b of a stream can be drawn without drawing the blocks before it.

Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), a counter-based generator: the key
is (seed, stream), the counter starts at (0, 0, block, phase). The mapping from raw words to numbers is written here,
since the streams of numpy's distributions may change between versions.
"""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

BLOCK = 4096
"""Numbers per block."""


class Stream(enum.IntEnum):
    """The uses of random numbers. Streams of one seed are independent."""

    types = 1
    cases = 2
    gaps = 3


def uniforms(seed: int, stream: Stream, block: int, phase: int = 0) -> npt.NDArray[np.float64]:
    """`BLOCK` numbers in [0, 1), multiples of 2⁻⁵³."""
    key = np.array([seed, stream], dtype=np.uint64)
    counter = np.array([0, 0, block, phase], dtype=np.uint64)
    words = np.random.Philox(key=key, counter=counter).random_raw(BLOCK)
    return np.asarray((words >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


def exponentials(seed: int, stream: Stream, block: int, phase: int = 0) -> npt.NDArray[np.float64]:
    """`BLOCK` unit exponentials, by inversion: −ln(1 − u)."""
    return -np.log1p(-uniforms(seed, stream, block, phase))
