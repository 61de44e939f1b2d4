"""Follows objectives during a run: those over windows, and those that may end the run early.

Keeps the counts that each of them needs, and decides when it cannot be met any more. The figures come from `judge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from loadsim.judge.abort import cannot_hold, length_s, reach, why_cannot_hold, why_never_certain
from loadsim.judge.objectives import status_of
from loadsim.judge.vocabulary import EFFECT_METRICS, METRICS
from loadsim.judge.window_objectives import course, selection_of, value_of
from loadsim.judge.without_generator_windows import counted_digits, window_key
from loadsim.launch.collect import Collector
from loadsim.measure.cells import AFTER_RECORDING, Cells, Metric, compact
from loadsim.measure.merged_counts import Merged
from loadsim.measure.result_events import WindowCourse
from loadsim.measure.result_verdict import Aborted
from loadsim.measure.strata import StratumNames
from loadsim.measure.window_counts import Grid, WindowCounts, stretches_of
from loadsim.measure.without_generator_merge import LatenessMerge
from loadsim.measure.without_generator_tally import Kind
from loadsim.model import NS_PER_MS, NS_PER_S, Objective
from loadsim.plan import Plan, PlannedPhase
from loadsim.plan.arrivals import process_of

SURELY_WOKEN_NS = NS_PER_S
"""Within this time after its due time an event is counted as due by the engine, unless the generator is far behind."""


class ObjectiveWatch:
    """All followed objectives. Call `add` and `check` after each frame, `courses` at the end of the run."""

    def __init__(self, plan: Plan, names: StratumNames, objectives: Iterable[Objective]) -> None:
        self._plan = plan
        self._watched = [
            _Watched(plan, names, objective)
            for objective in objectives
            if (objective.abort and objective.metric not in EFFECT_METRICS) or objective.window_ns
        ]

    def powerless(self) -> list[str]:
        """Messages on objectives with `abort` that can never be certain before the end of the run, with the reason."""
        asked = [each.objective for each in self._watched if each.objective.abort]
        found = [(objective.text, why_never_certain(objective, self._plan)) for objective in asked]
        return [f"{text!r} cannot end this run early: {why}" for text, why in found if why]

    def count_windows(self, lateness: LatenessMerge) -> None:
        """Have the windows of these objectives counted for the second look too; to be said before the first frame."""
        for each in self._watched:
            each.count_windows(lateness)

    def add(self, cells: Cells) -> None:
        """Add the compacted cells of a frame."""
        for each in self._watched:
            each.add(cells)

    def check(self, collector: Collector) -> Aborted | None:
        """The first objective with `abort` that cannot be met any more."""
        if not any(each.objective.abort for each in self._watched):
            return None
        heard = [state.frame.elapsed_ns for state in collector.states if state.frame is not None and not state.lost]
        if len(heard) < sum(not state.lost for state in collector.states) or not heard:
            return None
        for each in self._watched:
            why = each.check(collector, min(heard)) if each.objective.abort else ""
            if why:
                return Aborted(objective=each.objective.text, at_s=max(heard) / NS_PER_S, why=why)
        return None

    def courses(self, stopped_ns: int, merged: Merged) -> list[WindowCourse]:
        """What every objective over windows looked at, each figure once."""
        found = [each.course(stopped_ns, merged) for each in self._watched if each.grid is not None]
        return list({(one.figure, one.width_s): one for one in found}.values())


class _Watched:
    def __init__(self, plan: Plan, names: StratumNames, objective: Objective) -> None:
        self.objective = objective
        named = dict(objective.tags).get("phase")
        self._phases = [phase for phase in plan.phases if (phase.record if named is None else phase.name == named)]
        wanted = {phase.number for phase in self._phases}
        self._strata = [number for number in range(plan.strata) if plan.unpack(number)[0] in wanted]
        self._plan = plan
        self.grid: Grid | None = None
        if objective.window_ns is not None:
            rows = [(phase.start_ns, phase.end_ns, phase in self._phases) for phase in plan.phases]
            self.grid = Grid(stretches_of(rows), objective.window_ns)
        self._selection = found = selection_of(objective, names)
        self._metric, strata, parts = found
        self._counts = WindowCounts(self._metric, strata, self.grid, parts)
        self._cut_off = None if found.cut_off is None else WindowCounts(*found[:2], self.grid, found.cut_off.parts)
        self._after_end: WindowCounts | None = None
        """Answers after the end of recording, which a rate does not count."""
        if objective.metric == "events" and objective.aggregation == "rate" and self.grid is None:
            self._after_end = WindowCounts(Metric.after_end, strata, None)
        self._of_phase = named is not None
        self._expected = _expected(plan, self._phases) if objective.abort and self.grid is None else None
        self._ended = 0
        """Number of complete windows."""
        self._changed: set[int] = set()
        self._doubtful: set[int] = set()
        """Windows in which the objective is not met by the events so far."""

    def count_windows(self, lateness: LatenessMerge) -> None:
        objective, strata = self.objective, self._selection.strata
        if self.grid is None:
            return
        if objective.metric in ("response", "service"):
            kind = Kind[objective.metric]
            lateness.watch(window_key(objective), self.grid, kind, strata, status_of(objective) or "")
        elif METRICS[objective.metric] != "trend":
            lateness.watch_counts(window_key(objective), self.grid, strata, counted_digits(objective))

    def add(self, cells: Cells) -> None:
        self._changed |= self._counts.add(cells)
        if self._cut_off is not None:
            self._cut_off.add(cells)
        if self._after_end is not None:
            self._after_end.add(cells)

    def course(self, stopped_ns: int, merged: Merged) -> WindowCourse:
        if self.grid is None:
            raise ValueError("the objective is over the whole run")
        whole = self.grid.whole(stopped_ns)
        parts = {number: self._counts.of(number) for number in whole}
        cut_off = {} if self._cut_off is None else {number: self._cut_off.of(number) for number in whole}
        return course(self.objective, self.grid, parts, stopped_ns, cut_off, self._ceiling_ms(merged))

    def _ceiling_ms(self, merged: Merged) -> float:
        """The exact maximum so far; inf where there is none."""
        found = None if self._metric is Metric.ended else merged.moments(*self._selection)
        return math.inf if found is None else found.max / NS_PER_MS

    def check(self, collector: Collector, elapsed_ns: int) -> str:
        """Why the objective cannot be met any more; empty while it can. All shards have reported until `elapsed_ns`."""
        if self.grid is None:
            return self._look_at_all(collector)
        over = len(self.grid.whole(elapsed_ns))
        self._changed |= set(range(self._ended, over))
        self._ended = over
        for number in self._changed:
            doubted = cannot_hold(self.objective, *self._reach(number, 0, collector.merged))
            (self._doubtful.add if doubted else self._doubtful.discard)(number)
        self._changed.clear()
        for number in sorted(self._doubtful):
            to_come = self._to_come(number, collector, elapsed_ns)
            bounds = self._reach(number, to_come, collector.merged)
            if cannot_hold(self.objective, *bounds):
                start, end = (ns / NS_PER_S for ns in (self.grid.start_ns(number), self.grid.end_ns(number)))
                return why_cannot_hold(self.objective, *bounds, to_come, f" in the window from {start:g} to {end:g} s")
        return ""

    def _look_at_all(self, collector: Collector) -> str:
        to_come = None
        if self._expected is not None:
            to_come = max(0, self._expected - collector.ended(self._strata))
        counted = self._counts.of(0)
        if self._after_end is not None:
            counted = without_after_end(counted, self._after_end.of(0), of_phase=self._of_phase)
        bounds = reach(self.objective, counted, to_come, length_s(self._phases))
        return why_cannot_hold(self.objective, *bounds, to_come) if cannot_hold(self.objective, *bounds) else ""

    def _reach(self, number: int, to_come: int | None, merged: Merged) -> tuple[float, float]:
        cells, width_s = self._counts.of(number), (self.objective.window_ns or 0) / NS_PER_S
        if to_come == 0:  # as it will be judged
            value, _ = value_of(self.objective, cells, width_s, self._ceiling_ms(merged))
            return (-math.inf, math.inf) if value is None else (value, value)
        return reach(self.objective, cells, to_come, width_s)

    def _to_come(self, number: int, collector: Collector, elapsed_ns: int) -> int | None:
        """Largest number of events that may still be added to a window."""
        assert self.grid is not None  # noqa: S101 - asked of windows only
        start_ns, end_ns = self.grid.start_ns(number), self.grid.end_ns(number)
        if self._metric is Metric.ended:
            return 0 if elapsed_ns >= end_ns else None
        bounds = []
        most = _most_due(self._plan, self._phases, start_ns, end_ns)
        if most is not None:
            bounds.append(max(0, most - int(self._counts.of(number).counts.sum())))
        if elapsed_ns >= end_ns + SURELY_WOKEN_NS:
            bounds.append(sum(state.frame.in_flight for state in collector.states if state.frame is not None))
        return min(bounds, default=None)


def without_after_end(ended: Cells, after_end: Cells, *, of_phase: bool) -> Cells:
    """Outcomes by code without the answers after the end of recording (keys as of `Metric.after_end`)."""
    mine = np.ones(len(after_end.keys), dtype=np.bool) if of_phase else after_end.keys >= AFTER_RECORDING
    gone = Cells(after_end.keys[mine] % AFTER_RECORDING, -after_end.counts[mine])
    return compact([ended, gone])


def _expected(plan: Plan, phases: Sequence[PlannedPhase]) -> int | None:
    """Largest number of events in the phases; None where it depends on the endpoint's speed."""
    counts = [plan.count(phase.number) for phase in phases]
    return None if None in counts else sum(count for count in counts if count is not None)


def _most_due(plan: Plan, phases: Sequence[PlannedPhase], start_ns: int, end_ns: int) -> int | None:
    """A bound on how many events are due between two instants; None where there is none."""
    most = 0
    for planned in phases:
        phase = plan.scenario.phases[planned.number]
        begin, end = max(start_ns, planned.start_ns), min(end_ns, planned.end_ns or end_ns)
        if begin >= end:
            continue
        bound = None if planned.model == "closed" else process_of(phase).most(phase, end - begin)
        if bound is None:
            return None
        most += bound
    return most
