"""The simulations that this dashboard sent, so that they can be shown and sent again.

An entry holds its delivery with the signer; the secret never leaves this process.
"""

from __future__ import annotations

import datetime
import time
from collections import deque
from dataclasses import dataclass, replace

from loadsim.model import NS_PER_S
from loadsim.single.prepare import PreparedDelivery, deliver
from loadsim.single.result import Simulation

MOST_SIMULATIONS = 100
"""Number of simulations that are kept."""
LARGEST_RESPONSE = 64_000
"""Bytes of a response body that are kept."""


@dataclass(frozen=True)
class SentSimulation:
    """One sent simulation. `again` is the number of the simulation that it repeats."""

    number: int
    at_ns: int
    delivery: PreparedDelivery
    simulation: Simulation
    again: int | None = None

    @property
    def at(self) -> datetime.datetime:
        """When it was signed, UTC."""
        return datetime.datetime.fromtimestamp(self.at_ns / NS_PER_S, datetime.UTC)


class SentSimulations:
    """Sends simulations and keeps the latest of them."""

    def __init__(self) -> None:
        self._sent: deque[SentSimulation] = deque(maxlen=MOST_SIMULATIONS)
        self._number = 0

    def newest_first(self) -> list[SentSimulation]:
        """The kept simulations."""
        return list(reversed(self._sent))

    def find(self, number: int) -> SentSimulation | None:
        """The simulation with this number; None when there is none, or it is no longer kept."""
        return next((sent for sent in self._sent if sent.number == number), None)

    async def send(self, delivery: PreparedDelivery, again: int | None = None) -> SentSimulation:
        """Sign with the present time and send. Raises UsageError when a file that the target names cannot be used."""
        now_ns = time.time_ns()
        simulation = _shortened(await deliver(delivery, now_ns))
        self._number += 1
        sent = SentSimulation(self._number, now_ns, delivery, simulation, again)
        self._sent.append(sent)
        return sent


def _shortened(simulation: Simulation) -> Simulation:
    answer = simulation.answer
    if answer is None or len(answer.body) <= LARGEST_RESPONSE:
        return simulation
    return replace(simulation, outcome=replace(answer, body=answer.body[:LARGEST_RESPONSE], truncated=True))
