"""An engine that releases some events as several identical deliveries, on different connections, at the same instant.

Decides how the connections of a volley are gathered, what its copies amount to as one event, and that it comes once
more when all are answered. Stands beside the plain engine, which knows nothing of it and pays nothing for it.

A volley holds every connection that it has until all are there, ready to send; only then its request is made, once, and
written to each in turn. Volleys gather one after the other, and before events that wait for a single connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from loadsim.engine.arrivals import Waiting
from loadsim.engine.engine import Engine
from loadsim.engine.recorder import ROW
from loadsim.engine.transport import Answer, Connection
from loadsim.measure.volleys import Delivery, VolleyCounts
from loadsim.model import UNFINISHED, Column, SignedRequest, is_success

Row = tuple[int, ...]


class _Volley:
    """One event under way as several deliveries."""

    __slots__ = ("deliveries", "event", "left", "opening", "ready", "repeated", "request", "rows", "sent", "wanted")

    def __init__(self, event: tuple[int, int, int, int], wanted: int) -> None:
        self.event = event
        """Index, stratum, due, woken."""
        self.wanted = wanted
        self.ready: list[Connection] = []
        self.opening = 0
        self.left = 0
        """Copies that were sent and have not ended."""
        self.sent = False
        self.request: SignedRequest | None = None
        self.repeated = False
        self.deliveries: list[Delivery] = []
        self.rows: list[Row] = []
        """The outcome of each copy as a row, see `model.Column`."""

    @property
    def missing(self) -> int:
        """How many connections it still has to ask for; a copy that found none has ended."""
        return self.wanted - len(self.ready) - self.opening - len(self.rows)


class VolleyEngine(Engine):
    """An Engine for plans with cases that have copies, in open phases."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        plan = self._plan
        copies = {number: case.copies for number, case in enumerate(plan.scenario.cases, 1) if case.copies}
        of_stratum = ((stratum, plan.unpack(stratum)[2]) for stratum in range(plan.strata))
        self._copies = {stratum: copies[case] for stratum, case in of_stratum if case in copies}
        self._gathering: deque[_Volley] = deque()
        self._volleys: dict[int, _Volley] = {}
        """By index: gathering or sent."""
        self.volleys = VolleyCounts()

    @property
    def queued(self) -> int:
        """Events that wait for a connection, or for some."""
        return super().queued + len(self._gathering)

    # -- gathering ----------------------------------------------------------------------------------------------------

    def dispatch(self, index: int, stratum: int, due: int, woken: int) -> None:
        """See Taker."""
        if stratum not in self._copies:
            super().dispatch(index, stratum, due, woken)
            return
        volley = self._volleys[index] = _Volley((index, stratum, due, woken), self._copies[stratum])
        self._gathering.append(volley)
        self._gather(woken)

    def _gather(self, now: int) -> None:
        """Give the foremost volley what connections there are; release it when it has them all."""
        while self._gathering:
            volley = self._gathering[0]
            while volley.missing > 0:
                if self._idle:
                    volley.ready.append(self._idle.popitem()[0])
                elif self.open_count < self._limit and self._open(volley.event, now):
                    volley.opening += 1
                else:
                    return
            if volley.opening:
                return
            self._gathering.popleft()
            if volley.ready:
                self._send_all(volley)
            else:
                self._end_volley(volley)

    def _send_all(self, volley: _Volley) -> None:
        index, _, due, _ = volley.event
        now = self._clock()
        connections, volley.ready = volley.ready, []
        volley.left, volley.sent = len(connections), True
        for connection in connections:
            connection.event = volley.event
            connection.slot_ns = now
        try:
            request = volley.request = self._makers[volley.event[1]](index, self._dated(index, due, now))
        except Exception as error:  # noqa: BLE001 - one event that cannot be made must not hold up the others
            for connection in connections:
                asyncio.get_running_loop().call_soon(self.on_internal, connection, error)
            return
        self._transport.send_all([(connection, request, index) for connection in connections])

    def _go_on(self, connection: Connection) -> None:
        """See Engine."""
        volley = self._volley_of(connection)
        if volley is None:
            super()._go_on(connection)
            return
        connection.event = None
        volley.opening -= 1
        volley.ready.append(connection)
        self._gather(self._clock())

    def on_lost(self, connection: Connection) -> None:
        """See Owner."""
        super().on_lost(connection)
        if self._gathering:
            if connection in self._gathering[0].ready:
                self._gathering[0].ready.remove(connection)
            self._gather(self._clock())

    def _serve_waiting(self, connection: Connection, turn: Waiting | None, now: int) -> None:
        if self._gathering and self._gathering[0].missing > 0 and self.open_count <= self._limit and turn is None:
            self._gathering[0].ready.append(connection)
            self._gather(now)
        else:
            super()._serve_waiting(connection, turn, now)

    def _open_for_waiting(self, turn: Waiting | None, now: int) -> None:
        self._gather(now)
        super()._open_for_waiting(turn, now)

    # -- endings ------------------------------------------------------------------------------------------------------

    def _settle(self, answers: Sequence[Answer]) -> None:
        """See Engine."""
        plain = [answer for answer in answers if self._volley_of(answer[0]) is None]
        for connection, code, now in answers:
            if self._volley_of(connection) is not None:
                self._copy_ended(connection, code, now)
        super()._settle(plain)

    def _copy_ended(self, connection: Connection, code: int, now: int) -> None:
        volley = self._volleys[connection.event[0]]
        self._note_copy(volley, connection, code, now)
        if not is_success(code) and self._recorder.wants_sample(code, volley.event[1]):
            self._sample(connection, volley.event[0], volley.event[1], code, now)
        keeps = connection.reusable and connection.served < self._reuse
        if volley.sent:
            volley.left -= 1
            if not volley.left and keeps and not volley.repeated and volley.request is not None:
                volley.left, volley.repeated = 1, True
                connection.event = volley.event
                connection.slot_ns = now
                connection.send(volley.request, volley.event[0])
                return
            if not volley.left:
                self._end_volley(volley)
        else:  # it could not be opened
            volley.opening -= 1
        if keeps:
            self._serve_waiting(connection, None, now)
        else:
            connection.close()
            self.open_count -= 1
            self._open_for_waiting(None, now)

    def _ended_unsent(self, index: int, stratum: int, due: int, woken: int, slot: int, code: int, now: int) -> None:
        volley = self._volleys.get(index)
        if volley is None:
            super()._ended_unsent(index, stratum, due, woken, slot, code, now)
            return
        volley.opening -= 1
        volley.deliveries.append(Delivery(0, now, code))
        volley.rows.append((stratum, code, due, woken, slot, 0, 0, now, 0, 0))
        self._gather(now)

    def _note_copy(self, volley: _Volley, connection: Connection, code: int, now: int) -> None:
        _, stratum, due, woken = volley.event
        connection.event = None
        sent, first = connection.sent_ns, connection.first_ns
        volley.deliveries.append(Delivery(sent, now, code))
        out, back = connection.bytes_sent, connection.bytes_received
        volley.rows.append((stratum, code, due, woken, connection.slot_ns, sent, first, now, out, back))

    def _end_volley(self, volley: _Volley) -> None:
        """One event, one outcome: its first 2xx answer, else the first that ended, of those released together."""
        rows = sorted(volley.rows[: volley.wanted], key=lambda row: row[Column.done])
        self._keep(ROW.pack(*next((row for row in rows if is_success(row[Column.code])), rows[0])))
        del self._volleys[volley.event[0]]
        self.volleys.add(volley.event[1], volley.deliveries, volley.wanted)
        self._settle_queue(rows[-1][Column.done])

    def _finish_all(self) -> int:
        now = self._clock()
        for connection in self._transport.connections():
            volley = self._volley_of(connection)
            if volley is not None:
                self._note_copy(volley, connection, UNFINISHED, now)
        for volley in list(self._volleys.values()):
            if not volley.rows:
                volley.rows.append((volley.event[1], UNFINISHED, *volley.event[2:], 0, 0, 0, now, 0, 0))
                volley.deliveries.append(Delivery(0, now, UNFINISHED))
            self._end_volley(volley)
        self._gathering.clear()
        return super()._finish_all()

    def _volley_of(self, connection: Connection) -> _Volley | None:
        event = connection.event
        return None if event is None else self._volleys.get(event[0])
