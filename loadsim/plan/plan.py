"""The Plan: which event is due when, of which type and in which case, for the whole run and for each shard of it.

Open phases get the indexes from 0 upward, in the order of phases; closed phases get those after all open ones. Arrivals
come in blocks of 4,096, so that nothing grows with the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from loadsim.model import Capture
from loadsim.plan.arrivals import Place, process_of
from loadsim.plan.event_kinds import NOTHING_RECORDED, event_kinds
from loadsim.plan.event_mix import Mix
from loadsim.plan.random_draws import BLOCK
from loadsim.plan.scenario import EventMix, Phase, Scenario

GENUINE = "genuine"

Ints = npt.NDArray[np.int64]


class ArrivalBlock(NamedTuple):
    """Arrivals in order of due time, as parallel lists. `due` is ns since the run's start; empty if closed."""

    index: list[int]  # type: ignore[assignment]  # the field's name; tuple.index is not used
    due: list[int]
    stratum: list[int]


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """A phase with its place in the run. Times in ns since the run's start."""

    number: int
    name: str
    model: Literal["open", "closed"]
    start_ns: int
    end_ns: int | None
    """None: the phase ends with its last event."""
    record: bool
    connections: int | None
    """In flight over all shards, in a closed phase."""
    first_index: int
    """The lowest index of an open phase; in a closed phase, the first index of all closed phases."""
    limit: int | None
    """The number of events: exact for open phases (None: Poisson, not counted yet), the most for closed ones."""


def share_of(total: int, shard: int, shards: int) -> int:
    """A shard's part of `total`. Parts differ by at most one, and their sum is `total`."""
    return total // shards + (shard < total % shards)


