"""Keeps samples of what an endpoint answered, or of the reason of no answer, where there are few of their kind."""

from __future__ import annotations

from collections.abc import Sequence

from loadsim.engine.arrivals import Waiting
from loadsim.engine.pacer import Clock
from loadsim.engine.transport_interface import Connection
from loadsim.measure.result_events import SampleRow
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import ERROR_BASE, kind_name
from loadsim.plan import Plan

SAMPLES_PER_CODE = 3
"""So many are kept of each failing status or error kind in each case."""


class Samples:
    """The samples of one shard, in the form of the result. `start_ns`: when the run started, ns of the clock."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._plan, self._clock = plan, clock
        self.start_ns = 0
        self._rows: list[SampleRow] = []
        self._cases = len(plan.cases)
        self._seen: dict[int, int] = {}

    def take(self) -> list[SampleRow]:
        """The samples since the last call."""
        taken, self._rows = self._rows, []
        return taken

    def of_connection(self, connection: Connection, event: Waiting, code: int, now: int) -> None:
        """Keep the answer that this connection had at `now`, or its error."""
        if not self._wanted(code, event[1]):
            return
        if code < ERROR_BASE:
            headers, body = connection.raw_response()
            self._keep(event, code, now, headers, body)
        else:
            self.show(event, code, connection.error_text())

    def note(self, event: Waiting, code: int, text: str) -> None:
        """Keep the reason of no answer."""
        if self._wanted(code, event[1]):
            self.show(event, code, text)

    def show(self, event: Waiting, code: int, text: str) -> None:
        """Keep the reason, however many there are of its kind."""
        self._keep(event, code, self._clock(), error=text)

    def _wanted(self, code: int, stratum: int) -> bool:
        """Whether there are less than SAMPLES_PER_CODE of this failing status or error kind in its case.

        By case, so that expected refusals do not use up the samples of others.
        """
        key = code * self._cases + stratum % self._cases
        seen = self._seen.get(key, 0)
        if seen >= SAMPLES_PER_CODE:
            return False
        self._seen[key] = seen + 1
        return True

    def _keep(
        self,
        event: Waiting,
        code: int,
        now: int,
        headers: Sequence[tuple[str, str]] = (),
        body: str = "",
        error: str = "",
    ) -> None:
        _, type_number, case = self._plan.unpack(event[1])
        row = SampleRow(
            kind=kind_name(code),
            index=event[0],
            type=self._plan.types[type_number],
            t_s=max(0, now - self.start_ns) / NS_PER_S,
            headers=list(headers),
            body=body,
            error=error,
            case=self._plan.cases[case],
        )
        self._rows.append(row)
