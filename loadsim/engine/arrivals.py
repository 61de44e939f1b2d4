"""When the next event of a shard is due: the phases of its plan, their arrivals, and the users of closed phases.

Releases events at each wake-up, sets the number of connections that a phase allows, and ends the plan. Of an event that
ended it needs to know only, in a closed phase, that its user is free again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import length_hint
from typing import Protocol

from loadsim.compiled_step import step
from loadsim.engine.pacer import Clock, Pacer
from loadsim.model import NS_PER_MS
from loadsim.plan import ArrivalBlock, Plan, PlannedPhase, share_of

NEVER = 2**62

Waiting = tuple[int, int, int, int]
"""Index, stratum, due, woken (ns of the clock)."""
Turn = tuple[int, int]
"""Index and stratum of a virtual user's event."""


class Dispatcher(Protocol):
    """Receives the events: the engine."""

    def dispatch(self, index: int, stratum: int, due: int, woken: int) -> None:
        """An event was due at `due` and is released at `woken`, ns of the clock."""

    def woken(self, now: int) -> None:
        """A wake-up, before anything is released at it."""

    def flush(self) -> None:
        """No further event is due at this instant."""

    def allow(self, connections: int) -> None:
        """A phase starts that allows this number of connections."""

    def spare(self, time_ns: int) -> None:
        """All events that were due are released, and the next one is due after this time; below 0: since."""

    def over(self) -> None:
        """No further event will be due."""


USERS_AT_ONCE = 512
"""A user's first event opens a connection, which may take 100 µs: the loop must not be blocked by thousands of them."""


