"""The policy that delivers again what failed, as a provider's retry profile says.

`plan` has the rules of providers: pauses, and when an endpoint is switched off.

An event that failed is held until it ends: its next attempt, if any, and the row of the last one that ended, packed.
That row becomes the event's outcome when nothing follows it, and an attempt among others once the next one has ended.
Only genuine events are retried.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from loadsim.cases import Redeliver, RequestMaker
from loadsim.engine.arrivals import Waiting
from loadsim.engine.outcome_rows import NOWHERE, NoConnection, changed, row_of, unpacked
from loadsim.engine.pacer import Pacer
from loadsim.engine.policy_interface import Deliveries
from loadsim.engine.transport_interface import Connection
from loadsim.error_kinds import ErrorKind
from loadsim.measure.outcome_columns import Column
from loadsim.measure.retries import RetryCounts
from loadsim.model import NS_PER_S, SignedRequest
from loadsim.outcome_codes import ERROR_BASE, UNFINISHED, is_success
from loadsim.plan import Plan, share_of
from loadsim.plan.endpoint_watch import EndpointWatch
from loadsim.plan.retry_schedule import policy_of

MOST_HELD = 250_000
"""Largest number of held events, about 80 MB; events that fail beyond it are given up, and counted."""
_INTERNAL = ERROR_BASE + ErrorKind.internal


def _no_header(_: str) -> None:
    """An attempt without an answer has no headers."""


class _Held:
    """An event that has failed and not ended."""

    __slots__ = ("attempt", "born", "row", "stratum", "waits")

    def __init__(self, stratum: int, born: int) -> None:
        self.stratum = stratum
        self.born = born
        """When it fell due by plan, ns of the clock."""
        self.attempt = 1
        """The number of the present attempt, or of the last one."""
        self.waits = False
        """For its next attempt to fall due."""
        self.row = b""
        """Of the last attempt that ended, see `outcome_columns.Column`."""


class Retries:
    """A Policy for the genuine events of a plan with a retry profile and open phases. See Policy for its methods.

    `pacer` wakes it for further attempts.
    """

    def __init__(
        self,
        plan: Plan,
        maker: RequestMaker,
        pacer: Pacer,
        *,
        shard: int = 0,
        shards: int = 1,
        epoch_ns: int | None = None,
        most_held: int = MOST_HELD,
    ) -> None:
        retry = plan.scenario.retry
        if retry is None:
            raise ValueError("the plan has no retry profile")
        self.strata = frozenset(stratum for stratum in range(plan.strata) if plan.unpack(stratum)[2] == 0)
        self.counts = RetryCounts()
        self._policy = policy_of(retry, plan.seed)
        rule = self._policy.switch_off
        self._watch = None if rule is None else EndpointWatch(rule)
        self._off = False
        self._redeliver: dict[int, Redeliver] = {stratum: maker.redelivery_of(stratum) for stratum in self.strata}
        self._epoch_ns = epoch_ns
        self._held: dict[int, _Held] = {}
        self._most_held = share_of(most_held, shard, shards)
        self._due: list[tuple[int, int]] = []
        """A heap of when held events are due again, and their indexes."""
        self._pacer = pacer

    def start(self, engine: Deliveries) -> None:
        """See Policy."""
        self._engine = engine
        self._recorder = engine.recorder
        self._wall_at_start = engine.wall_offset
        """Bodies are dated by this one in every attempt, whatever the wall clock does meanwhile."""
        self._pacer.start(self._on_wake)

    @property
    def held(self) -> int:
        """See Policy."""
        return len(self._due)

    # -- what falls due -----------------------------------------------------------------------------------------------

    def due(self, event: Waiting) -> bool:
        """See Policy."""
        if self._off:
            self._not_sent(event)
        return self._off

    def _on_wake(self) -> None:
        now = self._engine.clock()
        heap = self._due
        while heap and heap[0][0] <= now:
            due, index = heapq.heappop(heap)
            held = self._held[index]
            held.attempt += 1
            held.waits = False
            self._engine.dispatch(index, held.stratum, due, now)
        self._engine.flush()
        if heap:
            self._pacer.arm(heap[0][0])

    def request(self, event: Waiting, now: int) -> tuple[SignedRequest, int]:
        """See Policy. A body is of the time at which its event fell due, in every attempt alike."""
        index, stratum, due, _ = event
        engine, epoch, held = self._engine, self._epoch_ns, self._held.get(index)
        now_ns = engine.dated(index, due, now)
        born = due if held is None else held.born
        born_ns = born + self._wall_at_start if epoch is None else epoch + born - engine.start_ns
        attempt, code = (1, 0) if held is None else (held.attempt, unpacked(held.row)[Column.code])
        return self._redeliver[stratum](index, born_ns, now_ns, attempt, code), attempt

    # -- endings ------------------------------------------------------------------------------------------------------

    def ended(self, connection: Connection, code: int, now: int) -> bool:
        """See Policy. First deliveries that succeed go the engine's way."""
        event = connection.event
        index, ok = event[0], is_success(code)
        if ok and index not in self._held:
            self.counts.attempt(1, code)
            if self._watch is not None:
                self._watch.answered(code, True, now)
            return False
        fields: dict[str, str] = {}
        if code < ERROR_BASE and not ok and self._policy.reads_headers:
            fields = {name.lower(): value for name, value in connection.raw_response()[0]}
        row = row_of(connection, event, code, now, self._attempt_of(index))
        connection.event = None
        if not ok:
            self._engine.sample(connection, event, code, now)
        self._attempt_ended(event, row, code, now, fields.get)
        self._engine.release(connection, now)
        return True

    def unsent(self, event: Waiting, slot: int, code: int, now: int) -> None:
        """See Policy."""
        self._engine.note(event, code, self._engine.limit_reached)
        row = row_of(NoConnection(slot), event, code, now, self._attempt_of(event[0]))
        self._attempt_ended(event, row, code, now, _no_header)
        self._engine.serve_queue(now)

    def _attempt_of(self, index: int) -> int:
        held = self._held.get(index)
        return 1 if held is None else held.attempt

    def _attempt_ended(
        self, event: Waiting, row: bytes, code: int, now: int, header: Callable[[str], str | None]
    ) -> None:
        """With the attempt the event ended, or it waits for another one."""
        index, stratum, due, _ = event
        held, counts, ok = self._held.get(index), self.counts, is_success(code)
        attempt = 1 if held is None else held.attempt
        counts.attempt(attempt, code)
        if held is not None:
            self._supersede(held)
        if self._watch is not None:
            self._watch.answered(code, ok, now)
        if code == _INTERNAL:  # our own fault is no answer of the endpoint's
            self._end(event, row, now)
        elif ok:
            if held is not None:
                counts.delivered(now - held.born)
            self._end(event, row, now)
        else:
            pause = None if self._off else self._pause(index, attempt, code, header, now)
            if self._off:
                counts.cut_off += 1
                self._end(event, row, now)
            elif pause is None:
                counts.given_up += 1
                self._end(event, row, now)
                if self._watch is not None:
                    self._watch.gave_up()
            elif held is None and len(self._held) >= self._most_held:
                counts.no_room += 1
                self._end(event, row, now)
            else:
                self._hold(index, held or _Held(stratum, due), row, now, pause)
        if self._watch is not None and self._watch.why and not self._off:
            self._switch_off(now)

    def _pause(self, index: int, attempt: int, code: int, header: Callable[[str], str | None], now: int) -> int | None:
        now_s = (now + self._engine.wall_offset) / NS_PER_S
        return self._policy.pause_ns(index, attempt, code, header, now_s=now_s)

    def _hold(self, index: int, held: _Held, row: bytes, now: int, pause: int) -> None:
        if held.attempt == 1:
            self._held[index] = held
            self.counts.retried += 1
            self._recorder.retry_backlog.extend((held.stratum, now, 0))
        self._recorder.add_delivery(row)
        held.row = row
        held.waits = True
        due = now + pause
        heapq.heappush(self._due, (due, index))
        if self._due[0][1] == index:
            self._pacer.arm(due)

    def _supersede(self, held: _Held) -> None:
        """Another attempt has ended: the one before it is no longer the event's last."""
        row = unpacked(held.row)
        self._recorder.add_attempt(held.row)
        counts, code = self.counts, row[Column.code]
        counts.extra[held.stratum] = counts.extra.get(held.stratum, 0) + 1
        counts.in_doubt += code >= ERROR_BASE and row[Column.bytes_sent] > 0

    def _end(self, event: Waiting, row: bytes, now: int) -> None:
        """The event has the outcome of the attempt that just ended."""
        if self._held.pop(event[0], None) is not None:
            self._recorder.retry_backlog.extend((event[1], now, 1))
        self._engine.end(row, now)

    def _end_held(self, index: int, now: int, code: int | None = None) -> None:
        """A held event ends with its last attempt, whose delivery is recorded already; `code`: in place of its own."""
        held = self._held.pop(index)
        row = changed(held.row, Column.attempt, 0)
        if code is not None:
            row = changed(row, Column.code, code)
        else:
            self._recorder.retry_backlog.extend((held.stratum, unpacked(row)[Column.done], 1))
        self._engine.end(row, now)

    # -- the provider's patience --------------------------------------------------------------------------------------

    def _switch_off(self, now: int) -> None:
        """Nothing more is sent: what waits for another attempt ends with its last one, what queues is not sent."""
        self._off = True
        counts, engine = self.counts, self._engine
        counts.off_ns = max(0, now - engine.start_ns)
        counts.why = self._watch.why if self._watch is not None else ""
        self._due.clear()
        for index, held in list(self._held.items()):
            if held.waits:
                counts.cut_off += 1
                self._end_held(index, now)
        for event in engine.take_queued(self.strata):
            if event[0] in self._held:
                counts.cut_off += 1
                self._end_held(event[0], now)
            else:
                self._not_sent(event)

    def _not_sent(self, event: Waiting) -> None:
        code, now = ERROR_BASE + ErrorKind.switched_off, max(event[3], self._engine.clock())
        self._engine.end(row_of(NOWHERE, event, code, now, attempt=0), now)
        self._engine.note(event, code, f"the provider had switched the endpoint off: {self.counts.why}")

    # -- the end ------------------------------------------------------------------------------------------------------

    def at_rest(self, until_ns: int) -> bool:
        """See Policy."""
        return not (self._due and self._due[0][0] <= until_ns)

    def finish(self, now: int) -> None:
        """See Policy. What waits for another attempt is unfinished, with what its last one took."""
        self._pacer.close()
        self._due.clear()
        counts, engine = self.counts, self._engine
        for connection in engine.under_way(self.strata):
            event, connection.event = connection.event, None
            attempt = self._attempt_of(event[0])
            counts.attempt(attempt, UNFINISHED)
            engine.end(row_of(connection, event, UNFINISHED, now, attempt), now)
        for event in engine.take_queued(self.strata):
            counts.attempt(self._attempt_of(event[0]), UNFINISHED)
            engine.end(row_of(NOWHERE, event, UNFINISHED, now, attempt=0), now)
        for index, held in list(self._held.items()):
            if held.waits:
                counts.waiting += 1
                self._end_held(index, now, UNFINISHED)
            else:
                self._supersede(held)
        self._held.clear()
