"""The messages between a launcher and a shard: length-prefixed msgpack, the same over a pipe or a cluster.

In both directions a message is a 4-byte big-endian length and one msgpack map with a
`type`. To the shard: `plan`, `start`, `alive`, `stop`. From it: `ready`, `frame`s as often as the plan asks for them,
`last`, `error`.
"""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from loadsim import __version__
from loadsim.exit_codes import Exit
from loadsim.measure.result_events import AddressRow, ConnectionRow, SampleRow
from loadsim.measure.retries import RetryCounts
from loadsim.measure.tally import TallyDelta
from loadsim.measure.volleys import VolleyCounts
from loadsim.measure.without_generator_tally import LatenessDelta
from loadsim.model import LoadsimError, Secret
from loadsim.plan import RunSpec

MAX_MESSAGE = 256 * 1024 * 1024


class Assignment(msgspec.Struct, tag="plan"):
    """Everything that a shard needs: the run, and which part of it is its own. Make it with `assignments`."""

    spec: msgspec.Raw
    """The `RunSpec`; see `spec_of`. Secrets travel here and nowhere else."""
    shard: int
    shards: int
    version: str
    """Of the launcher: a spec is read by the same version alone."""
    lease_s: float = 0.0
    """A shard without a message for this time stops at once, since its parent is gone. 0: no limit."""


class Start(msgspec.Struct, tag="start"):
    """Begin at this instant of the launcher's wall clock, ns; `ahead_ns`: how far that of the shard's host is ahead."""

    at_ns: int
    ahead_ns: int = 0


class Alive(msgspec.Struct, tag="alive"):
    """Continue: renews the lease."""


class Stop(msgspec.Struct, tag="stop"):
    """Release no more events; with `drain`, let events in flight end within the drain's time."""

    drain: bool = True


class Ready(msgspec.Struct, tag="ready"):
    """The shard has its plan and waits for the start."""

    host: str
    pid: int
    version: str
    descriptors: int
    """How many connections its descriptor limit allows."""
    compiled: bool
    """Whether it has the compiled step."""


class Frame(msgspec.Struct, tag="frame"):
    """A shard's totals so far (cumulative) and its counts since the last frame."""

    seq: int
    elapsed_ns: int
    """Since the start instant."""
    planned: list[int]
    """By stratum, cumulative."""
    ended: int
    """Cumulative."""
    in_flight: int
    queued: int
    connections: int
    connections_peak: int
    opened: int
    saturated_ns: int
    limit_reached: str
    cpu_s: float
    rss_bytes: int
    tally: TallyDelta
    samples: list[SampleRow]
    volleys: VolleyCounts | None = None
    """Of events sent in several copies, cumulative; None where the plan has none."""
    retries: RetryCounts | None = None
    """Of deliveries that are made again, cumulative; None where the plan makes none."""
    addresses: list[AddressRow] = []
    """The counts of each address of an endpoint with several, cumulative."""
    connection_rows: list[ConnectionRow] = []
    """Over HTTP/2: the busiest connections, cumulative."""
    raw: bytes = b""
    """If requested: the rows of deliveries that ended since the last frame, see `engine.raw_log_rows`."""
    outcomes: bytes = b""
    """If requested: their outcomes, packed by `measure.event_outcomes`."""
    deliveries: bytes = b""
    """If requested: when they were due and ended, packed by `measure.effect_book`."""
    spans: bytes = b""
    """If requested: the rows of sampled deliveries, packed by `engine.sampled_rows`."""
    lateness: LatenessDelta = msgspec.field(default_factory=lambda: LatenessDelta(b"", b"", [], []))
    named: bytes = b""
    """The slowest and the first failing events so far, packed by `measure.named_events`."""
    away_ns: int = 0
    """How long the loop was away (see `measure.pauses`), cumulative."""
    queued_ns: int | None = None
    """How long the process waited for a core, since it began; None where the system does not tell."""


class Last(msgspec.Struct, tag="last"):
    """The shard is done; nothing follows."""

    frame: Frame
    start_offset_ns: int
    """How much later than agreed it started."""
    stopped_ns: int
    """When it stopped releasing events, since the start."""


class Failed(msgspec.Struct, tag="error"):
    """The shard cannot go on."""

    text: str
    exit_code: int = Exit.error


ToShard = Assignment | Start | Alive | Stop
FromShard = Ready | Frame | Last | Failed

_encoder = msgspec.msgpack.Encoder()
to_shard = msgspec.msgpack.Decoder(ToShard)
from_shard = msgspec.msgpack.Decoder(FromShard)


def assignments(spec: RunSpec, shards: int, lease_s: float = 0.0) -> list[Assignment]:
    """The first message to each shard of a run."""
    packed = msgspec.Raw(_spec_encoder.encode(spec))
    return [Assignment(packed, shard, shards, __version__, lease_s) for shard in range(shards)]


def spec_of(assignment: Assignment) -> RunSpec:
    """The run that a shard has part of. Raises LoadsimError where another version of loadsim sent it."""
    if assignment.version != __version__:
        raise LoadsimError(f"this host has loadsim {__version__}, the run was started with {assignment.version}")
    return _spec_decoder.decode(assignment.spec)


def _as_sent(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Fraction):
        return value.as_integer_ratio()
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"nothing of the type {type(value).__name__} is sent to a shard")


def _as_it_was(kind: type, value: Any) -> object:
    return Fraction(*value) if kind is Fraction else kind(value)


_spec_encoder = msgspec.msgpack.Encoder(enc_hook=_as_sent)
_spec_decoder = msgspec.msgpack.Decoder(RunSpec, dec_hook=_as_it_was)


def encode(message: ToShard | FromShard) -> bytes:
    """One message as it travels."""
    data = _encoder.encode(message)
    return len(data).to_bytes(4, "big") + data


async def read_message(reader: asyncio.StreamReader) -> bytes | None:
    """The next message's msgpack, or None at the end of the stream (also in the middle of a message)."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > MAX_MESSAGE:
            return None
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
