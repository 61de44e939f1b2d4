"""Trace contexts: valid for a reader that is not ours, uniform where samplers look, the same wherever they are made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from loadsim.measure.hdr import Ints
from loadsim.measure.trace_ids import HEADER, RANDOM_BITS, SIZE, TraceIds

MANY = 1 << 17
INDEXES = st.integers(0, 2**47)
ATTEMPTS = st.integers(1, 2**15)


def read(value: str) -> SpanContext:
    """What OpenTelemetry reads from a header."""
    context = TraceContextTextMapPropagator().extract({HEADER: value})
    return get_current_span(context).get_span_context()


def values_of(ids: TraceIds, indexes: Ints | Sequence[int], attempt: int = 1) -> list[bytes]:
    """The header's values, made together."""
    places = np.zeros((len(indexes), SIZE), dtype=np.uint8)
    ids.write(indexes, attempt, places)
    return [place.tobytes() for place in places]


def low_bits(ids: TraceIds) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Of the first events: the bits that samplers read."""
    values = values_of(ids, range(MANY))
    return np.array([int(value[21:35], 16) for value in values], dtype=np.uint64)


@given(st.text(min_size=1), st.lists(INDEXES, min_size=1, max_size=20), ATTEMPTS, st.sampled_from([0.0, 0.3, 1.0]))
def test_every_context_is_read_as_it_was_meant(run: str, indexes: list[int], attempt: int, sampled: float) -> None:
    ids = TraceIds(run.encode("utf-8", "replace").decode(), sampled)
    for index, value in zip(indexes, values_of(ids, indexes, attempt), strict=True):
        seen, own = read(value.decode()), ids.of(index, attempt)
        assert seen.is_valid
        assert (f"{seen.trace_id:032x}", f"{seen.span_id:016x}") == (own.trace_id, own.span_id)
        assert seen.trace_flags.sampled == own.sampled
        assert seen.trace_flags & 2, "random-trace-id"
        assert own.sampled or sampled < 1
        assert not own.sampled or sampled > 0


def test_ids_stay_what_they_are() -> None:
    """A stored run's ids are computed again by later versions."""
    assert TraceIds("20260504-091000-steady-3f2a", 1).of(1234, 2) == (
        "39364ed1318173ea3162b34254484ffa",
        "d843606c7f85b9d1",
        True,
    )


def test_no_id_comes_twice() -> None:
    values = {
        value[3:52]
        for run in ("a", "b")
        for attempt in (1, 2, 3)
        for value in values_of(TraceIds(run, 0.5), range(20_000), attempt)
    }
    assert len(values) == 120_000
    assert len({value[:32] for value in values}) == len({value[33:] for value in values}) == 120_000


@pytest.mark.parametrize("run", ["20260504-091000-steady-3f2a", "20260504-091000-steady-3f2b", "a"])
def test_the_low_seven_bytes_are_uniform(run: str) -> None:
    bits = low_bits(TraceIds(run, 0.5))
    for shift in range(0, RANDOM_BITS, 8):
        counts = np.bincount(((bits >> np.uint64(shift)) & np.uint64(255)).astype(np.int64), minlength=256)
        chi2 = float((((counts - MANY / 256) ** 2) / (MANY / 256)).sum())
        assert 150 < chi2 < 380, (shift, chi2)  # 255 degrees of freedom: beyond in fewer than one of a million
    # the ids of neighbours differ in half of the bits
    differences = np.bitwise_count(bits[1:] ^ bits[:-1])
    assert abs(float(differences.mean()) - RANDOM_BITS / 2) < 5 * (RANDOM_BITS / 4) ** 0.5 / MANY**0.5
    # the whole as a number in [0, 1): the distance from the uniform distribution (Kolmogorov and Smirnov)
    ordered = np.sort(bits.astype(np.float64) / 2**RANDOM_BITS)
    assert float(np.abs(ordered - (np.arange(MANY) + 0.5) / MANY).max()) < 2.7 / MANY**0.5


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.5, 0.99, 1.0])
def test_the_sampled_share(share: float) -> None:
    ids = TraceIds("20260504-091000-steady-3f2a", share)
    sampled = np.array([value[54:55] == b"3" for value in values_of(ids, range(MANY))])
    assert abs(int(sampled.sum()) - share * MANY) <= 5 * (share * (1 - share) * MANY) ** 0.5
    # what a sampler by OpenTelemetry's consistent probability would sample too
    assert (sampled == (low_bits(ids) >= round((1 - share) * 2**RANDOM_BITS))).all()


@given(st.integers(0, 2**40), st.integers(1, 16), ATTEMPTS)
def test_made_in_bulk_or_alone(first: int, shards: int, attempt: int) -> None:
    ids = TraceIds("run", 0.5)
    indexes = np.arange(first, first + 10 * shards, shards)
    assert values_of(ids, indexes, attempt) == [ids.value(int(index), attempt).encode() for index in indexes]


@given(st.lists(st.tuples(st.integers(0, 2**40), ATTEMPTS), max_size=20))
def test_ids_of_any_deliveries_as_numbers(deliveries: list[tuple[int, int]]) -> None:
    ids = TraceIds("run", 0.5)
    indexes, attempts = np.array(deliveries, dtype=np.int64).reshape(-1, 2).T
    wanted = [ids.of(index, attempt) for index, attempt in deliveries]
    assert ids.numbers(indexes, attempts) == [(int(each.trace_id, 16), int(each.span_id, 16)) for each in wanted]
    assert ids.sampled(indexes, attempts).tolist() == [each.sampled for each in wanted]
