"""An engine that delivers again what failed, as a provider's retry profile says.

Decides what is kept of an event between its attempts, which of its attempts becomes its one outcome, and what the
endpoint still gets once the provider has switched it off. Stands beside the plain engine, which knows nothing of it and
pays nothing for it. Pauses and rules are `plan`'s.

An event that failed is held until it ends: its next attempt, if any, and the row of the last one that ended, packed.
That row becomes the event's outcome when nothing follows it, and an attempt among others once the next one has ended.
Only genuine events are delivered again: whoever forges one does not keep to a schedule.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from typing import Any

from loadsim.cases import Redeliver
from loadsim.engine.engine import Engine
from loadsim.engine.pacer import Pacer
from loadsim.engine.recorder import BITE, ROW
from loadsim.engine.transport import Answer, Connection, Made
from loadsim.measure.retries import RetryCounts
from loadsim.model import ERROR_BASE, NS_PER_S, UNFINISHED, Column, ErrorKind, SignedRequest, is_success
from loadsim.plan import share_of
from loadsim.plan.endpoint_watch import EndpointWatch
from loadsim.plan.retry import policy_of

MOST_HELD = 250_000
"""Events of a run that may be held at once, about 80 MB; what fails beyond that is given up, and said so."""
_INTERNAL = ERROR_BASE + ErrorKind.internal
Row = tuple[int, ...]


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
        """The one under way, or the last."""
        self.waits = False
        """For its next attempt to fall due."""
        self.row = b""
        """Of the last attempt that ended, see `model.Column`."""


class RetryEngine(Engine):
    """An Engine for plans with a retry profile and open phases. `again` is a second pacer, for further attempts."""

    def __init__(self, *args: Any, again: Pacer, most_held: int = MOST_HELD, **options: Any) -> None:
        super().__init__(*args, **options)
        plan, maker = self._plan, args[1]
        retry = plan.scenario.retry
        assert retry is not None  # noqa: S101 - what this engine is for
        self._policy = policy_of(retry, plan.seed)
        rule = self._policy.switch_off
        self._watch = None if rule is None else EndpointWatch(rule)
        self._off = False
        self._genuine = [plan.unpack(stratum)[2] == 0 for stratum in range(plan.strata)]
        self._redeliver: dict[int, Redeliver] = {
            stratum: maker.redelivery_of(stratum) for stratum, genuine in enumerate(self._genuine) if genuine
        }
        self._wall_at_start = self._wall_offset
        """Bodies are dated by this one in every attempt, whatever the wall clock does meanwhile."""
        self._held: dict[int, _Held] = {}
        self._most_held = share_of(most_held, options.get("shard", 0), options.get("shards", 1))
        self._due: list[tuple[int, int]] = []
        """A heap of when held events are due again, and their indexes."""
        self._again = again
        self._drain_end = 0
        self.retries = RetryCounts()

    async def run(self, start_ns: int) -> int:
        """See Engine."""
        self._again.start(self._on_again)
        try:
            return await super().run(start_ns)
        finally:
            self._again.close()

    @property
    def in_flight(self) -> int:
        """Planned, not ended, and not waiting for another attempt."""
        return super().in_flight - len(self._due)

    # -- what falls due -----------------------------------------------------------------------------------------------

    def dispatch(self, index: int, stratum: int, due: int, woken: int) -> None:
        """See Taker."""
        if self._off and self._genuine[stratum]:
            self._not_sent(index, stratum, due, woken)
        else:
            super().dispatch(index, stratum, due, woken)

    def _on_again(self) -> None:
        now = self._clock()
        heap = self._due
        while heap and heap[0][0] <= now:
            due, index = heapq.heappop(heap)
            held = self._held[index]
            held.attempt += 1
            held.waits = False
            super().dispatch(index, held.stratum, due, now)
        self.flush()
        if heap:
            self._again.arm(heap[0][0])

    def flush(self) -> None:
        """See Taker. Here a body is of the time at which its event fell due, in every attempt alike."""
        if not self._ready:
            return
        ready, self._ready = self._ready, []
        made: dict[int, list[Made]] = {}
        now = self._clock()
        for connection in ready:
            index, stratum, due, _ = connection.event
            held = self._held.get(index)
            try:
                request = self._request(index, stratum, due, now, held)
            except Exception as error:  # noqa: BLE001 - one event that cannot be made must not hold up the others
                asyncio.get_running_loop().call_soon(self.on_internal, connection, error)
            else:
                made.setdefault(1 if held is None else held.attempt, []).append((connection, request, index))
            if connection is ready[0]:  # one making of each batch is timed
                self._recorder.signs.extend((stratum, due, self._clock() - now))
        for attempt, batch in made.items():
            self._transport.send_all(batch, attempt)

    def _request(self, index: int, stratum: int, due: int, now: int, held: _Held | None) -> SignedRequest:
        epoch, now_ns = self._epoch_ns, self._dated(index, due, now)
        redeliver = self._redeliver.get(stratum)
        if redeliver is None:
            return self._makers[stratum](index, now_ns)
        born = due if held is None else held.born
        born_ns = born + self._wall_at_start if epoch is None else epoch + born - self._start_ns
        if held is None:
            return redeliver(index, born_ns, now_ns, 1, 0)
        return redeliver(index, born_ns, now_ns, held.attempt, ROW.unpack(held.row)[Column.code])

    # -- endings ------------------------------------------------------------------------------------------------------

    def _settle(self, answers: Sequence[Answer]) -> None:
        """See Engine. First deliveries that succeed go the plain way."""
        plain = []
        held, genuine, watch = self._held, self._genuine, self._watch
        for answer in answers:
            connection, code, now = answer
            event = connection.event
            if event is None or not genuine[event[1]]:
                plain.append(answer)
            elif is_success(code) and event[0] not in held:
                plain.append(answer)
                self.retries.attempt(1, code)
                if watch is not None:
                    watch.answered(code, True, now)
            else:
                self._attempt_ended(connection, code, now)
        super()._settle(plain)
        if len(self._recorder.attempts) >= BITE:
            self._recorder.fold()

    def _attempt_ended(self, connection: Connection, code: int, now: int) -> None:
        index, stratum, due, woken = connection.event
        connection.event = None
        out, back = connection.bytes_sent, connection.bytes_received
        row = (stratum, code, due, woken, connection.slot_ns, connection.sent_ns, connection.first_ns, now, out, back)
        fields: dict[str, str] = {}
        if code < ERROR_BASE and not is_success(code) and self._policy.reads_headers:
            fields = {name.lower(): value for name, value in connection.raw_response()[0]}
        if not is_success(code) and self._recorder.wants_sample(code, stratum):
            self._sample(connection, index, stratum, code, now)
        self._ended(index, row, fields.get)
        if not connection.reusable or connection.served >= self._reuse:
            connection.close()
            self.open_count -= 1
            self._open_for_waiting(None, now)
        else:
            self._serve_waiting(connection, None, now)

    def _ended_unsent(self, index: int, stratum: int, due: int, woken: int, slot: int, code: int, now: int) -> None:
        if not self._genuine[stratum]:
            super()._ended_unsent(index, stratum, due, woken, slot, code, now)
            return
        if self._recorder.wants_sample(code, stratum):
            self._note(index, stratum, code, self.limit_reached)
        self._ended(index, (stratum, code, due, woken, slot, 0, 0, now, 0, 0), _no_header)
        self._open_for_waiting(None, now)
        self.flush()

    def _ended(self, index: int, row: Row, header: Callable[[str], str | None]) -> None:
        """An attempt of a genuine event ended: with it the event, or the event waits for another one."""
        stratum, code, now = row[Column.stratum], row[Column.code], row[Column.done]
        held, counts, ok = self._held.get(index), self.retries, is_success(code)
        attempt = 1 if held is None else held.attempt
        counts.attempt(attempt, code)
        if held is not None:
            self._supersede(held)
        if self._watch is not None:
            self._watch.answered(code, ok, now)
        if code == _INTERNAL:  # our own fault is no answer of the endpoint's
            self._end(index, row)
        elif ok:
            if held is not None:
                counts.delivered(now - held.born)
            self._end(index, row)
        else:
            pause = None if self._off else self._pause(index, attempt, code, header, now)
            if self._off:
                counts.cut_off += 1
                self._end(index, row)
            elif pause is None:
                counts.given_up += 1
                self._end(index, row)
                if self._watch is not None:
                    self._watch.gave_up()
            elif held is None and len(self._held) >= self._most_held:
                counts.no_room += 1
                self._end(index, row)
            else:
                self._hold(index, held or _Held(stratum, row[Column.due]), row, now + pause)
        if self._watch is not None and self._watch.why and not self._off:
            self._switch_off(now)

    def _pause(self, index: int, attempt: int, code: int, header: Callable[[str], str | None], now: int) -> int | None:
        now_s = (now + self._wall_offset) / NS_PER_S
        return self._policy.pause_ns(index, attempt, code, header, now_s=now_s)

    def _hold(self, index: int, held: _Held, row: Row, due: int) -> None:
        if held.attempt == 1:
            self._held[index] = held
            self.retries.retried += 1
            self._recorder.backlog.extend((held.stratum, row[Column.done], 0))
        held.row = ROW.pack(*row)
        held.waits = True
        heapq.heappush(self._due, (due, index))
        if self._due[0][1] == index:
            self._again.arm(due)

    def _supersede(self, held: _Held) -> None:
        """Another attempt has ended: the one before it is no longer the event's last."""
        row = ROW.unpack(held.row)
        self._recorder.attempts.append(held.row)
        counts, code = self.retries, row[Column.code]
        counts.extra[held.stratum] = counts.extra.get(held.stratum, 0) + 1
        counts.in_doubt += code >= ERROR_BASE and row[Column.bytes_sent] > 0

    def _end(self, index: int, row: Row) -> None:
        """The event has its outcome."""
        self._keep(ROW.pack(*row))
        if self._held.pop(index, None) is not None:
            self._recorder.backlog.extend((row[Column.stratum], row[Column.done], 1))

    # -- the provider's patience --------------------------------------------------------------------------------------

    def _switch_off(self, now: int) -> None:
        """Nothing more is sent: what waits for another attempt ends with its last one, what queues is not sent."""
        self._off = True
        counts = self.retries
        counts.off_ns = max(0, now - self._start_ns)
        counts.why = self._watch.why if self._watch is not None else ""
        self._due.clear()
        for index, held in list(self._held.items()):
            if held.waits:
                counts.cut_off += 1
                self._end(index, ROW.unpack(held.row))
        queue, self._queue = list(self._queue), self._queue
        self._queue.clear()
        for waiting in queue:
            index, stratum, due, woken = waiting
            if not self._genuine[stratum]:
                self._queue.append(waiting)
            elif index in self._held:
                counts.cut_off += 1
                self._end(index, ROW.unpack(self._held[index].row))
            else:
                self._not_sent(index, stratum, due, woken)

    def _not_sent(self, index: int, stratum: int, due: int, woken: int) -> None:
        code = ERROR_BASE + ErrorKind.switched_off
        self._keep(ROW.pack(stratum, code, due, woken, 0, 0, 0, max(woken, self._clock()), 0, 0))
        if self._recorder.wants_sample(code, stratum):
            self._note(index, stratum, code, f"the provider had switched the endpoint off: {self.retries.why}")

    # -- the end ------------------------------------------------------------------------------------------------------

    def _at_rest(self) -> bool:
        """Nothing is under way, and no further attempt falls due before the drain ends."""
        return super()._at_rest() and not (self._due and self._due[0][0] <= self._drain_end)

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        self._drain_end = self._clock() + self._drain_ns
        await super()._drain(loop)

    def _finish_all(self) -> int:
        """What waits for another attempt is unfinished, with what its last one took."""
        self._due.clear()
        counts = self.retries
        under_way = [c.event for c in self._transport.connections() if c.event is not None]
        for index, stratum, _, _ in (*under_way, *self._queue):
            if self._genuine[stratum]:
                held = self._held.get(index)
                counts.attempt(1 if held is None else held.attempt, UNFINISHED)
        for held in self._held.values():
            if held.waits:
                counts.waiting += 1
                row = list(ROW.unpack(held.row))
                row[Column.code] = UNFINISHED
                self._keep(ROW.pack(*row))
            else:
                self._supersede(held)
        self._held.clear()
        return super()._finish_all()
