"""What the strata of a run are called, and which of them belong together.

Decides how a stratum number reads as phase, type and case, and which strata a figure covers. Knows no counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadsim.model import case_kind

Expectation = Literal["accept", "refuse"]


@dataclass(frozen=True)
class Labels:
    """Names, in the order of their numbers: stratum = (phase * types + type) * cases + case.

    `recorded` and `durations_ns` are per phase (durations as they really elapsed; None = unknown or not begun);
    `expects` is per case: whether the endpoint ought to accept or to refuse it. Raises ValueError when lengths differ.
    """

    phases: tuple[str, ...]
    types: tuple[str, ...]
    cases: tuple[str, ...]
    recorded: tuple[bool, ...]
    durations_ns: tuple[int | None, ...]
    model: Literal["open", "closed"]
    expects: tuple[Expectation, ...]

    def __post_init__(self) -> None:
        if not len(self.phases) == len(self.recorded) == len(self.durations_ns):
            raise ValueError("as many phases, recorded flags and durations are needed")
        if len(self.cases) != len(self.expects):
            raise ValueError("as many cases and expectations are needed")

    @property
    def case_kinds(self) -> tuple[str, ...]:
        """The cases, those that are parts of one kind as that kind."""
        return tuple(dict.fromkeys(map(case_kind, self.cases)))

    @property
    def case_parts(self) -> tuple[str, ...]:
        """The cases that are parts of a kind."""
        return tuple(name for name in self.cases if case_kind(name) != name)

    def cases_of(self, name: str) -> list[int]:
        """The numbers of a case, or of all parts of a kind."""
        return [number for number, case in enumerate(self.cases) if name in (case, case_kind(case))]

    @property
    def strata(self) -> int:
        """How many strata there are."""
        return len(self.phases) * len(self.types) * len(self.cases)

    def unpack(self, stratum: int) -> tuple[int, int, int]:
        """Phase, type and case number of a stratum."""
        rest, case = divmod(stratum, len(self.cases))
        phase, type_ = divmod(rest, len(self.types))
        return phase, type_, case

    def select(
        self, *, phase: int | None = None, type_: int | None = None, case: str | None = None, expect: str | None = None
    ) -> list[int]:
        """Strata of a phase, or of all recorded phases; of a type and case (see `cases_of`), or of all cases with an
        expectation."""
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
        """True when some case ought to be refused."""
        return "refuse" in self.expects

    def recorded_ns(self) -> int | None:
        """Time recorded over all phases; None when nothing is known of any."""
        known = [ns for ns, record in zip(self.durations_ns, self.recorded, strict=True) if record and ns is not None]
        return sum(known) if known else None
