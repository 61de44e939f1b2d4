"""What is known of each event's effect, by index: when it was due, acknowledged and done, and how often.

All instants are ns of one clock. The arrays hold at most MOST events. A longer run is sampled: one event of every 2,
then of every 4 and so on, each chosen at random within its neighbours, so that a sample of any kind of event is
uniform, whichever shard or schedule its index belongs to.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.clock_difference import DriftingClock
from loadsim.measure.hdr import Ints

MOST = 1 << 22
"""Most events that are kept: 4 million, in 26 bytes each."""
_FIRST_SIZE = 4096
_MOST_TIMES = 255
_GOLDEN, _MIX, _ALL = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, (1 << 64) - 1


class Flag(enum.IntFlag):
    """What the sender says of an event."""

    acknowledged = 1
    """Answered 2xx."""
    refusal_due = 2
    """The endpoint had to refuse it, so it is none of its work."""
    recorded = 4
    """Of a phase that counts."""


_PROMISE = np.uint8(Flag.acknowledged | Flag.refusal_due)
ROW = np.dtype([("event", "<i8"), ("due", "<i8"), ("ended", "<i8")])
"""An ended delivery as a shard sends it: index * 8 + flags, and its instants, ns of the parent's wall clock."""


def pack(index: Ints, flags: Ints, due: Ints, ended: Ints) -> bytes:
    """Ended deliveries in the form in which a shard sends them."""
    rows = np.empty(len(index), dtype=ROW)
    rows["event"], rows["due"], rows["ended"] = index << 3 | flags, due, ended
    return rows.tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """The events of a book, arrays of one length. Instants are 0 where it did not happen.

    `weight`: how many events of the run each of these stands for.
    """

    flags: NDArray[np.uint8]
    due: Ints
    acknowledged: Ints
    done: Ints
    times: NDArray[np.uint8]
    weight: int


class EffectBook:
    """Collects what shards and the source say; either may come first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._halvings = 0
        self._size = 0
        self._flags = np.zeros(0, dtype=np.uint8)
        self._due, self._acknowledged, self._done = (np.zeros(0, dtype=np.int64) for _ in range(3))
        self._times = np.zeros(0, dtype=np.uint8)

    @property
    def weight(self) -> int:
        """One event of so many is kept."""
        return 1 << self._halvings

    def add_deliveries(self, packed: bytes) -> None:
        """Take ended deliveries, as `pack` made them."""
        rows = np.frombuffer(packed, dtype=ROW)
        if not len(rows):
            return
        index, flags = rows["event"] >> 3, (rows["event"] & 7).astype(np.uint8)
        slots, kept = self._slots(index)
        flags, due, ended = flags[kept], rows["due"][kept], rows["ended"][kept]
        np.bitwise_or.at(self._flags, slots, flags)
        _set_earliest(self._due, slots, due)
        answered = (flags & Flag.acknowledged) > 0
        _set_earliest(self._acknowledged, slots[answered], ended[answered])

    def add_effects(self, index: Ints, at: Ints, times: Ints) -> None:
        """Take effects: of which events, when (ns), and how often each."""
        if not len(index):
            return
        slots, kept = self._slots(index)
        _set_earliest(self._done, slots, at[kept])
        places, inverse = np.unique(slots, return_inverse=True)
        more = np.bincount(inverse, times[kept], len(places))
        self._times[places] = np.minimum(self._times[places] + more, _MOST_TIMES).astype(np.uint8)

    def counts(self) -> tuple[int, int, int]:
        """How many events were acknowledged that had not to be refused, how many of them are done, and how many not."""
        promised = self._promised()
        acknowledged, done = int(promised.sum()), int((promised & (self._done[: self._size] > 0)).sum())
        return acknowledged * self.weight, done * self.weight, (acknowledged - done) * self.weight

    def backlog_at(self, ns: int) -> int:
        """How many of the events that were acknowledged by an instant are not known to be done."""
        size = self._size
        waiting = self._promised() & (self._acknowledged[:size] <= ns) & (self._done[:size] == 0)
        return int(waiting.sum()) * self.weight

    def translate(self, clock: DriftingClock) -> None:
        """Turn the instants of effects, which are of the source's clock, into ours."""
        done = self._done[: self._size]
        there = done > 0
        done[there] = clock.ours(done[there])

    def share_earlier(self, ns: int) -> float:
        """Of the acknowledged events that are done, the share that was done more than `ns` before it was answered."""
        size = self._size
        done = self._promised() & (self._done[:size] > 0)
        early = done & (self._done[:size] < self._acknowledged[:size] - ns)
        return float(early.sum() / max(1, done.sum()))

    def _promised(self) -> NDArray[np.bool]:
        flags = self._flags[: self._size]
        wanted: NDArray[np.bool] = np.bitwise_and(flags, _PROMISE) == Flag.acknowledged
        return wanted

    def events(self) -> Events:
        """What is known by now."""
        size = self._size
        return Events(
            self._flags[:size],
            self._due[:size],
            self._acknowledged[:size],
            self._done[:size],
            self._times[:size],
            self.weight,
        )

    def _slots(self, index: Ints) -> tuple[Ints, NDArray[np.bool]]:
        """The places of those events that are kept, and which of them are; makes room for all of them."""
        greatest = int(index.max())
        while greatest >> self._halvings >= self._most:
            self._halve()
        kept = self._is_kept(index)
        slots = index[kept] >> self._halvings
        if len(slots):
            self._make_room(int(slots.max()) + 1)
        return slots, kept

    def _is_kept(self, index: Ints) -> NDArray[np.bool]:
        kept = np.ones(len(index), dtype=np.bool)
        for level in range(self._halvings):
            kept &= (index >> level & 1) == _chosen(index >> level + 1, level)
        return kept

    def _make_room(self, size: int) -> None:
        if size > len(self._due):
            room = min(self._most, max(_FIRST_SIZE, 2 * size))
            for name in ("_flags", "_due", "_acknowledged", "_done", "_times"):
                have = getattr(self, name)
                setattr(self, name, np.concatenate((have, np.zeros(room - len(have), dtype=have.dtype))))
        self._size = max(self._size, size)

    def _halve(self) -> None:
        """Keep one of each two neighbours."""
        size = (self._size + 1) // 2
        places = 2 * np.arange(size)
        places += _chosen(np.arange(size), self._halvings)
        there = places < self._size
        for name in ("_flags", "_due", "_acknowledged", "_done", "_times"):
            have = getattr(self, name)
            fresh = np.zeros_like(have)
            fresh[:size][there] = have[places[there]]
            setattr(self, name, fresh)
        self._size = size
        self._halvings += 1


def _set_earliest(column: Ints, slots: Ints, instants: Ints) -> None:
    """Set these places of a column to these instants, unless they have an earlier one (0: none yet)."""
    order = np.argsort(-instants, kind="stable")  # of several for one place the earliest is written last
    slots, instants = slots[order], instants[order]
    have = column[slots]
    column[slots] = np.where((have == 0) | (instants < have), instants, have)


def _chosen(pair: Ints, level: int) -> Ints:
    """Which of two neighbours is kept, 0 or 1: random by the number of the pair, and the same at every call (the mixing
    function of splitmix64: Steele, Lea & Flood 2014)."""
    mixed = pair.astype(np.uint64) + np.uint64((level + 1) * _GOLDEN & _ALL)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(_MIX)
    return (mixed >> np.uint64(63)).astype(np.int64)
