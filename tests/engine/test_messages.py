"""Messages survive the trip, and a stream that breaks off is an end, never an error."""

from __future__ import annotations

import asyncio

import pytest

from loadsim.engine.messages import (
    MAX_MESSAGE,
    Failed,
    Frame,
    FromShard,
    Last,
    PlanMessage,
    Ready,
    Start,
    Stop,
    ToShard,
    encode,
    from_shard,
    read_message,
    to_shard,
)
from loadsim.measure.result import SampleRow
from loadsim.measure.tally import Tally

PLAN = PlanMessage("r", {"name": "x", "phases": [{"rate": "1/s"}]}, 7, 1, 2, "päss", "0.1.0", 1_746_123_456 * 10**9)
FRAME = Frame(
    seq=3,
    elapsed_ns=2**40,
    planned=[1, 0, 2**33],
    ended=2,
    in_flight=1,
    queued=0,
    connections=4,
    connections_peak=5,
    opened=6,
    saturated_ns=7,
    limit_reached="",
    cpu_s=0.25,
    rss_bytes=2**27,
    tally=Tally(3, 0, [10**9] * 3).drain(),
    samples=[SampleRow("500", 4, "a.b", 0.5, [("Server", "x")], "oöps", "", "stale")],
)


async def read(data: bytes) -> bytes | None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_message(reader)


@pytest.mark.parametrize("message", [PLAN, Start(-(2**62)), Stop(), Stop(drain=False)])
async def test_what_a_shard_is_told_arrives(message: ToShard) -> None:
    data = await read(encode(message))
    assert data is not None
    assert to_shard.decode(data) == message


@pytest.mark.parametrize("message", [Ready("h", 1, "0.1.0", 64), FRAME, Last(FRAME, 5, 6), Failed("no", 2)])
async def test_what_a_shard_says_arrives(message: FromShard) -> None:
    data = await read(encode(message))
    assert data is not None
    assert from_shard.decode(data) == message


async def test_messages_follow_each_other_without_a_gap() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(encode(PLAN) + encode(Start(1)))
    reader.feed_eof()
    first, second, third = [await read_message(reader) for _ in range(3)]
    assert first is not None
    assert second is not None
    assert (to_shard.decode(first), to_shard.decode(second), third) == (PLAN, Start(1), None)


@pytest.mark.parametrize("length", range(0, 40, 3))
async def test_a_stream_that_breaks_off_has_ended(length: int) -> None:
    assert len(encode(PLAN)) > 40
    assert await read(encode(PLAN)[:length]) is None


async def test_a_length_that_nobody_would_send_ends_the_stream() -> None:
    assert await read((MAX_MESSAGE + 1).to_bytes(4, "big") + b"x") is None
