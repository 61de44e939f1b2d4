"""The policy that releases some events as several identical deliveries, on different connections, at the same instant.

A volley holds every connection that it has until all are there, ready to send; only then its request is made, once, and
written to each in turn. Volleys gather one after the other, and before events that wait for a single connection.
"""

from __future__ import annotations

from collections import deque

from loadsim.cases import RequestMaker
from loadsim.engine.arrivals import Waiting
from loadsim.engine.outcome_rows import NOWHERE, NoConnection, row_of, unpacked
from loadsim.engine.policy_interface import Deliveries
from loadsim.engine.transport_interface import Connection
from loadsim.measure.outcome_columns import Column
from loadsim.measure.volleys import Copy, VolleyCounts
from loadsim.model import SignedRequest
from loadsim.outcome_codes import UNFINISHED, is_success
from loadsim.plan import Plan


class _Volley:
    """One event in progress as several deliveries."""

    __slots__ = ("event", "left", "opening", "ready", "repeated", "request", "rows", "sent", "wanted")

    def __init__(self, event: Waiting, wanted: int) -> None:
        self.event = event
        self.wanted = wanted
        self.ready: list[Connection] = []
        self.opening = 0
        self.left = 0
        """Copies that were sent and have not ended."""
        self.sent = False
        self.request: SignedRequest | None = None
        self.repeated = False
        self.rows: list[bytes] = []
        """The outcome of each copy, see `outcome_columns.Column`, in order of ending; a copy's number is its place,
        from 1."""

    @property
    def missing(self) -> int:
        """How many connections it still has to ask for; a copy that found none has ended."""
        return self.wanted - len(self.ready) - self.opening - len(self.rows)


