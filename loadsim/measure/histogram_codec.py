"""HDR histograms as text: the V2 compressed encoding, base64, that HdrHistogram tools of every language read.

The format is HdrHistogram's (AbstractHistogram.encodeIntoCompressedByteBuffer, ZigZagEncoding). The code works on whole
arrays, since a result holds over a thousand encoded histograms.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

import numpy as np

from loadsim.measure.hdr import HdrConfig, Ints
from loadsim.model import UsageError

_COMPRESSED_COOKIE = 0x1C849314
_COOKIE = 0x1C849313
_OUTER = struct.Struct(">ii")
_INNER = struct.Struct(">iiiiqqd")
_LARGEST_PAYLOAD = 1 << 24
"""Well above what any layout up to 5 digits needs; a small hostile blob cannot unpack into all of memory."""
_MAX_BYTES = 9
_Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]


class DamagedHistogramError(UsageError, ValueError):
    """A stored histogram is not valid, so its file cannot be used."""


def encode(counts: Ints, config: HdrConfig) -> str:
    """Dense counts, int64 (config.counts_len,), as V2 compressed base64."""
    index = np.flatnonzero(counts)
    return encode_sparse(index, counts[index], config)


def encode_sparse(index: Ints, counts: Ints, config: HdrConfig) -> str:
    """As `encode`, from ascending distinct bucket indexes and their counts, all above zero."""
    # A negative number before a count is the number of empty buckets before it.
    gaps = np.diff(index, prepend=-1) - 1
    words = np.stack((-gaps, counts), axis=1).ravel()
    payload = _leb128(words[words != 0])
    header = _INNER.pack(_COOKIE, len(payload), 0, config.digits, config.lowest, config.highest, 1.0)
    packed = zlib.compress(header + payload)
    return base64.b64encode(_OUTER.pack(_COMPRESSED_COOKIE, len(packed)) + packed).decode("ascii")


def decode(text: str) -> tuple[HdrConfig, Ints]:
    """The layout and the dense counts of an encoded histogram.

    Raises DamagedHistogramError, in one line, on anything that is not a whole V2 compressed histogram.
    """
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DamagedHistogramError(f"not an HDR histogram: bad base64 ({error})") from None
    body = _unpack(blob)
    if len(body) < _INNER.size:
        raise DamagedHistogramError("not an HDR histogram: it ends inside its header")
    cookie, length, offset, digits, lowest, highest, _ = _INNER.unpack_from(body)
    if cookie != _COOKIE or offset != 0:
        raise DamagedHistogramError("not an HDR histogram in the V2 encoding")
    if length != len(body) - _INNER.size:
        raise DamagedHistogramError(f"HDR histogram truncated: {len(body) - _INNER.size} of {length} bytes of counts")
    try:
        config = HdrConfig(lowest, highest, digits)
    except ValueError as error:
        raise DamagedHistogramError(f"not an HDR histogram: {error}") from None
    return config, _spread(_unleb128(np.frombuffer(body, np.uint8, offset=_INNER.size)), config)


def _unpack(blob: bytes) -> bytes:
    if len(blob) < _OUTER.size:
        raise DamagedHistogramError("not an HDR histogram: too short")
    cookie, length = _OUTER.unpack_from(blob)
    if cookie != _COMPRESSED_COOKIE:
        raise DamagedHistogramError("not an HDR histogram in the V2 compressed encoding")
    if length != len(blob) - _OUTER.size:
        raise DamagedHistogramError(f"HDR histogram truncated: {len(blob) - _OUTER.size} of {length} bytes")
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(blob[_OUTER.size :], _LARGEST_PAYLOAD)
    except zlib.error as error:
        raise DamagedHistogramError(f"not an HDR histogram: {error}") from None
    if not unpacker.eof:
        raise DamagedHistogramError("HDR histogram truncated, or larger than any layout needs")
    return body


def _leb128(words: Ints) -> bytes:
    """ZigZag LEB128-64b9B: 7 bits a byte, low first, high bit = more follows; the 9th byte carries 8 bits."""
    zigzag = ((words << 1) ^ (words >> 63)).astype(np.uint64)
    sizes = np.ones(len(words), dtype=np.int64)
    for position in range(1, _MAX_BYTES):
        sizes += zigzag >= np.uint64(1) << np.uint64(7 * position)
    out = np.zeros(int(sizes.sum()), dtype=np.uint8)
    starts = np.cumsum(sizes) - sizes
    for position in range(_MAX_BYTES):
        there = np.flatnonzero(sizes > position)
        if not len(there):
            break
        byte = zigzag[there] >> np.uint64(7 * position)
        if position < _MAX_BYTES - 1:
            byte = (byte & np.uint64(0x7F)) | np.where(sizes[there] > position + 1, np.uint64(0x80), np.uint64(0))
        out[starts[there] + position] = byte
    return out.tobytes()


def _unleb128(data: _Bytes) -> Ints:
    """The words of `_leb128`. A word ends at a byte without the high bit, or at its 9th byte."""
    ends = np.flatnonzero(data < 0x80)
    sizes = np.diff(ends, prepend=-1)
    if len(data) - (int(ends[-1]) + 1 if len(ends) else 0) or sizes.max(initial=0) >= _MAX_BYTES:
        return _long_words(data)
    starts = ends + 1 - sizes
    shifts = (np.arange(len(data)) - np.repeat(starts, sizes)) * 7
    parts = (data & 0x7F).astype(np.int64) << shifts
    values = np.add.reduceat(parts, starts) if len(starts) else parts
    words: Ints = (values >> 1) ^ -(values & 1)
    return words


def _long_words(data: _Bytes) -> Ints:
    """The same of data that has words of 9 bytes, or ends inside one. Raises DamagedHistogramError there."""
    words = []
    value, shift = 0, 0
    for byte in data.tolist():
        last = shift == 7 * (_MAX_BYTES - 1)
        value |= (byte if last else byte & 0x7F) << shift
        if last or byte < 0x80:
            words.append((value >> 1) ^ -(value & 1))
            value, shift = 0, 0
        else:
            shift += 7
    if shift:
        raise DamagedHistogramError("HDR histogram truncated inside a count")
    return np.array(words, dtype=np.int64)


def _spread(words: Ints, config: HdrConfig) -> Ints:
    """Dense counts from the words: a negative word skips that many buckets."""
    steps = np.where(words < 0, -words, 1)
    if len(words) and (words.min() < -config.counts_len or int(steps.sum()) > config.counts_len):
        raise DamagedHistogramError(f"HDR histogram has more buckets than its layout ({config.counts_len})")
    counts = np.zeros(config.counts_len, dtype=np.int64)
    filled = words > 0
    counts[(np.cumsum(steps) - 1)[filled]] = words[filled]
    return counts
