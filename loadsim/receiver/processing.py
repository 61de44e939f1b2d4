"""The work of a receiver that answers at once and works later: from an accepted delivery to its effect.

The work takes no processor time: `work_queue` says when each piece is done, and its effect is shown once that instant
has passed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from loadsim.measure.delivery_ids import DELIVERY_ID
from loadsim.receiver.effect_outputs import EffectOutput, NotedEffect
from loadsim.receiver.effects_memory import ROW, EffectsMemory, key_of, seconds
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.run_register import Registered, RunRegister
from loadsim.receiver.work_queue import LOST, TWICE, Done, WorkClock, WorkQueue, random_order, work_plan


class _RunWork:
    """What is to be written of one registered run: its backlog, and the rows of new effects."""

    __slots__ = ("backlog", "registered", "rows")

    def __init__(self, registered: Registered) -> None:
        self.registered = registered
        self.backlog = 0
        self.rows: list[tuple[int, int]] = []


_Delivery = tuple[_RunWork | None, int, bytes]
"""The run if it is registered, the key of its row, and the delivery id if there is one."""
_UNNAMED: _Delivery = (None, 0, b"")


class Processing:
    """The work of one worker. `begin` gives the instant of the first request, from which stalls are counted.

    `settle` has to be called regularly: it shows what was done since.
    """

    def __init__(
        self,
        options: ReceiverOptions,
        memory: EffectsMemory,
        register: RunRegister,
        begin: Callable[[int], int],
        outputs: Sequence[EffectOutput] = (),
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        order = random_order(options.seed) if options.out_of_order else None
        self._queue: WorkQueue[_Delivery] = WorkQueue(
            work_plan(options), options.processors, options.process_queue, order
        )
        self._now = clock
        self._cycle = options.process_stall
        self._work_clock: WorkClock | None = None
        self._begin = begin
        self._memory = memory
        memory.forget_backlog()
        self._register = register
        self._seen = -1
        self._runs: dict[bytes, _RunWork] = {}
        self._changed: set[_RunWork] = set()
        self._outputs = outputs

    def offer(self, delivery_id: bytes) -> bool:
        """Take the work of an accepted delivery; False when the queue is full."""
        delivery = self._delivery(delivery_id)
        if not self._queue.offer(self._worked(), delivery):
            self._memory.add(refused=1)
            return False
        if delivery[0] is not None:
            delivery[0].backlog += 1
            self._changed.add(delivery[0])
        return True

    def settle(self) -> None:
        """Do the work up to now, and show its effects."""
        self._queue.advance(self._worked())
        done, self._queue.done = self._queue.done, []
        self._memory.set_backlog(self._queue.backlog)
        if done:
            self._show(done)
        for run in self._changed:
            if self._runs.get(run.registered.name) is run:  # else replaced by runs that were registered later
                rows = np.array(run.rows, dtype=ROW)
                self._memory.extend(run.registered, rows, run.backlog)
            run.rows.clear()
        self._changed.clear()

    def close(self) -> None:
        """Show what is done, and wait until all of it is written."""
        self.settle()
        for output in self._outputs:
            output.close()

    def _show(self, done: list[Done[_Delivery]]) -> None:
        noted: list[NotedEffect] = []
        for worked_ns, (run, key, delivery_id), effects in done:
            at_ns = self._memory.unix_ns(worked_ns if self._work_clock is None else self._work_clock.instant(worked_ns))
            if run is not None:
                run.backlog -= 1
                self._changed.add(run)
                if effects != LOST:
                    run.rows.append((at_ns, key + (effects == TWICE)))
            if delivery_id and self._outputs:
                noted += [NotedEffect(delivery_id.decode("ascii"), seconds(at_ns))] * effects
        lost = sum(piece.effects == LOST for piece in done)
        self._memory.add(done=len(done) - lost, lost=lost, repeated=sum(piece.effects == TWICE for piece in done))
        for output in self._outputs if noted else ():
            output.add(noted)

    def _worked(self) -> int:
        """Now on the clock of the work."""
        now_ns = self._now()
        if self._cycle is None:
            return now_ns
        if self._work_clock is None:
            self._work_clock = WorkClock(self._cycle, self._begin(now_ns))
        return self._work_clock.worked(now_ns)

    def _delivery(self, delivery_id: bytes) -> _Delivery:
        formed = DELIVERY_ID.fullmatch(delivery_id)
        if formed is None:
            return _UNNAMED
        if self._register.changes != self._seen:
            self._read_register()
        return self._runs.get(formed[1]), key_of(int(formed[2]), int(formed[3])), delivery_id

    def _read_register(self) -> None:
        """Read the list of runs, unless it is being changed."""
        before = self._register.changes
        runs = self._register.runs()
        if before % 2 or self._register.changes != before:
            return
        self._seen, known = before, self._runs
        self._runs = {}
        for run in runs:
            same = known.get(run.name)
            self._runs[run.name] = same if same is not None and same.registered == run else _RunWork(run)
