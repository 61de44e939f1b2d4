from __future__ import annotations

import base64
import contextlib
import zlib

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from loadsim.measure.hdr import MICROSECONDS, NANOSECONDS, HdrConfig, Ints
from loadsim.measure.histogram_codec import decode, encode

SMALL = HdrConfig(1, 100_000, 2)
histograms = st.dictionaries(st.integers(0, SMALL.last_index), st.integers(1, 2**62), max_size=60)


def spread(cells: dict[int, int], config: HdrConfig) -> Ints:
    counts = np.zeros(config.counts_len, dtype=np.int64)
    counts[list(cells)] = list(cells.values())
    return counts


@given(histograms)
def test_what_is_encoded_is_decoded(cells: dict[int, int]) -> None:
    config, counts = decode(encode(spread(cells, SMALL), SMALL))
    assert config == SMALL
    assert np.array_equal(counts, spread(cells, SMALL))


@given(st.dictionaries(st.integers(0, MICROSECONDS.last_index), st.integers(1, 2**40), min_size=1, max_size=60))
def test_the_reference_reads_ours(cells: dict[int, int]) -> None:
    read = HdrHistogram.decode(encode(spread(cells, MICROSECONDS), MICROSECONDS))
    assert read.get_total_count() == sum(cells.values())
    assert {index: read.get_count_at_index(index) for index in cells} == cells
    lowest = MICROSECONDS.lowest_equivalent(np.array([min(cells)]))
    assert read.get_min_value() == lowest[0]


@pytest.mark.parametrize("config", [MICROSECONDS, NANOSECONDS])
def test_we_read_the_reference(config: HdrConfig) -> None:
    reference = HdrHistogram(config.lowest, config.highest, config.digits)
    samples = np.random.default_rng(1).lognormal(8, 2, 5_000).astype(int) + 1
    for value in samples.tolist():
        reference.record_value(value)
    read, counts = decode(reference.encode().decode())
    assert read == config
    assert np.array_equal(counts, np.bincount(config.index(samples), minlength=config.counts_len))


def test_blobs_open_like_everyone_elses() -> None:
    assert encode(spread({}, MICROSECONDS), MICROSECONDS).startswith("HISTFAAA")


def test_a_hundred_thousand_samples_are_a_few_kilobytes() -> None:
    samples = np.random.default_rng(1).lognormal(8, 0.5, 100_000).astype(np.int64)
    counts = np.bincount(MICROSECONDS.index(samples), minlength=MICROSECONDS.counts_len)
    assert len(encode(counts, MICROSECONDS)) < 6_000


def enveloped(payload: bytes) -> str:
    packed = zlib.compress(payload)
    return base64.b64encode(b"\x1c\x84\x93\x14" + len(packed).to_bytes(4, "big") + packed).decode()


WHOLE = encode(spread({3: 7, 900: 2}, SMALL), SMALL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!",
        "é",
        "HISTFAAA",
        WHOLE[:-8],
        base64.b64encode(b"\x1c\x84\x93\x13" + bytes(40)).decode(),
        base64.b64encode(b"\x1c\x84\x93\x14\x00\x00\x00\x04abcd").decode(),
        enveloped(b"short"),
        enveloped(bytes(40)),
        enveloped(zlib.decompress(base64.b64decode(WHOLE)[8:])[:-1]),
        enveloped(bytes(1 << 25)),
    ],
)
def test_garbage_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="HDR histogram") as caught:
        decode(text)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=80))
def test_no_payload_does_worse_than_a_value_error(counts: bytes) -> None:
    header = bytearray(zlib.decompress(base64.b64decode(WHOLE)[8:])[:40])
    header[4:8] = len(counts).to_bytes(4, "big")
    with contextlib.suppress(ValueError):
        decoded = decode(enveloped(bytes(header) + counts))[1]
        assert len(decoded) == SMALL.counts_len
        assert (decoded >= 0).all()
