"""Collects the frames of the shards: merged cells, live progress, and which shards are lost.

Instants are arguments: this module reads no clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from loadsim.engine.messages import Frame, Last, Ready
from loadsim.engine.silence_clock import Listening
from loadsim.launch.liveness import SHARD_SILENCE_NS
from loadsim.measure.cells import Cells, Metric, layout, unit_ns
from loadsim.measure.clock_difference import Clock
from loadsim.measure.hdr import rank
from loadsim.measure.live_counts import Live
from loadsim.measure.merged_counts import Merged
from loadsim.measure.progress import HostProgress, Latencies, Progress, SoFar
from loadsim.measure.result_events import SampleRow
from loadsim.measure.without_generator_merge import LatenessMerge
from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.outcome_codes import ERROR_BASE, UNFINISHED, is_success, kind_name
from loadsim.plan.run_spec import FRAME_S

RATES = 40
"""Number of past seconds whose rates are kept for a live view."""
MOST_HOSTS = 20
"""Largest number of failures or hosts in a live view."""


class PerEvent(NamedTuple):
    """Who gets the packed rows that frames carry under the same names, where the run asks for them."""

    raw: Callable[[bytes], None] | None = None
    outcomes: Callable[[bytes], None] | None = None
    deliveries: Callable[[bytes], None] | None = None
    spans: Callable[[bytes], None] | None = None


NOBODY = PerEvent()


@dataclass
class ShardState:
    """The state of one shard."""

    number: int
    place: str = ""
    """The launcher's name of its host; empty where there is only one."""
    clock: Clock | None = None
    ready: Ready | None = None
    frame: Frame | None = None
    frames: int = 0
    heard_ns: int = 0
    """By the clock of `Listening`."""
    done: bool = False
    lost: str = ""
    start_offset_ns: int | None = None
    stopped_ns: int | None = None
    first: Frame | None = None
    frames_missing: bool = False

    @property
    def ended(self) -> bool:
        """Whether no more frames will come."""
        return self.done or bool(self.lost)