class Arrivals:
    """The events of one shard as they fall due. Times in ns of the clock."""

    if step is not None:
        __slots__ = (  # what the compiled step reaches
            "__dict__",
            "_block",
            "_phase_end",
            "_planned",
            "_position",
            "_turns",
            "_users",
            "_users_wanted",
            "_wake_ns",
            "closed",
            "start_ns",
            "stopped_ns",
        )

    def __init__(
        self, plan: Plan, pacer: Pacer, clock: Clock, dispatcher: Dispatcher, *, shard: int = 0, shards: int = 1
    ) -> None:
        self._plan, self._pacer, self._clock, self._dispatcher = plan, pacer, clock, dispatcher
        self._dispatch = dispatcher.dispatch
        self._shard, self._shards = shard, shards
        self.wake_by_step: Callable[[int], bool] | None = None
        """Does all that `_on_wake` would do at this instant and returns True; or does nothing and returns False."""
        self._pool = share_of(plan.scenario.target.connections, shard, shards)
        self._planned = [0] * plan.strata
        self.start_ns = 0
        self.stopped_ns = 0
        """When releasing ended; 0 before that."""
        self.shortage = ""
        """Why fewer users were active than the plan asks for, in words; empty if all were."""
        self.closed = False
        """Whether the present phase is a closed one."""
        self._phase_no = -1
        self._phase: PlannedPhase | None = None
        self._phase_end = NEVER
        self._wake_ns = NEVER
        self._following_ns = 0
        """When to wake after that, as far as it is known; or 0."""
        self._blocks: Iterator[ArrivalBlock] = iter(())
        self._block = ArrivalBlock([], [], [])
        self._position = 0
        self._exhausted = True
        self._strata: list[int] = []
        self._indexes: Iterator[int] = iter(())
        self._turns: Iterator[Turn] = iter(())
        """A closed phase's block and the indexes left in it. Events are taken there without being counted at once."""
        self._counted = 0
        """How many of those taken are in `_planned`."""
        self._users = 0
        self._taken = 0
        self._users_wanted = self._missing = 0

    def start(self, start_ns: int) -> None:
        """The plan begins at `start_ns`."""
        self.start_ns = self._wake_ns = start_ns
        self._pacer.start(self._on_wake)
        self._pacer.arm(start_ns)

    def stop(self) -> None:
        """Release what was due before this instant, and nothing more."""
        if not self.stopped_ns and self._phase is not None and not self.closed:
            self._release(self._clock())
            self._dispatcher.flush()
        self._end(self._clock())

    def close(self) -> None:
        """No wake-up comes after this."""
        self._pacer.close()

    def behind(self, now: int) -> bool:
        """Whether something is due that was not released yet."""
        return now >= self._wake_ns and not self.stopped_ns

    @property
    def planned(self) -> list[int]:
        """Number of events that have become due, by stratum."""
        self._count_turns()
        return self._planned

    def planned_time(self, index: int, due: int) -> int:
        """When an event is due by plan, ns since the start: what `--epoch` adds to. A closed run plans no times, so an
        index counts as a millisecond there."""
        return index * NS_PER_MS if self.closed else due - self.start_ns

    # -- phases and pacing --------------------------------------------------------------------------------------------

    def _on_wake(self) -> None:
        now = self._clock()
        if self.wake_by_step is not None and self.wake_by_step(now):
            return
        self._dispatcher.woken(now)
        if self._starting and now < self._phase_end:
            self._start_users(now)
        while now >= self._wake_ns and not self.stopped_ns:
            if self._phase is not None and not self.closed:
                self._release(now)
            if self._phase is None or now >= self._phase_end:
                if self._starting:
                    wanted = self._users_wanted
                    started = wanted - self._missing
                    self.shortage = f"only {started:,} of {wanted:,} users could start before their phase ended"
                self._enter_next(now)
        self._dispatcher.flush()
        if self.stopped_ns:
            return
        spare = self._wake_ns - self._clock()
        # where events are late already, a timer for each would only interrupt
        self._pacer.arm(now if self._starting else self._wake_ns, self._following_ns if spare > 0 else 0)
        self._dispatcher.spare(spare)

    def _enter_next(self, now: int) -> None:
        self._phase_no += 1
        if self._phase_no == len(self._plan.phases):
            self._end(self._phase_end)
            return
        phase = self._phase = self._plan.phases[self._phase_no]
        self.closed = phase.model == "closed"
        self._phase_end = NEVER if phase.end_ns is None else self.start_ns + phase.end_ns
        self._count_turns()
        self._blocks = self._plan.blocks(phase.number, self._shard, self._shards, self._taken)
        self._exhausted = False
        self._next_block()
        if self.closed:
            self._users_wanted = share_of(phase.connections or 0, self._shard, self._shards)
            self._wake_ns = self._phase_end
            self._dispatcher.allow(self._users_wanted)
            self._missing = max(0, self._users_wanted - self._users)
            self._start_users(now)
            self._check_closed_over()
        else:
            self._users_wanted = 0
            self._dispatcher.allow(self._pool)
            self._release(now)

    def _next_block(self) -> bool:
        self._count_turns()
        block = next(self._blocks, None)
        while block is not None and not block.index:
            block = next(self._blocks, None)
        if block is None:
            self._exhausted = True
            block = ArrivalBlock([], [], [])
        self._block = block
        self._position = self._counted = 0
        self._strata, self._indexes = (block.stratum, iter(block.index)) if self.closed else ([], iter(()))
        self._turns = zip(self._indexes, self._strata, strict=False)
        return not self._exhausted

    def _release(self, now: int) -> None:
        """Release every event of an open phase that is due, and set the next wake-up."""
        start_ns, planned, dispatch = self.start_ns, self._planned, self._dispatch
        elapsed = now - start_ns
        while not self._exhausted:
            indexes, dues, strata = self._block
            position, size = self._position, len(dues)
            while position < size:
                due = dues[position]
                if due > elapsed:
                    self._position = position
                    self._wake_ns = start_ns + due
                    self._following_ns = start_ns + dues[position + 1] if position + 1 < size else 0
                    return
                stratum = strata[position]
                planned[stratum] += 1
                dispatch(indexes[position], stratum, start_ns + due, now)
                position += 1
            self._next_block()
        self._wake_ns, self._following_ns = self._phase_end, 0

    def _end(self, instant: int) -> None:
        if not self.stopped_ns:
            self.stopped_ns = instant
            self._users_wanted = 0
            self._exhausted = True
            self._dispatcher.over()

    # -- closed model -------------------------------------------------------------------------------------------------

    @property
    def _starting(self) -> bool:
        """Whether users of this phase are still to start."""
        return self.closed and self._missing > 0 and not self._exhausted

    def _start_users(self, now: int) -> None:
        some = min(self._missing, USERS_AT_ONCE)
        self._missing -= some
        for _ in range(some):
            self._start_user(now)

    def _start_user(self, now: int) -> None:
        if self.stopped_ns:
            return
        turn = self._take()
        if turn is not None:
            self._users += 1
            self._dispatch(*turn, now, now)

    def turns(self, now: int) -> Iterator[Turn]:
        """Where users whose events ended up to `now` take their next events from, one each, and no later than in this
        wake-up. It may run out at any time, and is empty where users must end: then `next_turn` decides."""
        if self._users <= self._users_wanted and now < self._phase_end:
            return self._turns
        return iter(())

    def next_turn(self, now: int) -> Turn | None:
        """The next event of a virtual user whose event just ended; None when the user ends with it."""
        if self._users <= self._users_wanted and now < self._phase_end:
            turn = self._take()
            if turn is not None:
                return turn
        self._users -= 1
        self._check_closed_over()
        return None

    def _take(self) -> Turn | None:
        """The next event of a closed phase, if there is one."""
        turn = None if self._exhausted else next(self._turns, None)
        if turn is None and not self._exhausted and self._next_block():
            turn = next(self._turns)
        return turn

    def _count_turns(self) -> None:
        """Count what was taken from this block since the last time."""
        taken = len(self._strata) - length_hint(self._indexes)
        if len(self._planned) == 1:
            self._planned[0] += taken - self._counted
        else:
            for stratum in self._strata[self._counted : taken]:
                self._planned[stratum] += 1
        self._taken += taken - self._counted
        self._counted = taken

    def _check_closed_over(self) -> None:
        """The last phase, when it is a closed one that ran out of events, ends with its last user."""
        last = self._phase_no == len(self._plan.phases) - 1
        if self.closed and last and self._exhausted and not self._users and not self.stopped_ns:
            self._phase_end = self._wake_ns = self._clock()
            self._pacer.arm(self._wake_ns)