class Plan:
    """The due time, type and case of every event, from a scenario and a seed (0 <= seed < 2⁶⁴).

    Making one is fast, except where another phase follows a Poisson phase: its events are then counted once (about 15
    ns each), because the next indexes depend on their number.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        pace: Sequence[int] = (),
        recorded: Mapping[str, Capture] = NOTHING_RECORDED,
    ) -> None:
        """`pace` is needed where arrivals are as recorded: the time of each row of the capture, ns since the first.
        `recorded`: the captures, by the type of their `[[events]]`."""
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"a seed lies between 0 and 2**64 - 1, not {seed}")
        self.scenario = scenario
        self.seed = seed
        self.types = tuple(kind.name for kind in event_kinds(scenario.events, recorded))
        self.cases = (GENUINE, *(case.kind for case in scenario.cases))
        self.strata = len(scenario.phases) * len(self.types) * len(self.cases)
        self.model: Literal["open", "closed"] = next(phase.model for phase in scenario.phases if phase.record)
        self._pace = tuple(pace)
        self._recorded = recorded
        self._mix = Mix(scenario, seed, recorded)
        self.phases = self._lay_out()

    @property
    def duration_ns(self) -> int | None:
        """The end of the last phase; None when that ends with its last event."""
        return self.phases[-1].end_ns

    def types_of(self, event: EventMix) -> tuple[str, ...]:
        """The types of the events of one of the `[[events]]`."""
        capture = self._recorded.get(event.type)
        return (event.type,) if capture is None else capture.names

    def stratum(self, phase: int, type_number: int, case: int) -> int:
        """Phase, type and case as one number below `strata`."""
        return (phase * len(self.types) + type_number) * len(self.cases) + case

    def unpack(self, stratum: int) -> tuple[int, int, int]:
        """The inverse of `stratum`: (phase, type, case)."""
        rest, case = divmod(stratum, len(self.cases))
        phase, type_number = divmod(rest, len(self.types))
        return phase, type_number, case

    @property
    def copied(self) -> list[bool]:
        """By stratum: whether its events are several identical deliveries, which bear one trace context."""
        cases = [False, *(bool(case.copies) for case in self.scenario.cases)]
        return [cases[self.unpack(stratum)[2]] for stratum in range(self.strata)]

    def phase_of(self, index: int) -> int:
        """The phase of an open event; the first closed phase for every index behind the open ones."""
        phases = self.phases
        closed = next((phase for phase in phases if phase.model == "closed"), None)
        if closed is not None and index >= closed.first_index:
            return closed.number
        return max((phase for phase in phases if phase.first_index <= index), key=_order).number

    def due_of(self, index: int) -> int | None:
        """When an event is due, ns since the start of the run; None in a closed phase, which plans no times.

        No block before it is made; in a Poisson phase the gaps before it are added up, about 15 ns each. Raises
        IndexError where the plan has no such event.
        """
        planned = self.phases[self.phase_of(index)]
        number = index - planned.first_index
        if planned.model == "closed":
            if planned.limit is not None and number >= planned.limit and self._only_closed(planned):
                raise IndexError(index)
            return None
        phase = self.scenario.phases[planned.number]
        due = process_of(phase).due(phase, self._place(planned.number, planned.first_index), number)
        if due is None:
            raise IndexError(index)
        return planned.start_ns + due

    def _only_closed(self, planned: PlannedPhase) -> bool:
        return all(phase.model == "open" or phase is planned for phase in self.phases)

    def kind_of(self, index: int) -> tuple[int, int]:
        """(type, case) of an event, by its index alone."""
        number = int(self._mix.block(index // BLOCK, self.phase_of(index))[index % BLOCK])
        return divmod(number, len(self.cases))

    def expected_events(self, phase: int) -> float | None:
        """How many events a phase has (for Poisson the mean); None where it depends on the endpoint's speed."""
        planned = self.phases[phase]
        if planned.limit is not None:
            return float(planned.limit)
        of = self.scenario.phases[phase]
        return process_of(of).mean(of) if planned.model == "open" else None

    def count(self, phase: int) -> int | None:
        """How many events a phase has, exactly if it is open, at most if closed; None where it depends on the
        endpoint's speed. Poisson arrivals are counted here if they were not before, about 15 ns each."""
        planned = self.phases[phase]
        if planned.limit is not None or planned.model == "closed":
            return planned.limit
        of = self.scenario.phases[phase]
        return process_of(of).count(of, self._place(phase, planned.first_index))

    def blocks(self, phase: int, shard: int = 0, shards: int = 1, taken: int = 0) -> Iterator[ArrivalBlock]:
        """The arrivals of a shard in one phase, in blocks, of which some may be empty.

        Open: those with index % shards == shard, until the phase ends. Closed: the shard's j-th event, j from `taken`
        (how many it used in closed phases before) upward, has index first_index + j · shards + shard; the blocks end
        after the shard's part of `limit`, or never.
        """
        if not 0 <= shard < shards:
            raise ValueError(f"there is no shard {shard} of {shards}")
        planned = self.phases[phase]
        if planned.model == "closed":
            return self._closed_blocks(planned, shard, shards, taken)
        return self._open_blocks(planned, shard, shards)

    def _lay_out(self) -> tuple[PlannedPhase, ...]:
        phases: dict[int, PlannedPhase] = {}
        starts = _starts(self.scenario.phases)
        index = 0
        numbers = range(len(starts))
        order = sorted(numbers, key=lambda number: self.scenario.phases[number].model == "closed")
        for place, number in enumerate(order):
            phase = self.scenario.phases[number]
            last = place == len(order) - 1
            limit = phase.events if phase.model == "closed" else self._count(number, index, last=last)
            phases[number] = PlannedPhase(
                number=number,
                name=phase.name,
                model=phase.model,
                start_ns=starts[number],
                end_ns=None if phase.duration is None else starts[number] + phase.duration,
                record=phase.record,
                connections=phase.connections,
                first_index=index,
                limit=limit,
            )
            index += limit if phase.model == "open" and limit is not None else 0
        return tuple(phases[number] for number in numbers)

    def _count(self, number: int, first: int, *, last: bool) -> int | None:
        phase = self.scenario.phases[number]
        process = process_of(phase)
        return None if process.random and last else process.count(phase, self._place(number, first))

    def _open_blocks(self, planned: PlannedPhase, shard: int, shards: int) -> Iterator[ArrivalBlock]:
        base = planned.number * len(self.types) * len(self.cases)
        first = planned.first_index
        for due in self._dues(planned):
            mine = slice((shard - first) % shards, None, shards)
            yield ArrivalBlock(
                np.arange(first, first + len(due), dtype=np.int64)[mine].tolist(),
                (due[mine] + planned.start_ns).tolist(),
                (self._mix.of(first, len(due), planned.number)[mine] + base).tolist(),
            )
            first += len(due)

    def _dues(self, planned: PlannedPhase) -> Iterator[Ints]:
        """Due times of an open phase by blocks, ns since its start."""
        phase = self.scenario.phases[planned.number]
        place = self._place(planned.number, planned.first_index)
        return process_of(phase).blocks(phase, place, planned.limit)

    def _place(self, number: int, first: int) -> Place:
        return Place(self.seed, number, first, self._pace)

    def _closed_blocks(self, planned: PlannedPhase, shard: int, shards: int, taken: int) -> Iterator[ArrivalBlock]:
        base = planned.number * len(self.types) * len(self.cases)
        index = planned.first_index + taken * shards + shard
        left = None if planned.limit is None else share_of(planned.limit, shard, shards)
        while left is None or left > 0:
            number, start = divmod(index, BLOCK)
            count = max(0, -(-(BLOCK - start) // shards))
            count = count if left is None else min(count, left)
            mixed = self._mix.block(number, planned.number)[start::shards][:count]
            indexes = np.arange(index, index + count * shards, shards, dtype=np.int64)
            yield ArrivalBlock(indexes.tolist(), [], (mixed + base).tolist())
            index += count * shards
            left = None if left is None else left - count


def _order(phase: PlannedPhase) -> tuple[int, int]:
    """Sort key of a phase by its first index. Of phases with the same first index, all but the last are empty."""
    return phase.first_index, phase.number


def _starts(phases: tuple[Phase, ...]) -> list[int]:
    starts = [0]
    for phase in phases[:-1]:
        starts.append(starts[-1] + (phase.duration or 0))
    return starts
