"""Follows the attempts at an endpoint, and decides when a provider's rule switches it off. Time is an argument."""

from __future__ import annotations

from collections import deque

from loadsim.model import NS_PER_S
from loadsim.plan.providers import SwitchOff
from loadsim.plan.retry_schedule import GONE

_PARTS = 60
"""Number of parts of a window. A window counts once it is complete."""


class EndpointWatch:
    """The endpoint's record. Instants in ns of one clock; they may be a little out of order."""

    def __init__(self, rule: SwitchOff) -> None:
        self._rule = rule
        self._failing_since: int | None = None
        self._given_up = 0
        self._first: int | None = None
        self._window: deque[list[int]] = deque()
        """By part of the window: its number, attempts, attempts that were answered well."""
        self.why = ""
        """Why the provider has switched the endpoint off, in words; empty while it has not."""

    def answered(self, code: int, ok: bool, now: int) -> None:
        """Record the end of an attempt, successful or not."""
        rule = self._rule
        if ok:
            self._failing_since, self._given_up = None, 0
        elif self._failing_since is None:
            self._failing_since = now
        elif rule.failing_ns is not None and now - self._failing_since >= rule.failing_ns:
            self._switch_off(f"every attempt had failed for {rule.failing_ns / NS_PER_S:g} s")
        if rule.gone and code == GONE:
            self._switch_off("it answered 410 Gone")
        if rule.share is not None:
            self._count(rule.share, ok, now)

    def gave_up(self) -> None:
        """Record an event whose last attempt failed."""
        self._given_up += 1
        if self._rule.given_up is not None and self._given_up >= self._rule.given_up:
            many = self._given_up
            self._switch_off("an event was given up" if many == 1 else f"{many} events in a row were given up")

    def _count(self, share: float, ok: bool, now: int) -> None:
        if self._first is None:
            self._first = now
        part = now * _PARTS // max(1, self._rule.window_ns)
        window = self._window
        if not window or part > window[-1][0]:
            window.append([part, 0, 0])
        window[-1][1] += 1
        window[-1][2] += ok
        while window[0][0] <= part - _PARTS:
            window.popleft()
        if now - self._first >= self._rule.window_ns:
            attempts, well = sum(row[1] for row in window), sum(row[2] for row in window)
            if well < share * attempts:
                span = self._rule.window_ns / NS_PER_S
                self._switch_off(f"{well:,} of {attempts:,} attempts were answered well within {span:g} s")

    def _switch_off(self, why: str) -> None:
        self.why = self.why or why
