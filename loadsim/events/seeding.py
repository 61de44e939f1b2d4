"""Random streams and identifiers derived from a seed, each named by a label.

A stream is numpy's counter-based Philox keyed by a hash of (seed, label), so any block of it can be drawn by itself and
two labels never share numbers.
"""

from __future__ import annotations

import hashlib
import uuid

import numpy as np


def _digest(seed: int, label: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{label}".encode(), digest_size=16).digest()


def bit_generator(seed: int, label: str, block: int) -> np.random.Philox:
    """The stream of `label`, set at its `block`-th block (blocks are 2**64 numbers apart)."""
    return np.random.Philox(key=int.from_bytes(_digest(seed, label), "big"), counter=block << 64)


def identifier(seed: int, label: str) -> str:
    """A UUID (version 4 in form) that depends on (seed, label) only."""
    return str(uuid.UUID(bytes=_digest(seed, label), version=4))
