"""Outcome rows: the one place where a row is written, and where packed rows become tables.

A row is packed as soon as a delivery ended, because a packed row costs the collector and the memory nothing.
"""

from __future__ import annotations

import struct
from typing import Protocol

import numpy as np

from loadsim.compiled_step import step
from loadsim.engine.arrivals import Waiting
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column

COLUMNS = len(Column)
_ROW = struct.Struct(f"{COLUMNS}q")
_pack = _ROW.pack


class Carrier(Protocol):
    """What a row takes from a connection, see `transport_interface.Connection`."""

    slot_ns: int
    sent_ns: int
    first_ns: int
    bytes_received: int
    receipt_ns: int
    ready_ns: int

    @property
    def bytes_sent(self) -> int:
        """Bytes that were handed to the kernel."""


class NoConnection:
    """Stands for the connection that an event did not get; `slot_ns`: when it was granted one all the same."""

    sent_ns = first_ns = bytes_sent = bytes_received = receipt_ns = ready_ns = 0

    def __init__(self, slot_ns: int = 0) -> None:
        self.slot_ns = slot_ns


NOWHERE = NoConnection()


def row_of(carrier: Carrier, event: Waiting, code: int, done: int, attempt: int = 1) -> bytes:
    """A packed row: how the `attempt`-th delivery of an event ended, see `outcome_columns.Column`."""
    index, stratum, due, woken = event
    return _pack(
        index,
        stratum,
        code,
        due,
        woken,
        carrier.slot_ns,
        carrier.sent_ns,
        carrier.first_ns,
        done,
        carrier.bytes_sent,
        carrier.bytes_received,
        attempt,
        carrier.receipt_ns,
        carrier.ready_ns,
    )


if step is not None:
    row_of = step.row_of


def unpacked(row: bytes) -> tuple[int, ...]:
    """The numbers of a packed row, by `outcome_columns.Column`."""
    return _ROW.unpack(row)


def changed(row: bytes, column: Column, value: int) -> bytes:
    """The row with another value in one column."""
    values = list(_ROW.unpack(row))
    values[column] = value
    return _pack(*values)


def table_of(rows: list[bytes]) -> Ints:
    """Packed rows as int64 (n, COLUMNS), read-only."""
    return np.frombuffer(b"".join(rows), dtype=np.int64).reshape(-1, COLUMNS)
