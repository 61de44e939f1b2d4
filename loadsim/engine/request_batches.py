"""Makes the requests of the events that have a connection and has them sent, a batch at a time; times some of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from loadsim.cases import RequestMaker
from loadsim.compiled_step import step
from loadsim.engine.arrivals import Waiting
from loadsim.engine.pacer import Clock
from loadsim.engine.recorder import Recorder
from loadsim.engine.transport_interface import Connection, Made, SendEvents
from loadsim.model import NS_PER_MS
from loadsim.plan import Plan

TIMED_EVERY = 16
"""One event is timed in each group of this many batches: to time it costs something, and in Python it is made alone,
which costs more than making it with others."""
TIMED_APART_NS = NS_PER_MS
"""Where single events are so far apart, each is timed."""


class RequestMaking:
    """The requests of one shard. Instants are ns of the clock; requests are dated by the wall clock.

    `epoch_ns`: what dates requests in place of the wall clock, with the planned time of their event.
    """

    if step is not None:
        __slots__ = (  # what the compiled step reaches
            "__dict__",
            "_recipes",
            "_send_events",
            "_timed_ns",
            "_untimed",
            "wall_offset",
        )

    def __init__(
        self,
        plan: Plan,
        maker: RequestMaker,
        recorder: Recorder,
        *,
        clock: Clock,
        wall: Clock,
        epoch_ns: int | None,
        planned_time: Callable[[int, int], int],
        failed: Callable[[Connection, Exception], None],
        send_all: Callable[[Iterable[Made]], None],
        send_events: SendEvents | None = None,
    ) -> None:
        """`planned_time`: of an event's index and due time, ns since the start. `failed`: takes a connection whose
        event cannot be made. `send_events`: None also where policies make requests with the same maker."""
        self._send_all, self._send_events = send_all, send_events
        self._recipes = maker.recipes() if send_events is not None and epoch_ns is None else None
        self._makers = [maker.maker_of(stratum) for stratum in range(plan.strata)]
        self._make_all = maker.make_all
        self._recorder, self._clock, self._wall = recorder, clock, wall
        self._epoch_ns, self._planned_time = epoch_ns, planned_time
        self._failed = failed
        self.wall_offset = wall() - clock()
        """Wall clock minus clock, as of the last `follow_wall`."""
        self._untimed, self._timed_ns = TIMED_EVERY, 0
        """Batches since the last timing, and when that was."""

    def follow_wall(self, now: int) -> None:
        """Requests are dated by the wall clock: where that was set to another time, follow it."""
        self.wall_offset = self._wall() - now

    def dated(self, index: int, due: int, now: int) -> int:
        """The wall clock (ns since 1970) that an event due at `due` and made at `now` bears."""
        epoch = self._epoch_ns
        return now + self.wall_offset if epoch is None else epoch + self._planned_time(index, due)

    def send(self, ready: list[Connection]) -> None:
        """Make and send the requests of the events of these connections."""
        now = self._clock()
        timed = self._is_timed(len(ready), now)
        if self._recipes is None:
            self._send_all(self._made(ready, now, timed=timed))
        else:
            self.send_at(ready, now, timed)

    def send_at(self, ready: list[Connection], now: int, timed: bool, sent: int = -1) -> None:
        """As `send`, at `now`, by the compiled step as far as it can. `sent`: it has sent so many and stopped there;
        -1: it was not asked yet. `timed`: the first of those that are not sent yet is timed."""
        assert self._recipes is not None  # noqa: S101 - see `send`
        assert self._send_events is not None  # noqa: S101
        at, timing = max(sent, 0), (self._recorder.signs, now) if timed else None
        while at < len(ready):
            if sent < 0:
                recipes = self._recipes.at(now + self.wall_offset)
                sent = self._send_events(ready, at, recipes, timing)
                at += sent
                timing = None if sent else timing
            if at < len(ready):
                # It stops where a block of random numbers ends, and at a template that is not compiled yet: then one
                # event is made here. Where it sent nothing it may know none of these templates: all are made here.
                some = ready[at : at + 1] if sent else ready[at:]
                self._send_by_python(some, now, timed=timing is not None)
                at += len(some)
                timing = None
            sent = -1

    def _send_by_python(self, ready: list[Connection], now: int, *, timed: bool) -> None:
        assert self._recipes is not None  # noqa: S101 - see `send`
        self._recipes.clear()  # bodies of another time, or block, are made
        self._send_all(self._made(ready, now, timed=timed))

    def _is_timed(self, events: int, now: int) -> bool:
        """Whether an event of the batch that is made now is timed."""
        self._untimed += 1
        if self._untimed < TIMED_EVERY and (events > 1 or now - self._timed_ns < TIMED_APART_NS):
            return False
        self._untimed, self._timed_ns = 0, now
        return True

    def _made(self, ready: list[Connection], now: int, *, timed: bool) -> Iterable[Made]:
        """The requests of the events of these connections. An error in making one must not stop the others."""
        events = [connection.event for connection in ready]
        if self._epoch_ns is None:
            try:  # not `suppress`, which is a call more for each event
                return self._made_together(ready, events, now, timed=timed)
            except Exception:  # noqa: BLE001, S110 - made one by one, it is seen which
                pass
        made: list[Made] = []
        now = self._clock()
        for connection, (index, stratum, due, _) in zip(ready, events, strict=True):
            try:
                request = self._makers[stratum](index, self.dated(index, due, now))
            except Exception as error:  # noqa: BLE001
                self._failed(connection, error)
            else:
                made.append((connection, request, index))
            if connection is ready[0]:
                self._recorder.signs.extend((stratum, due, self._clock() - now))
        return made

    def _made_together(
        self, ready: list[Connection], events: list[Waiting], now: int, *, timed: bool
    ) -> Iterable[Made]:
        indexes, make_all, now_ns = [event[0] for event in events], self._make_all, now + self.wall_offset
        if not timed:
            return zip(ready, make_all(indexes, events, now_ns), indexes, strict=True)
        requests = make_all(indexes[:1], events[:1], now_ns)
        self._recorder.signs.extend((events[0][1], events[0][2], self._clock() - now))
        if len(events) > 1:
            requests = [*requests, *make_all(indexes[1:], events[1:], now_ns)]
        return zip(ready, requests, indexes, strict=True)
