"""The events that a report names: the slowest, and the first failing one of each kind.

A shard finds them while it folds, in whole tables, so that nothing is done for each event: a few operations over their
columns find the rows that may be named, and only those are looked at. The parent merges what the shards found. Only
events of recorded phases are named. Slow ones are those that latencies are counted of: where a refusal is due, the time
of an answer says nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadsim.measure.cells import succeeded
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column
from loadsim.measure.result_events import NamedEvent
from loadsim.measure.strata import StratumNames
from loadsim.measure.trace_ids import TraceIds
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.outcome_codes import DROPPED, kind_name

SLOWEST = 20
"""So many events are kept of each order."""
MOST_KINDS = 50
"""Of so many kinds of failure the first event is kept: of those that began first."""


class _Kept(enum.IntEnum):
    """Columns of the events that are kept, int64."""

    index = 0
    stratum = 1
    code = 2
    attempt = 3
    due = 4
    """Ns since the start of the run."""
    response = 5
    service = 6
    """Ns; -1 where no byte was sent."""


_ORDERS = {"response": _Kept.response, "service": _Kept.service}
"""The orders of the slowest events, by name."""
_WIDTH = len(_Kept)


class NamedEvents:
    """A `recorder.Log` of one shard. `start_ns`: the start of the run on the clock of the rows.

    `recorded`, `refusing`: by stratum, whether its phase counts, and whether the endpoint has to refuse its events.
    `cases`: their number; it is the last part of a stratum.
    """

    def __init__(self, start_ns: int, recorded: Sequence[bool], refusing: Sequence[bool], cases: int) -> None:
        self._start_ns = start_ns
        self._recorded, self._refusing = np.array(recorded, dtype=np.bool), np.array(refusing, dtype=np.bool)
        self._cases = cases
        self._may_refuse = any(refusing)
        self._slowest = {name: _nothing() for name in _ORDERS}
        self._failing = _nothing()

    def add(self, table: Ints, *, outcomes: bool) -> None:
        """See Log."""
        if not outcomes:
            return
        code, due, sent, done = (table[:, column] for column in (Column.code, Column.due, Column.sent, Column.done))
        bad = ~succeeded(code)
        if self._may_refuse:
            bad = failing(code, self._refusing[table[:, Column.stratum]])
        slow = (done - due > self._floor("response")) | (done - sent > self._floor("service"))
        found = np.flatnonzero(slow | bad)
        if len(found):
            self._look(table[found])

    def take(self) -> bytes:
        """All that are kept so far, packed for `merged`."""
        return b"".join(_packed(number, rows) for number, rows in enumerate([*self._slowest.values(), self._failing]))

    def _floor(self, name: str) -> int:
        """Whatever is slower belongs to the slowest of this order."""
        kept = self._slowest[name]
        return int(kept[-1, _ORDERS[name]]) if len(kept) == SLOWEST else -1

    def _look(self, table: Ints) -> None:
        table = table[self._recorded[table[:, Column.stratum]]]
        code = table[:, Column.code]
        refusing = self._refusing[table[:, Column.stratum]]
        response = table[:, Column.done] - table[:, Column.due]
        service = np.where(table[:, Column.sent] != 0, table[:, Column.done] - table[:, Column.sent], -1)
        timed = ~refusing & (code != DROPPED)
        for (name, column), values in zip(_ORDERS.items(), (response, service), strict=True):
            found = np.flatnonzero(timed & (values > self._floor(name)))
            if len(found) > SLOWEST:
                found = found[values[found] >= np.partition(values[found], -SLOWEST)[-SLOWEST]]
            if len(found):
                self._slowest[name] = _slowest([self._slowest[name], self._rows_of(table[found])], column)
        bad = np.flatnonzero(failing(code, refusing))
        if len(bad):
            self._failing = _first([self._failing, self._new(self._rows_of(table[bad]))], self._cases)

    def _rows_of(self, table: Ints) -> Ints:
        rows = np.empty((len(table), _WIDTH), dtype=np.int64)
        rows[:, : _Kept.due] = table[:, [Column.index, Column.stratum, Column.code, Column.attempt]]
        rows[:, _Kept.due] = table[:, Column.due] - self._start_ns
        rows[:, _Kept.response] = table[:, Column.done] - table[:, Column.due]
        rows[:, _Kept.service] = np.where(table[:, Column.sent] != 0, table[:, Column.done] - table[:, Column.sent], -1)
        return rows

    def _new(self, rows: Ints) -> Ints:
        """Those that may be the first of their kind: in a run where all fails, few."""
        if not len(self._failing):
            return rows
        kinds = _kinds(self._failing, self._cases)
        order = np.argsort(kinds)
        kinds, first = kinds[order], self._failing[order, _Kept.due]
        own = _kinds(rows, self._cases)
        place = np.minimum(np.searchsorted(kinds, own), len(kinds) - 1)
        new: Ints = rows[(kinds[place] != own) | (rows[:, _Kept.due] <= first[place])]
        return new


def failing(code: Ints, refusing: NDArray[np.bool]) -> NDArray[np.bool]:
    """Which outcomes are not as they should be: no 2xx, or where a refusal is due, no 4xx."""
    refused = (code >= 400) & (code < 500)
    bad: NDArray[np.bool] = ~np.where(refusing, refused, succeeded(code))
    return bad


def _nothing() -> Ints:
    return np.empty((0, _WIDTH), dtype=np.int64)


def _slowest(parts: Sequence[Ints], column: int) -> Ints:
    """The slowest of these rows, the slowest first; of equal ones the one of the lower index."""
    rows = np.concatenate(parts)
    rows = rows[rows[:, column] >= 0]
    chosen: Ints = rows[np.lexsort((rows[:, _Kept.index], -rows[:, column]))[:SLOWEST]]
    return chosen


def _kinds(rows: Ints, cases: int) -> Ints:
    kinds: Ints = rows[:, _Kept.code] * cases + rows[:, _Kept.stratum] % cases
    return kinds


def _first(parts: Sequence[Ints], cases: int) -> Ints:
    """The first row of each kind by due time, the earliest kinds first."""
    rows = np.concatenate(parts)
    rows = rows[np.lexsort((rows[:, _Kept.index], rows[:, _Kept.due]))]
    _, places = np.unique(_kinds(rows, cases), return_index=True)
    chosen: Ints = rows[np.sort(places)[:MOST_KINDS]]
    return chosen


def _packed(number: int, rows: Ints) -> bytes:
    packed: bytes = np.insert(rows, 0, number, axis=1).astype("<i8").tobytes()
    return packed


@dataclass(frozen=True, slots=True)
class Named:
    """The events that a report names. `slowest`: by order."""

    slowest: dict[str, list[NamedEvent]]
    failing: list[NamedEvent]


NOBODY = Named({}, [])


@dataclass(frozen=True, slots=True)
class Naming:
    """What is known of a run's events by index and stratum."""

    names: StratumNames
    copied: Collection[int] = ()
    """The numbers of cases whose events are several identical deliveries, which bear one trace context."""
    traces: TraceIds | None = None
    page_of: Callable[[str], str | None] = lambda _: None
    """The page of a trace."""

    def row(self, kept: Sequence[int]) -> NamedEvent:
        """A kept event in the form of the result."""
        index, stratum, code, attempt, due, response, service = kept
        phase, type_, case = self.names.unpack(stratum)
        attempt = min(attempt, 1) if case in self.copied else attempt
        context = self.traces.of(index, attempt) if self.traces is not None and attempt else None
        return NamedEvent(
            index=index,
            type=self.names.types[type_],
            case=self.names.cases[case],
            phase=self.names.phases[phase],
            kind=kind_name(code),
            attempt=attempt,
            due_s=due / NS_PER_S,
            response_ms=response / NS_PER_MS,
            service_ms=None if service < 0 else service / NS_PER_MS,
            trace_id=None if context is None else context.trace_id,
            sampled=None if context is None else context.sampled,
            link=None if context is None else self.page_of(context.trace_id),
        )


def merged(packed: Iterable[bytes], naming: Naming) -> Named:
    """What all shards kept."""
    rows = np.frombuffer(b"".join(packed), dtype="<i8").reshape(-1, 1 + _WIDTH)
    *orders, failed = (rows[rows[:, 0] == number, 1:] for number in range(len(_ORDERS) + 1))
    slowest = {name: _slowest([kept], column) for (name, column), kept in zip(_ORDERS.items(), orders, strict=True)}
    return Named(
        {name: [naming.row(row) for row in kept.tolist()] for name, kept in slowest.items()},
        [naming.row(row) for row in _first([failed], len(naming.names.cases)).tolist()],
    )
