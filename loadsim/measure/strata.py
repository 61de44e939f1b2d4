"""Names of the strata of a run. A stratum is one phase, event type and case, numbered together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from loadsim.model import case_kind

Expectation = Literal["accept", "refuse"]


@dataclass(frozen=True)
class StratumNames:
    """Names of phases, types and cases by number: stratum = (phase * types + type) * cases + case.

    `recorded` and `durations_ns` are per phase (durations as they really elapsed; None = unknown or not begun).
    `expects` says for each case whether the endpoint should accept or refuse it. Raises ValueError when lengths differ.
    """

    phases: tuple[str, ...]
    types: tuple[str, ...]
    cases: tuple[str, ...]
    recorded: tuple[bool, ...]
    durations_ns: tuple[int | None, ...]
    expects: tuple[Expectation, ...]

    def __post_init__(self) -> None:
        if not len(self.phases) == len(self.recorded) == len(self.durations_ns):
            raise ValueError("as many phases, recorded flags and durations are needed")
        if len(self.cases) != len(self.expects):
            raise ValueError("as many cases and expectations are needed")

    @property
    def case_kinds(self) -> tuple[str, ...]:
        """The kinds of cases; parts of one kind are listed once, under the kind."""
        return tuple(dict.fromkeys(map(case_kind, self.cases)))

    @property
    def case_parts(self) -> tuple[str, ...]:
        """The cases that are a part of a kind, such as one published key."""
        return tuple(name for name in self.cases if case_kind(name) != name)

    def cases_of(self, name: str) -> list[int]:
        """The numbers of a case, or of all parts of a kind of cases."""
        return [number for number, case in enumerate(self.cases) if name in (case, case_kind(case))]

    @property
    def strata(self) -> int:
        """The number of strata."""
        return len(self.phases) * len(self.types) * len(self.cases)

    def unpack(self, stratum: int) -> tuple[int, int, int]:
        """Phase, type and case number of a stratum."""
        rest, case = divmod(stratum, len(self.cases))
        phase, type_ = divmod(rest, len(self.types))
        return phase, type_, case

    def select(
        self, *, phase: int | None = None, type_: int | None = None, case: str | None = None, expect: str | None = None
    ) -> list[int]:
        """The strata of a phase (default: all recorded phases), a type (default: all), a case (see `cases_of`; default:
        all) and an expectation (default: any)."""
        cases = range(len(self.cases)) if case is None else self.cases_of(case)

        def belongs(stratum: int) -> bool:
            p, t, c = self.unpack(stratum)
            return (
                (self.recorded[p] if phase is None else p == phase)
                and type_ in (None, t)
                and c in cases
                and expect in (None, self.expects[c])
            )

        return [stratum for stratum in range(self.strata) if belongs(stratum)]

    @property
    def refusals(self) -> bool:
        """True when the endpoint should refuse some case."""
        return "refuse" in self.expects

    @property
    def stretches_ns(self) -> tuple[tuple[int, int], ...]:
        """Start and end of each phase, ns since the start of the run. Phases of unknown duration are empty."""
        ends = tuple(accumulate(ns or 0 for ns in self.durations_ns))
        return tuple(pairwise((0, *ends)))

    def recorded_ns(self) -> int | None:
        """Recorded time of all phases together; None when no duration is known."""
        known = [ns for ns, record in zip(self.durations_ns, self.recorded, strict=True) if record and ns is not None]
        return sum(known) if known else None