class Collector:
    """The parent's side of all shards."""

    def __init__(
        self,
        strata: int,
        shards: int,
        per_event: PerEvent = NOBODY,
        on_cells: Callable[[Cells], None] = lambda _: None,
        frame_s: float = FRAME_S,
        watched: Sequence[int] | None = None,
    ) -> None:
        """`per_event` gets the packed rows of frames. `watched`: the strata whose response times are compared between
        shards (default: all)."""
        self.strata = strata
        self.merged = Merged(strata, watched)
        self.lateness = LatenessMerge(strata, shards)
        self.states = [ShardState(number) for number in range(shards)]
        self.samples: list[SampleRow] = []
        self._listening = Listening()
        self._per_event = per_event
        self._on_cells = on_cells
        self._counted = (0.0, 0, 0, 0)
        """Time (s) and counts of planned, sent and done events when rates were last taken."""
        self._rate = (0.0, 0.0, 0.0)
        self._rates: deque[float] = deque(maxlen=RATES)
        self._live = Live(strata, max(1, round(1 / frame_s)))

    # -- messages -----------------------------------------------------------------------------------------------------

    def ready(self, shard: int, message: Ready, now_ns: int) -> None:
        """Record that a shard has its plan."""
        state = self.states[shard]
        state.ready = message
        state.heard_ns = self._listening.at(now_ns)

    def started(self, now_ns: int) -> None:
        """The shards have started: from now on, missing frames are noticed."""
        heard_ns = self._listening.at(now_ns)
        for state in self.states:
            state.heard_ns = max(state.heard_ns, heard_ns)

    def frame(self, shard: int, frame: Frame, now_ns: int) -> None:
        """Add the counts of a frame. A repeated frame, or one after a later one, is not added."""
        state = self.states[shard]
        if frame.seq <= state.frames:
            return
        if frame.seq != state.frames + 1:
            state.frames_missing = True
        state.frames = frame.seq
        state.first = state.first or frame
        state.frame = frame
        state.heard_ns = self._listening.at(now_ns)
        cells = self.merged.add(shard, frame.tally)
        self.lateness.add(shard, frame.elapsed_ns, frame.lateness)
        self.lateness.settle(min((s.frame.elapsed_ns if s.frame else 0 for s in self.states if not s.ended), default=0))
        self._live.add(shard, cells)
        self._on_cells(cells)
        self.samples.extend(frame.samples)
        for name, take in zip(PerEvent._fields, self._per_event, strict=True):
            if (rows := getattr(frame, name)) and take is not None:
                take(rows)
                setattr(frame, name, b"")  # a frame is kept; its rows are not

    def last(self, shard: int, message: Last, now_ns: int) -> None:
        """Record the last message of a shard."""
        self.frame(shard, message.frame, now_ns)
        state = self.states[shard]
        state.done = True
        state.start_offset_ns = message.start_offset_ns
        state.stopped_ns = message.stopped_ns

    def lose(self, shard: int, reason: str) -> None:
        """Record that a shard is lost."""
        state = self.states[shard]
        if not state.ended:
            state.lost = reason

    def silent(self, now_ns: int) -> list[int]:
        """The shards whose frames are overdue. Call it every LOOK_NS, after all waiting frames were read."""
        listened_ns = self._listening.at(now_ns)
        return [s.number for s in self.states if not s.ended and listened_ns - s.heard_ns > SHARD_SILENCE_NS]

    def descriptors(self) -> int | None:
        """How many connections the shard with the lowest descriptor limit may open; None before any is ready."""
        return min((s.ready.descriptors for s in self.states if s.ready is not None), default=None)

    @property
    def compiled(self) -> bool:
        """Whether every shard that became ready has the compiled step."""
        ready = [state.ready for state in self.states if state.ready is not None]
        return bool(ready) and all(each.compiled for each in ready)

    # -- accounting ---------------------------------------------------------------------------------------------------

    def planned(self) -> list[int]:
        """Number of events that have become due, by stratum."""
        total = [0] * self.strata
        for state in self.states:
            if state.frame is not None:
                total = [a + b for a, b in zip(total, state.frame.planned, strict=True)]
        return total

    def ended(self, strata: Sequence[int]) -> int:
        """How many events of some strata have ended, dropped ones among them, as of the latest frames."""
        return self.merged.counter("ended", strata)

    def extra_unfinished(self) -> list[int]:
        """By stratum: events of lost shards that had become due and not ended, by their last frame."""
        total = [0] * self.strata
        for state in self.states:
            if state.lost and state.frame is not None:
                ended = self.merged.shard_counter(state.number, "ended").tolist()
                total = [t + p - e for t, p, e in zip(total, state.frame.planned, ended, strict=True)]
        return total

    def peak_connections(self) -> int:
        """The sum of the shards' peaks."""
        return sum(s.frame.connections_peak for s in self.states if s.frame is not None)

    # -- the live view ------------------------------------------------------------------------------------------------

    def progress(self, elapsed_s: float) -> Progress:
        """The progress of the run. "The last second" is the time since the last call."""
        frames = [s.frame for s in self.states if s.frame is not None]
        hosts = self._hosts()
        codes = self._live.codes()
        planned = sum(sum(f.planned) for f in frames)
        sent = planned - sum(f.queued for f in frames)
        done = sum(f.ended for f in frames)
        as_of_s = sum(f.elapsed_ns for f in frames) / NS_PER_S / max(len(frames), 1)
        rate_planned, rate_sent, rate_done = self._rates_of(as_of_s, planned, sent, done)
        moments = self.merged.moments(Metric.response, range(self.strata))
        most = math.inf if moments is None else moments.max / NS_PER_MS
        return Progress(
            elapsed_s=elapsed_s,
            planned=planned,
            sent=sent,
            done=done,
            in_flight=sum(f.in_flight for f in frames),
            queued=sum(f.queued for f in frames),
            connections=sum(f.connections for f in frames),
            succeeded=sum(n for code, n in codes.items() if is_success(code)),
            failed_status=sum(n for code, n in codes.items() if code < ERROR_BASE and not is_success(code)),
            errors=sum(n for code, n in codes.items() if ERROR_BASE < code < UNFINISHED),
            rate_planned=rate_planned,
            rate_sent=rate_sent,
            rate_done=rate_done,
            failures=_failures(codes),
            last_second=_latencies(self._live.latest, most),
            total=_latencies(self._live.total, most),
            rates=tuple(self._rates),
            lost_shards=tuple(s.number for s in self.states if s.lost),
            hosts=tuple(self._host(name, hosts[name]) for name in list(hosts)[:MOST_HOSTS]),
            more_hosts=max(0, len(hosts) - MOST_HOSTS),
            as_of_s=as_of_s,
        )

    def _rates_of(self, as_of_s: float, *counts: int) -> tuple[float, float, float]:
        """Per second over about the last second of the shards' own clocks: so that rates do not depend on when they
        are read."""
        at_s, *before = self._counted
        passed_s = as_of_s - at_s
        if passed_s >= 0.9:
            planned, sent, done = ((now - then) / passed_s for now, then in zip(counts, before, strict=True))
            self._rate = (planned, sent, done)
            self._counted = (as_of_s, counts[0], counts[1], counts[2])
            self._rates.append(done)
        return self._rate

    def so_far(self, strata: Sequence[int]) -> SoFar:
        """The counts of some strata by the latest frames."""
        return SoFar(
            response=self.merged.counts(Metric.response, strata),
            codes=self.merged.codes(strata),
            in_flight=sum(s.frame.in_flight for s in self.states if s.frame is not None),
        )

    def _hosts(self) -> dict[str, list[ShardState]]:
        """The shards of each host, hosts with a lost one first."""
        hosts: dict[str, list[ShardState]] = {}
        for state in self.states:
            if state.place:
                hosts.setdefault(state.place, []).append(state)
        return dict(sorted(hosts.items(), key=lambda host: not any(state.lost for state in host[1])))

    def _host(self, name: str, states: Sequence[ShardState]) -> HostProgress:
        frames = [state.frame for state in states if state.frame is not None]
        recent = self._live.latest(Metric.response, [state.number for state in states])
        p50, p99 = _ms(recent, Metric.response, (0.5, 0.99))
        return HostProgress(
            name=name,
            done=sum(frame.ended for frame in frames),
            in_flight=sum(frame.in_flight for frame in frames),
            p50_ms=p50,
            p99_ms=p99,
            lost=any(state.lost for state in states),
        )


def _latencies(counts: Callable[[Metric], Cells], most_ms: float) -> Latencies:
    """`most_ms`: the exact maximum of response times; a bucket may reach beyond it."""
    found = _ms(counts(Metric.response), Metric.response, (0.5, 0.99, 1.0))
    p50, p99, worst = (None if value is None else min(value, most_ms) for value in found)
    (lag,) = _ms(counts(Metric.lag), Metric.lag, (0.99,))
    return Latencies(p50, p99, worst, lag)


def _ms(cells: Cells, metric: Metric, quantiles: Sequence[float]) -> list[float | None]:
    """Quantiles in ms of counts by bucket."""
    running = np.cumsum(cells.counts)
    if not len(running):
        return [None for _ in quantiles]
    places = np.searchsorted(running, [rank(quantile, int(running[-1])) for quantile in quantiles])
    highest = layout(metric).highest_equivalent(cells.keys[places])
    return [value * unit_ns(metric) / NS_PER_MS for value in highest.tolist()]


def _failures(codes: dict[int, int]) -> tuple[tuple[str, int], ...]:
    found = [(kind_name(code), n) for code, n in codes.items() if code < UNFINISHED and not is_success(code)]
    return tuple(sorted(found, key=lambda kind: (-kind[1], kind[0])))
