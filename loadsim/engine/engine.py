"""Sends the events of one shard: gives each due event a connection, sends it, and records its outcome.

`arrivals` releases the events, `cases` makes their requests, `transport` carries them, `measure` counts the outcomes.
The clock is read once per wake-up, so that releasing, ending and recording agree; nothing is kept per event. Where an
event is more than one delivery, the engine asks the policy of its stratum (`policy_interface`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from loadsim.cases import RequestMaker
from loadsim.compiled_step import step
from loadsim.engine.arrivals import NEVER, Arrivals, Waiting
from loadsim.engine.connection_pool import ConnectionPool
from loadsim.engine.outcome_rows import NOWHERE, NoConnection, row_of
from loadsim.engine.pacer import Clock, Pacer, monotonic_ns
from loadsim.engine.policy_deliveries import PolicyDeliveries
from loadsim.engine.policy_interface import Gatherer, Policy
from loadsim.engine.recorder import BITE, MOST, Recorder
from loadsim.engine.request_batches import RequestMaking
from loadsim.engine.samples import Samples
from loadsim.engine.transport_interface import Connection, ConnectionCounts, Ended, Made, Transport
from loadsim.error_kinds import ErrorKind
from loadsim.measure.pauses import Pauses
from loadsim.measure.result_events import AddressRow, ConnectionRow, SampleRow
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.outcome_codes import DROPPED, ERROR_BASE, SUCCESSES, UNFINISHED
from loadsim.plan import Plan

BATCH = 64
"""Released events that are made and sent together."""
_MANY = MOST // 2
"""So many rows are not left for the time between due events where events are late."""
_MUCH_NS = 10 * NS_PER_MS
"""Longer than folding the rows of BITE takes anywhere."""
BEATS, _FASTEST_NS, _SLOWEST_NS = 2, NS_PER_MS, 50 * NS_PER_MS
"""So many heartbeats fall into the time that makes a pause; between two of them there are never less, or more, than
these."""
_TIMELESS = (ERROR_BASE + ErrorKind.internal, ERROR_BASE + ErrorKind.connect_timeout)
"""Outcomes that do not change, however late they are noticed."""


class Engine:
    """One shard of one run on the running loop."""

    if step is not None:
        __slots__ = (  # what the compiled step reaches
            "__dict__",
            "_arm",
            "_arrivals",
            "_idle",
            "_in_time_until",
            "_of_user",
            "_outstanding",
            "_pauses",
            "_policy_of",
            "_pool",
            "_queue",
            "_ready",
            "_requests",
            "_reuse",
            "_take_idle",
            "_timeout_ns",
            "looked_ns",
            "recorder",
        )

    def __init__(
        self,
        plan: Plan,
        maker: RequestMaker,
        transport: Transport,
        recorder: Recorder,
        pacer: Pacer,
        *,
        policies: Sequence[Policy] = (),
        gatherer: Gatherer | None = None,
        shard: int = 0,
        shards: int = 1,
        epoch_ns: int | None = None,
        pauses: Pauses | None = None,
        clock: Clock = monotonic_ns,
        wall: Clock = time.time_ns,
    ) -> None:
        """`pauses`: what gets the heartbeat of the loop; None: nobody wants to know."""
        target = plan.scenario.target
        self._plan, self._transport = plan, transport
        self._send_all = transport.send_all
        self.recorder, self.clock = recorder, clock
        self._policies, self._gatherer = tuple(policies), gatherer
        self._signs_slowly = maker.signs_slowly
        self._pauses = Pauses(NEVER) if pauses is None else pauses
        self._pause_ns = self._pauses.limit_ns
        self._beating = pauses is not None
        self._heart: asyncio.TimerHandle | None = None
        self._ticked_ns = 0
        self.looked_ns = 0
        """See ConnectionOwner."""
        self._policy_of = [next((p for p in policies if stratum in p.strata), None) for stratum in range(plan.strata)]
        self._arrivals = Arrivals(plan, pacer, clock, self, shard=shard, shards=shards)
        self._timeout_ns = target.timeout
        self._in_time_until = 0
        """No answer is too late before that, ns of the clock; as of the start, the last sweep, or answers that were
        noticed late."""
        self._drain_ns = target.timeout if target.drain is None else target.drain
        self._reuse = target.reuse or NEVER
        self._drop = target.overflow == "drop"
        self._keep = recorder.rows.append
        self._samples = Samples(plan, clock)
        self._requests = RequestMaking(
            plan,
            maker,
            recorder,
            clock=clock,
            wall=wall,
            epoch_ns=epoch_ns,
            planned_time=self._arrivals.planned_time,
            failed=self.internal,
            send_all=transport.send_all,
            send_events=None if policies else transport.send_events,
        )
        self._pool = ConnectionPool(transport, clock, self._fire, self._ended_unsent, gatherer)
        self._idle, self._queue = self._pool.idle, self._pool.queue
        self._outstanding, self._take_idle, self._arm = self._pool.outstanding, self._idle.popitem, pacer.arm
        self._ready: list[Connection] = []
        """Connections whose event is to be made and sent."""
        self._of_user = [plan.phases[plan.unpack(s)[0]].model == "closed" for s in range(plan.strata)]
        if step is not None and step.is_bound() and clock is monotonic_ns:  # the step reads that clock itself
            self._arrivals.wake_by_step = partial(step.wake, self)
        self.start_ns = 0
        self._over: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._drain_end = 0
        self._failure: BaseException | None = None

    # -- the run ------------------------------------------------------------------------------------------------------

    async def run(self, start_ns: int) -> int:
        """Send all events from `start_ns` of the clock on, drain, close. Returns the instant of the end. Raises what
        `fail` got."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        self.start_ns = self._samples.start_ns = start_ns
        self._in_time_until = start_ns + self._timeout_ns
        self._transport.start(self)
        if self._policies:
            deliveries = PolicyDeliveries(
                self, start_ns, self._pool, self._requests, self._transport, self._samples, reuse=self._reuse
            )
            for policy in self._policies:
                policy.start(deliveries)
        self._arrivals.start(start_ns)
        sweeper = loop.create_task(self._sweep())
        sweeper.add_done_callback(self.fail_with)
        if self._beating:
            self._ticked_ns = self.clock()  # until now there was nothing to read
            self._tick(min(max(self._pauses.limit_ns / BEATS, _FASTEST_NS), _SLOWEST_NS) / NS_PER_S)
        try:
            await self._over
            await self._drain(loop)
        finally:
            sweeper.cancel()
            if self._heart is not None:
                self._heart.cancel()
            self._arrivals.close()
            end = self._finish_all()
            await self._transport.close()
        if self._failure is not None:
            raise self._failure
        return end

    def stop(self, *, drain: bool = True) -> None:
        """Release no more events. With `drain`, events in flight may still end within the drain's time."""
        self._arrivals.stop()
        if not drain:
            self._drain_ns = 0
            if self._drained and not self._drained.done():
                self._drained.set_result(None)

    def fail(self, error: BaseException) -> bool:
        """End the run with an error, which `run` raises: otherwise it could wait for ever for what the error prevented.
        False where the run fails already, with another error."""
        if self._failure is not None:
            return False
        self._failure = error
        for awaited in (self._over, self._drained):
            if awaited is not None and not awaited.done():
                awaited.set_result(None)
        return True

    def fail_with(self, task: asyncio.Task[None]) -> None:
        """A task that goes on until it is cancelled has ended."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fail(error)

    @property
    def planned(self) -> list[int]:
        """Number of events that have become due, by stratum."""
        return self._arrivals.planned

    @property
    def shortage(self) -> str:
        """Why fewer connections were used than the scenario asks for, in words; empty when nothing kept them away."""
        return self._pool.limit_reached or self._arrivals.shortage

    @property
    def limit_reached(self) -> str:
        """Why a connection that the scenario allows could not be opened."""
        return self._pool.limit_reached

    @property
    def connection_counts(self) -> ConnectionCounts:
        """How many connections are open or being opened, were at most, and in all."""
        return self._transport.shared or self._pool

    def connection_rows(self) -> list[ConnectionRow]:
        """What each connection has carried, where events share them."""
        return self._transport.shared.rows() if self._transport.shared is not None else []

    @property
    def in_flight(self) -> int:
        """Planned, not ended, and not held by a policy: on a connection or waiting for one."""
        held = sum(policy.held for policy in self._policies)
        return sum(self.planned) - self.recorder.ended - len(self.recorder.rows) - held

    def addresses(self) -> list[AddressRow]:
        """The counts of each of the endpoint's addresses so far; empty where it has only one."""
        connections = self._transport.connections()
        return self._transport.addresses.taken((connection.address, connection.served) for connection in connections)

    def take_samples(self) -> list[SampleRow]:
        """The samples of failing answers and errors since the last call."""
        return self._samples.take()

    @property
    def stopped_ns(self) -> int:
        """When releasing ended, ns since the start; 0 before that."""
        stopped = self._arrivals.stopped_ns
        return stopped - self.start_ns if stopped else 0

    @property
    def queued(self) -> int:
        """Events that wait for a connection, or for some."""
        return len(self._queue) + (self._gatherer.queued if self._gatherer is not None else 0)

    def saturated_ns(self) -> int:
        """Time so far during which every connection was busy while an event waited."""
        return self._pool.saturated_ns()

    # -- the heartbeat ------------------------------------------------------------------------------------------------

    def _tick(self, every_s: float) -> None:
        """A beat by the loop's timer: it finds the pauses in which nothing else would have happened.

        Timers are looked at before sockets: between two ticks the loop has looked at the sockets.
        """
        now = self.clock()
        self.looked_ns, self._ticked_ns = self._ticked_ns, now
        self._heart = asyncio.get_running_loop().call_later(every_s, self._tick, every_s)
        self._beat(now)

    def _beat(self, now: int) -> bool:
        """The loop is at work at `now`. True where it had not been for longer than a pause may be."""
        pauses = self._pauses
        away = pauses.beat(now, self._outstanding)
        if pauses.recovering and not away and not self._arrivals.behind(now):
            pauses.settle(now, self._outstanding())
        return away

    def woken(self, now: int) -> None:
        """See Dispatcher. Here and wherever else each event passes, a beat that ends no pause is one assignment."""
        pauses = self._pauses
        if now - pauses.beaten_ns > self._pause_ns:
            pauses.beat(now, self._outstanding)
        else:
            pauses.beaten_ns = now

    # -- what falls due -----------------------------------------------------------------------------------------------

    def dispatch(self, index: int, stratum: int, due: int, woken: int) -> None:
        """See Dispatcher. It gets a connection, or permission to open one, or a place in the queue."""
        policy = self._policy_of[stratum]
        if policy is not None and policy.due((index, stratum, due, woken)):
            return
        if self._idle:
            connection, _ = self._idle.popitem()
            self._fire(connection, index, stratum, due, woken, woken)
            if len(self._ready) == BATCH:
                self.flush()
        elif self._pool.open_count < self._pool.limit and self._pool.open((index, stratum, due, woken), woken):
            pass
        elif self._drop and not self._arrivals.closed:  # a virtual user waits, or it would be gone for good
            self._keep(row_of(NOWHERE, (index, stratum, due, woken), DROPPED, woken, attempt=0))
        else:
            self._pool.wait((index, stratum, due, woken), woken)

    def allow(self, connections: int) -> None:
        """See Dispatcher. Idle connections beyond the limit are closed at once, busy ones after their event."""
        self._pool.allow(connections)

    def spare(self, time_ns: int) -> None:
        """See Dispatcher. Where many rows wait they are folded at once if there is much time, as between bursts. Else a
        step is taken whenever no event is late, however little time there is: there may never be more. A step may make
        events late; the next one waits until they are sent, or until even more rows wait."""
        recorder = self.recorder
        waiting = recorder.waiting
        if waiting < BITE and not recorder.under_way:
            return
        if time_ns > _MUCH_NS:
            recorder.fold()
        elif time_ns >= 0 or waiting >= _MANY:
            recorder.step()

    def over(self) -> None:
        """See Dispatcher."""
        self.recorder.stop(self._arrivals.stopped_ns)
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    # -- sending -------------------------------------------------------------------------------------------------------

    def _fire(self, connection: Connection, index: int, stratum: int, due: int, woken: int, slot: int) -> None:
        """An event has its connection: it is made and sent with the next `flush`."""
        connection.event = (index, stratum, due, woken)
        connection.slot_ns = connection.ready_ns = slot
        self._ready.append(connection)

    def flush(self) -> None:
        """See Dispatcher. Make the requests of all events that have a connection, then send them.

        Not one after the other: making runs in our code and sending in the kernel, and alternating between them misses
        the processor's caches, which costs a quarter of the throughput. Where signing is slow, each is sent as soon as
        it is signed: the first of a burst must not wait for the signature of the last.
        """
        if not self._ready:
            return
        ready, self._ready = self._ready, []
        others = self._sent_by_policies(ready) if self._policies else ready
        if others:
            if self._signs_slowly:
                for each in others:
                    self._requests.send([each])
            else:
                self._requests.send(others)
        pauses, now = self._pauses, self.clock()
        if now - pauses.beaten_ns > self._pause_ns:
            pauses.beat(now, self._outstanding, len(ready))
        else:
            pauses.beaten_ns = now

    def _sent_by_policies(self, ready: list[Connection]) -> list[Connection]:
        """Send what is of a policy, attempt by attempt; the others are left over."""
        others: list[Connection] = []
        made: dict[int, list[Made]] = {}
        before, timed = self.clock(), False
        for connection in ready:
            event = connection.event
            policy = self._policy_of[event[1]]
            if policy is None:
                others.append(connection)
                continue
            try:
                request, attempt = policy.request(event, before)
            except Exception as error:  # noqa: BLE001 - one event that cannot be made must not hold up the others
                self.internal(connection, error)
            else:
                made.setdefault(attempt, []).append((connection, request, event[0]))
            if not timed:  # one making of each batch
                self.recorder.signs.extend((event[1], event[2], self.clock() - before))
                timed = True
        for attempt, batch in made.items():
            self._send_all(batch, attempt)
        return others

    # -- what transports call -----------------------------------------------------------------------------------------

    def on_handshake(self, connection: Connection, connect_ns: int, tls_ns: int) -> None:
        """See ConnectionOwner."""
        _, stratum, due, _ = connection.event
        self.recorder.handshakes.extend((stratum, due, connect_ns, tls_ns))

    def on_open(self, connection: Connection) -> None:
        """See ConnectionOwner."""
        now = self.clock()
        if now - connection.slot_ns > self._timeout_ns:
            self.on_done(connection, ERROR_BASE + ErrorKind.connect_timeout, now)
        else:
            self._go_on(connection, now)

    def _go_on(self, connection: Connection, now: int) -> None:
        """It is ready to send, in time."""
        index, stratum, due, woken = connection.event
        gatherer = self._gatherer
        if gatherer is not None and stratum in gatherer.strata:
            gatherer.opened(connection)
            return
        self._fire(connection, index, stratum, due, woken, connection.slot_ns)
        connection.ready_ns = now
        self.flush()

    def on_done(self, connection: Connection, code: int, done_ns: int) -> None:
        """See ConnectionOwner."""
        self.on_answers([(connection, code, done_ns)])

    def on_answers(self, answers: Sequence[Ended]) -> None:
        """See ConnectionOwner. An answer later than the timeout counts as timed out."""
        pauses, now = self._pauses, answers[-1][2]
        if now > self._in_time_until:
            answers = [self._in_time(answer) for answer in answers]
        # what follows these answers may have its connection since before the last sweep, where we hear of them late
        self._in_time_until = min(self._in_time_until, answers[0][2] + self._timeout_ns)
        last = pauses.beaten_ns
        if now - last > self._pause_ns:
            pauses.beat(now, self._outstanding)
        elif now > last:  # a transport may hear late of what it tells
            pauses.beaten_ns = now
        self._settle(answers)
        if pauses.recovering:
            self._beat(self.clock())

    def _in_time(self, answer: Ended) -> Ended:
        """The outcome: the answer, or a timeout in place of an answer that was too late."""
        connection, code, now = answer
        if now - connection.slot_ns <= self._timeout_ns:
            return answer
        connection.reusable = False
        return answer if code in _TIMELESS else (connection, self._timeout_of(connection), now)

    @staticmethod
    def _timeout_of(connection: Connection) -> int:
        return ERROR_BASE + (ErrorKind.timeout if connection.opened else ErrorKind.connect_timeout)

    def _settle(self, answers: Sequence[Ended]) -> None:
        """Record how events ended, and continue. This is the hot path: the common case makes few calls."""
        keep, of_user, queue, reuse, policy_of = self._keep, self._of_user, self._queue, self._reuse, self._policy_of
        pool, next_turn = self._pool, self._arrivals.next_turn
        turns = self._arrivals.turns(answers[-1][2])
        idle = pool.idle if pool.at_rest else None
        for connection, code, now in answers:
            try:
                event = connection.event
                stratum = event[1]
                policy = policy_of[stratum]
                if policy is not None and policy.ended(connection, code, now):
                    continue
                connection.event = None
                keep(row_of(connection, event, code, now))
                if code not in SUCCESSES:
                    self._samples.of_connection(connection, event, code, now)
                turn = None
                if of_user[stratum]:
                    own = next(turns, None) or next_turn(now)
                    if own is not None:
                        index, stratum = own
                        turn = index, stratum, now, now
                if not connection.reusable or connection.served >= reuse:
                    pool.close(connection)
                    pool.open_for_waiting(turn, now)
                elif turn is not None and not queue:
                    connection.event = turn
                    connection.slot_ns = connection.ready_ns = now
                    self._ready.append(connection)
                elif turn is None and idle is not None and not queue:
                    idle[connection] = None
                else:
                    pool.serve_waiting(connection, turn, now)
            except Exception as error:  # noqa: BLE001 - it must not take the rest of the batch with it
                self.on_internal(connection, error)
        self._go_on_after()

    def _go_on_after(self) -> None:
        """Answers are settled."""
        if self._ready:
            self.flush()
        recorder = self.recorder
        if self._arrivals.closed:
            if recorder.waiting >= BITE:
                recorder.fold()
        elif recorder.waiting >= MOST:
            recorder.step()

    def on_lost(self, connection: Connection) -> None:
        """See ConnectionOwner."""
        self._pool.lost(connection)

    def on_internal(self, connection: Connection, error: Exception) -> None:
        """See ConnectionOwner."""
        connection.reusable = False
        if connection.event is None:
            connection.close()
            self.on_lost(connection)
            return
        self._samples.show(connection.event, ERROR_BASE + ErrorKind.internal, repr(error))
        self.on_done(connection, ERROR_BASE + ErrorKind.internal, self.clock())

    def _end_drain_at_rest(self) -> None:
        """End the drain where nothing is left that it would wait for."""
        if self._drained is None or self._drained.done() or self.in_flight:
            return
        if all(policy.at_rest(self._drain_end) for policy in self._policies):
            self._drained.set_result(None)

    def _ended_unsent(self, event: Waiting, slot: int, code: int, now: int) -> None:
        stratum = event[1]
        policy = self._policy_of[stratum]
        if policy is None:
            self._keep(row_of(NoConnection(slot), event, code, now))
            self._samples.note(event, code, self.limit_reached)
            self._pool.open_for_waiting(self._turn(stratum, now), now)
        else:
            policy.unsent(event, slot, code, now)
        self.flush()

    def _turn(self, stratum: int, now: int) -> Waiting | None:
        """The next event of the user whose event of `stratum` ended; None when the user ends, or there was none."""
        pair = self._arrivals.next_turn(now) if self._of_user[stratum] else None
        return None if pair is None else (*pair, now, now)

    def internal(self, connection: Connection, error: Exception) -> None:
        """End the event of this connection soon, as an internal error."""
        asyncio.get_running_loop().call_soon(self.on_internal, connection, error)

    # -- timeouts and the end -----------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """End events after their timeout. A sweep over the connections costs less than a timer per event."""
        while True:
            # often enough to be exact, rarely enough for thousands of connections
            tick = min(max(self._timeout_ns / NS_PER_S / 100, 0.002), 0.05) + self._pool.open_count * 5e-6
            await asyncio.sleep(tick)
            now = self.clock()
            if self._beat(now):
                continue  # what came while we were away is still to be read
            self._requests.follow_wall(now)
            oldest = now  # an event that gets its connection later is younger
            for connection in self._transport.connections():
                if connection.event is None:
                    continue
                if now - connection.slot_ns > self._timeout_ns:
                    self.on_done(connection, self._timeout_of(connection), now)
                else:
                    oldest = min(oldest, connection.slot_ns)
            self._in_time_until = oldest + self._timeout_ns

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._failure is not None:
            return
        self._drained = loop.create_future()
        self._drain_end = self.clock() + self._drain_ns
        self._pool.on_empty = self._end_drain_at_rest
        self._pool.settle(self.clock())
        if self._drain_ns:
            await asyncio.wait([self._drained], timeout=self._drain_ns / NS_PER_S)

    def _finish_all(self) -> int:
        """Record the remaining events as unfinished, with their time so far as a lower bound."""
        now = self.clock()
        for policy in self._policies:
            policy.finish(now)
        for connection in self._transport.connections():
            event, connection.event = connection.event, None
            if event is not None:
                self._keep(row_of(connection, event, UNFINISHED, now))
        for event in self._queue:
            self._keep(row_of(NOWHERE, event, UNFINISHED, now, attempt=0))
        self._queue.clear()
        self.recorder.fold()
        return now
