"""What a launcher and a shard say to each other: length-prefixed msgpack, the same over a pipe or a cluster.

Decides the wire form and nothing else. Both ways a message is a 4-byte big-endian length and one msgpack map with a
`type`. To the shard: `plan`, `start`, `alive`, `stop`. From it: `ready`, `frame`s as often as the plan asks for them,
`last`, `error`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from loadsim.events import RecordedEvent
from loadsim.measure.result import AddressRow, SampleRow
from loadsim.measure.retries import RetryCounts
from loadsim.measure.tally import TallyDelta
from loadsim.measure.volleys import VolleyCounts

MAX_MESSAGE = 256 * 1024 * 1024
FRAME_S = 1.0


class PlanMessage(msgspec.Struct, tag="plan"):
    """Everything that a shard needs. The secret travels here and nowhere else."""

    run_id: str
    scenario: dict[str, Any]
    """`Scenario.document()`, headers resolved."""
    seed: int
    shard: int
    shards: int
    secret: str | None
    """None: the shard reads it, the old one and the headers' variables where it runs."""
    version: str
    epoch_ns: int | None = None
    old_secret: str | None = None
    """The one that is rotated out, where events are signed with it."""
    key_password: str | None = None
    """Of the client key; read with the secret where that is None."""
    raw: bool = False
    """Frames carry every outcome."""
    outcomes: bool = False
    """Frames carry what became of every delivery."""
    recorded: dict[str, list[RecordedEvent]] = msgspec.field(default_factory=dict)
    """The captures of event types that are sent from one."""
    pace: list[int] = msgspec.field(default_factory=list)
    """When the rows of the capture were recorded, ns since the first, where arrivals are as recorded."""
    frame_s: float = FRAME_S
    """How long after one frame the next one comes."""
    hidden: list[str] = msgspec.field(default_factory=list)
    """Lower-case names of headers whose values came from the environment, where the secret travels here."""
    lease_s: float = 0.0
    """A shard that hears nothing for so long stops at once: whoever could stop it is cut off. 0: it waits for ever."""


class Start(msgspec.Struct, tag="start"):
    """Begin at this instant of the launcher's wall clock, ns; `ahead_ns`: how far that of the shard's host is ahead."""

    at_ns: int
    ahead_ns: int = 0


class Alive(msgspec.Struct, tag="alive"):
    """Go on: renews the lease."""


class Stop(msgspec.Struct, tag="stop"):
    """Release nothing more; with `drain`, let what is under way end within the drain's time."""

    drain: bool = True


class Ready(msgspec.Struct, tag="ready"):
    """The shard has its plan and waits for the start."""

    host: str
    pid: int
    version: str
    descriptors: int
    """How many connections its descriptor limit allows."""


class Frame(msgspec.Struct, tag="frame"):
    """A shard's books so far (cumulative) and what was counted since the last frame."""

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
    """Of an endpoint that has several, what each took, cumulative."""
    raw: bytes = b""
    """Where the plan asks for it: what ended since the last frame, as `engine.raw` has it."""
    outcomes: bytes = b""
    """The same, as `measure.outcomes` packs it."""


class Last(msgspec.Struct, tag="last"):
    """The shard is done; nothing follows."""

    frame: Frame
    start_offset_ns: int
    """How late it began, against the agreed instant."""
    stopped_ns: int
    """When it stopped releasing events, since the start."""


class Failed(msgspec.Struct, tag="error"):
    """The shard cannot go on."""

    text: str
    exit_code: int = 1


ToShard = PlanMessage | Start | Alive | Stop
FromShard = Ready | Frame | Last | Failed

_encoder = msgspec.msgpack.Encoder()
to_shard = msgspec.msgpack.Decoder(ToShard)
from_shard = msgspec.msgpack.Decoder(FromShard)


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
