"""The stored result of `loadsim bench verify` (`"schema": "loadsim.bench.verify/1"`).

A figure that is not known is None, never 0. All times are CPU µs per call.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result import Environment
from loadsim.measure.timing_statistics import Proof, Spread

SCHEMA = "loadsim.bench.verify/1"

Kind = Literal["floor", "mac", "verifier"]
"""`floor`: hashing alone, the least possible cost. `mac`: the code over the signed bytes, without any check.
`verifier`: a whole check of headers and body."""
Delivery = Literal["good", "listed", "largest"]
"""`listed`: a signature header of 8 KB without a right signature. `largest`: the largest body, with a wrong
signature."""
Ending = Literal["pass", "fail", "unsure", "interrupted"]


class VerifyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One implementation on one kind of delivery of one scheme."""

    scheme: str
    size: int
    """Of the body, bytes."""
    delivery: Delivery
    """`good`: genuine. `listed`: a signature header of 8 KB without a right signature. `largest`: the largest body,
    with a wrong signature."""
    name: str
    kind: Kind
    """`floor`: hashing alone. `mac`: the code over the signed bytes. `verifier`: a whole check of headers and body."""
    us: Spread
    """CPU µs of one call."""
    per_second: float
    """Calls per second of one core."""
    of_two_state: float | None
    """Ratio to the bare two-state SHA-256 of the same bytes; median over the rounds, like `of_mac`."""
    of_mac: float | None
    """Ratio to the faster of `hmac.digest` and `hmac.new` over the same bytes."""


class VerifierCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a verifier decides correctly: the deliveries it had to check and what it got wrong."""

    scheme: str
    name: str
    version: str
    """Of the library; empty where there is none."""
    asked: list[str]
    """The deliveries, in words."""
    faults: list[str]
    """In words; a verifier without faults is timed."""


class BoundRow(msgspec.Struct, frozen=True, kw_only=True):
    """One limit on the cost of our verifier: a ratio of times, and whether the rounds prove it."""

    text: str
    limit: float
    """Greatest ratio allowed."""
    found: float
    """Median ratio."""
    interval: tuple[float, float] | None
    """95 %, of the median ratio."""
    outcome: Proof
    """`unsure`: the rounds prove neither."""
    why: str
    """Why there is no verdict; empty when there is one."""


class VerifyBench(msgspec.Struct, frozen=True, kw_only=True):
    """A benchmark of verifiers and its outcome."""

    schema: str
    id: str
    started_at: str
    ended_at: str
    version: str
    openssl: str
    """Version of OpenSSL."""
    core: int | None
    """The core that the benchmark was pinned to; None when the system cannot do that."""
    rounds: int
    lost_share: float
    """Share of the measured time in which something else used the core."""
    rows: list[VerifyRow]
    """What was timed."""
    judged: list[VerifierCheck]
    """Every verifier, right or wrong."""
    bounds: list[BoundRow]
    """Limits on the cost of our verifier."""
    lacking: list[str]
    """Implementations that are not installed and so were not measured, in words."""
    ending: Ending
    reasons: list[str]
    environment: Environment
