"""The simulations of this session: sent, kept to look at, sent again.

Decides how much of them is kept. A kept delivery holds its signer, which never leaves this process.
"""

from __future__ import annotations

import datetime
import time
from collections import deque
from dataclasses import dataclass, replace

from loadsim.model import NS_PER_S
from loadsim.report.panel import Simulation
from loadsim.single.prepare import Delivery, deliver

KEPT = 100
"""Simulations."""
KEPT_BYTES = 64_000
"""Of a response's body."""


@dataclass(frozen=True)
class Sent:
    """One simulation of this session. `again` is the number of the one that it repeats."""

    number: int
    at_ns: int
    delivery: Delivery
    simulation: Simulation
    again: int | None = None

    @property
    def at(self) -> datetime.datetime:
        """When it was signed, UTC."""
        return datetime.datetime.fromtimestamp(self.at_ns / NS_PER_S, datetime.UTC)


class Desk:
    """Sends, and remembers the latest."""

    def __init__(self) -> None:
        self._sent: deque[Sent] = deque(maxlen=KEPT)
        self._number = 0

    def newest_first(self) -> list[Sent]:
        """What is remembered."""
        return list(reversed(self._sent))

    def find(self, number: int) -> Sent | None:
        """The simulation of this number; None when it was never sent or is forgotten."""
        return next((sent for sent in self._sent if sent.number == number), None)

    async def send(self, delivery: Delivery, again: int | None = None) -> Sent:
        """Sign as of now, and send. Raises UsageError when a file of the target's cannot be used."""
        now_ns = time.time_ns()
        simulation = _cut(await deliver(delivery, now_ns))
        self._number += 1
        sent = Sent(self._number, now_ns, delivery, simulation, again)
        self._sent.append(sent)
        return sent


def _cut(simulation: Simulation) -> Simulation:
    answer = simulation.answer
    if answer is None or len(answer.body) <= KEPT_BYTES:
        return simulation
    return replace(simulation, outcome=replace(answer, body=answer.body[:KEPT_BYTES], truncated=True))
