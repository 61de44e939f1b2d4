"""Messages survive the trip, and a stream that breaks off is an end, never an error."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from loadsim.engine.messages import (
    MAX_MESSAGE,
    Failed,
    Frame,
    FromShard,
    Last,
    Ready,
    Start,
    Stop,
    ToShard,
    assignments,
    encode,
    from_shard,
    read_message,
    spec_of,
    to_shard,
)
from loadsim.measure.result_events import SampleRow
from loadsim.measure.tally import Tally
from loadsim.model import Capture, Objective, RecordedEvent, Secret
from loadsim.plan import Case, EventMix, ObjectiveRule, Phase, RunSpec, Scenario, Target, ValidityRules
from loadsim.plan.cluster import Cluster
from loadsim.plan.receiver_behaviour import Behaviour
from loadsim.plan.retry_schedule import Retry
from loadsim.plan.units import Share, Span

SPEC = RunSpec(
    scale=0.5,
    tags={"branch": "main"},
    scenario=Scenario(
        name="x",
        target=Target(
            url="embedded", scheme="custom", custom={"signed": ["body"]}, headers={"A": ("b", "c"), "Token": "env:T"}
        ),
        phases=(
            Phase(name="open", duration=10**9, from_=Fraction(1, 3), to=Fraction(2)),
            Phase(name="closed", connections=2, events=7, shares={"stale": 0.5}, secrets="both"),
        ),
        events=(EventMix(type="a", set={"b.c": [1, None, {"d": 0.5}]}, payloads="f.ndjson"),),
        objectives=("p(99) < 1s", ObjectiveRule(objective="success: rate > 0", abort=True)),
        cases=(Case(kind="stale", share=0.1, expect="refuse", by=5),),
        validity=ValidityRules(lag=3),
        receiver=Behaviour(slow=Share(5, 0.1), fail=(Share(503, 0.5),), down=(Span(1, 2), Span(3, 4)), read_rate=9),
        retry=Retry(profile="stripe"),
        outcomes=True,
    ),
    seed=2**64 - 1,
    run_id="r",
    url="http://127.0.0.1:1/",
    headers={"Token": "tok_1"},
    http="2",
    secret=Secret("päss"),
    old_secret=Secret("old pass"),
    key_password=Secret("key pass"),
    epoch_ns=1_746_123_456 * 10**9,
    defaults=False,
    recorded={"a": Capture((RecordedEvent(b"\x00\xff", "t", 5, (("X-Own", "é"),)),), ("t",))},
    pace=(0, 2**40),
    objectives=(Objective("p(99) < 1s", "response", "p(99)", "<", 1000.0, (("phase", "open"),), window_ns=5),),
    gate="confident",
    workers=3,
    cluster=Cluster(address="tls://h:1", allow_lost=1, ca="ca.pem"),
    raw=True,
    outcomes=True,
    noted=True,
    otlp="http://127.0.0.1:4318",
    watches_effects=True,
    out=Path("a/b"),
    drawn=False,
    frame_s=0.5,
)
PLAN = assignments(SPEC, 3, 5.0)[1]
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


@pytest.mark.parametrize("message", [Ready("h", 1, "0.1.0", 64, True), FRAME, Last(FRAME, 5, 6), Failed("no", 2)])
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


def test_a_run_is_the_same_run_in_its_shard() -> None:
    """Every field, and in the same types: none is left at its default here, so that none is left out."""
    got = spec_of(PLAN)
    assert got == SPEC
    for name in RunSpec.__struct_fields__:
        assert type(getattr(got, name)) is type(getattr(SPEC, name)), name
    plain = RunSpec(scenario=Scenario(name="y", target=SPEC.scenario.target, phases=()), seed=0)
    alike = [name for name in RunSpec.__struct_fields__ if getattr(SPEC, name) == getattr(plain, name)]
    assert alike == []
    assert got.plan().kind_of(5) == SPEC.plan().kind_of(5)


def test_secrets_travel_to_shards_and_show_nowhere_else() -> None:
    told = bytes(PLAN.spec)
    for secret in ("päss", "old pass", "key pass", "tok_1"):
        assert secret.encode() in told
        assert secret not in f"{SPEC!r} {SPEC} {PLAN!r}"
    with pytest.raises(TypeError):
        msgspec.msgpack.encode(SPEC)
    with pytest.raises(TypeError):
        msgspec.json.encode(SPEC)


def test_what_no_run_can_be_is_refused_where_it_is_made() -> None:
    for change in ({"seed": -1}, {"seed": 2**64}, {"workers": 0}, {"frame_s": 0.0}):
        with pytest.raises(ValueError, match="not"):
            msgspec.structs.replace(SPEC, **change)