class Volleys:
    """A Gatherer for the events of cases that have copies, in open phases. See there for its methods."""

    def __init__(self, plan: Plan, maker: RequestMaker) -> None:
        copies = {number: case.copies for number, case in enumerate(plan.scenario.cases, 1) if case.copies}
        of_stratum = ((stratum, plan.unpack(stratum)[2]) for stratum in range(plan.strata))
        self._copies = {stratum: copies[case] for stratum, case in of_stratum if case in copies}
        self.strata = frozenset(self._copies)
        self.counts = VolleyCounts()
        self._makers = {stratum: maker.maker_of(stratum) for stratum in self.strata}
        self._gathering: deque[_Volley] = deque()
        self._volleys: dict[int, _Volley] = {}
        """By index: gathering or sent."""

    def start(self, engine: Deliveries) -> None:
        """See Policy."""
        self._engine = engine

    held = 0

    @property
    def queued(self) -> int:
        """See Gatherer."""
        return len(self._gathering)

    # -- gathering ----------------------------------------------------------------------------------------------------

    def due(self, event: Waiting) -> bool:
        """See Policy."""
        volley = self._volleys[event[0]] = _Volley(event, self._copies[event[1]])
        self._gathering.append(volley)
        self.may_open(event[3])
        return True

    def may_open(self, now: int) -> None:
        """See Gatherer. Give the foremost volley what connections there are; release it when it has them all."""
        engine = self._engine
        while self._gathering:
            volley = self._gathering[0]
            while volley.missing > 0:
                idle = engine.take_idle()
                if idle is not None:
                    volley.ready.append(idle)
                elif engine.open_for(volley.event, now):
                    volley.opening += 1
                else:
                    return
            if volley.opening:
                return
            self._gathering.popleft()
            if volley.ready:
                self._send(volley)
            else:
                self._end(volley, now)

    def opened(self, connection: Connection) -> None:
        """See Gatherer."""
        volley = self._volleys[connection.event[0]]
        connection.event = None
        volley.opening -= 1
        volley.ready.append(connection)
        self.may_open(self._engine.clock())

    def free(self, connection: Connection, now: int) -> bool:
        """See Gatherer."""
        if not self._gathering or self._gathering[0].missing <= 0 or self._engine.over_limit:
            return False
        self._gathering[0].ready.append(connection)
        self.may_open(now)
        return True

    def lost(self, connection: Connection) -> None:
        """See Gatherer."""
        if self._gathering:
            if connection in self._gathering[0].ready:
                self._gathering[0].ready.remove(connection)
            self.may_open(self._engine.clock())

    def _send(self, volley: _Volley) -> None:
        engine, event = self._engine, volley.event
        now = engine.clock()
        connections, volley.ready = volley.ready, []
        volley.left, volley.sent = len(connections), True
        try:
            volley.request, _ = self.request(event, now)
        except Exception as error:  # noqa: BLE001 - one event that cannot be made must not hold up the others
            for connection in connections:
                connection.event = event
                connection.slot_ns = now
                engine.internal(connection, error)
            return
        engine.send(connections, event, volley.request, now)

    def request(self, event: Waiting, now: int) -> tuple[SignedRequest, int]:
        """See Policy."""
        index, stratum, due, _ = event
        return self._makers[stratum](index, self._engine.dated(index, due, now)), 1

    # -- endings ------------------------------------------------------------------------------------------------------

    def ended(self, connection: Connection, code: int, now: int) -> bool:
        """See Policy."""
        engine, volley = self._engine, self._volleys[connection.event[0]]
        self._copy_ended(volley, connection, code, now)
        if not is_success(code):
            engine.sample(connection, volley.event, code, now)
        if volley.sent:
            volley.left -= 1
            again = not volley.left and not volley.repeated and engine.reusable(connection)
            if again and volley.request is not None:
                volley.left, volley.repeated = 1, True
                engine.send([connection], volley.event, volley.request, now)
                return True
            if not volley.left:
                self._end(volley, now)
        else:  # it could not be opened
            volley.opening -= 1
        engine.release(connection, now)
        return True

    def unsent(self, event: Waiting, slot: int, code: int, now: int) -> None:
        """See Policy."""
        volley = self._volleys[event[0]]
        volley.opening -= 1
        self._engine.note(event, code, self._engine.limit_reached)
        volley.rows.append(row_of(NoConnection(slot), event, code, now, len(volley.rows) + 1))
        self.may_open(now)

    def _copy_ended(self, volley: _Volley, connection: Connection, code: int, now: int) -> None:
        connection.event = None
        volley.rows.append(row_of(connection, volley.event, code, now, len(volley.rows) + 1))

    def _end(self, volley: _Volley, now: int) -> None:
        """One event, one outcome: its first 2xx answer, else the first that ended, of those released together."""
        rows = [unpacked(row) for row in volley.rows]
        places = sorted(range(min(len(rows), volley.wanted)), key=lambda place: rows[place][Column.done])
        chosen = next((place for place in places if is_success(rows[place][Column.code])), places[0])
        for place, row in enumerate(volley.rows):
            if place != chosen:
                self._engine.recorder.add_delivery(row)
        del self._volleys[volley.event[0]]
        deliveries = [Copy(row[Column.sent], row[Column.done], row[Column.code]) for row in rows]
        self.counts.add(volley.event[1], deliveries, volley.wanted)
        self._engine.end(volley.rows[chosen], now)

    # -- the end ------------------------------------------------------------------------------------------------------

    def at_rest(self, until_ns: int) -> bool:  # noqa: ARG002 - it holds nothing
        """See Policy."""
        return True

    def finish(self, now: int) -> None:
        """See Policy."""
        for connection in self._engine.under_way(self.strata):
            self._copy_ended(self._volleys[connection.event[0]], connection, UNFINISHED, now)
        self._gathering.clear()
        for volley in list(self._volleys.values()):
            if not volley.rows:
                volley.rows.append(row_of(NOWHERE, volley.event, UNFINISHED, now, attempt=0))
            self._end(volley, now)
