"""The stored result of `loadsim bench verify` (`"schema": "loadsim.bench.verify/1"`).

Decides shape and units; missing figures are None, never 0. All times are CPU µs per call.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.measure.result import Environment
from loadsim.measure.timing import Proof, Spread

SCHEMA = "loadsim.bench.verify/1"

Kind = Literal["floor", "mac", "verifier"]
"""`floor`: hashing alone. `mac`: the code over the signed bytes, without any check. `verifier`: headers and body in."""
Delivery = Literal["good", "listed", "largest"]
"""`listed`: a signature header of 8 KB in which none is right. `largest`: the largest body with a bad signature."""
Ending = Literal["pass", "fail", "unsure", "interrupted"]


class VerifyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One implementation on one kind of delivery of one scheme."""

    scheme: str
    size: int
    """Of the body, bytes."""
    delivery: Delivery
    name: str
    kind: Kind
    us: Spread
    per_second: float
    of_two_state: float | None
    """Times the bare two-state SHA-256 of the same bytes, median over the rounds, as is `of_mac`."""
    of_mac: float | None
    """Times the faster of `hmac.digest` and `hmac.new` over the same bytes."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a verifier decides rightly: every delivery that it was asked about, and how it did."""

    scheme: str
    name: str
    version: str
    """Of the library; empty for what has none."""
    asked: list[str]
    faults: list[str]
    """In words; empty: it may be timed."""


class BoundRow(msgspec.Struct, frozen=True, kw_only=True):
    """One bound on ours: a ratio of times and what the rounds prove of it."""

    text: str
    limit: float
    found: float
    interval: tuple[float, float] | None
    """95 %, of the median ratio."""
    outcome: Proof
    why: str
    """Why there is no verdict; empty where there is one."""


class VerifyBench(msgspec.Struct, frozen=True, kw_only=True):
    """The sitting and how it ended."""

    schema: str
    id: str
    started_at: str
    ended_at: str
    version: str
    openssl: str
    core: int | None
    """Where it was held; None where this system cannot do that."""
    rounds: int
    lost_share: float
    """How much of the time while the clock ran something else had the core."""
    rows: list[VerifyRow]
    judged: list[Judged]
    bounds: list[BoundRow]
    lacking: list[str]
    """What is not installed and so not measured, in words."""
    ending: Ending
    reasons: list[str]
    environment: Environment


def dump_verify_bench(result: VerifyBench) -> bytes:
    """The stored form: indented JSON, one trailing newline."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
