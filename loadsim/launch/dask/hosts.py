"""The state of the hosts of a run: ready, running, done or lost. Messages and instants are arguments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadsim.child_processes import ending
from loadsim.engine.silence_clock import Listening
from loadsim.launch.launcher import Intake
from loadsim.launch.liveness import HOST_SILENCE_NS
from loadsim.model import NS_PER_S


@dataclass
class Host:
    """One host of the run: its worker and its state."""

    number: int
    label: str
    worker: str
    shards: list[int] = field(default_factory=list)
    heard_ns: int = 0
    """By the clock of `Listening`."""
    up: bool = False
    lost: str = ""


class Hosts:
    """All hosts. `intake` gets the messages of their shards."""

    def __init__(self, places: Sequence[tuple[str, str]], shards: int) -> None:
        """`places`: (label, worker) of each host, over which the shards are spread evenly."""
        self.all = [Host(number, *place) for number, place in enumerate(places)]
        for number in range(shards):
            self.all[number % len(self.all)].shards.append(number)
        self.intake: Intake
        self._listening = Listening()
        self.say: Callable[[str], None] = lambda _: None
        self.up = asyncio.Event()
        """Set when every host is up, or one was lost."""
        self.news = asyncio.Event()
        """Set when a shard has ended."""

    def take_up(self, intake: Intake) -> None:
        """Assign the hosts to a run."""
        self.intake = intake
        for host in self.all:
            for number in host.shards:
                intake.collector.states[number].place = host.label

    @property
    def living(self) -> list[Host]:
        """The hosts that are not lost."""
        return [host for host in self.all if not host.lost]

    @property
    def busy(self) -> list[Host]:
        """The hosts with a shard that has neither ended nor been lost."""
        states = self.intake.collector.states
        return [host for host in self.all if not host.lost and not all(states[n].ended for n in host.shards)]

    def of_shard(self, shard: int) -> Host:
        """The host that a shard is on."""
        return self.all[shard % len(self.all)]

    def started(self, now_ns: int) -> None:
        """The run has started: from now on, missing messages are noticed."""
        heard_ns = self._listening.at(now_ns)
        for host in self.all:
            host.heard_ns = max(host.heard_ns, heard_ns)

    def hear(self, word: dict[str, Any], now_ns: int) -> None:
        """Process a message of a host (`host_shards.Say`)."""
        host = self.all[word["host"]]
        host.heard_ns = self._listening.at(now_ns)
        if not host.up:
            host.up = True
            if all(each.up for each in self.all):
                self.up.set()
        if host.lost or "shard" not in word:
            return
        state = self.intake.collector.states[word["shard"]]
        if "data" in word:
            self.intake.take(state.number, word["data"])
        else:
            self.intake.lose(state.number, f"the process ended with {ending(word['code'])}")
        if state.ended:
            self.news.set()

    def check(self, now_ns: int) -> None:
        """Give up hosts without a message for too long."""
        listened_ns = self._listening.at(now_ns)
        for host in self.busy:
            if listened_ns - host.heard_ns > HOST_SILENCE_NS:
                self.lose(host, f"no message from it for {HOST_SILENCE_NS / NS_PER_S:g} s")

    def lose(self, host: Host, reason: str, *, tell: bool = True) -> None:
        """Record that a host is lost; its shards that ended before stay ended."""
        if host.lost:
            return
        if tell and host in self.busy:
            self.say(f"{host.label} was lost: {reason}")
        host.lost = reason
        self.up.set()
        self.news.set()
        for number in host.shards:
            self.intake.lose(number, reason)

    def count_lost(self) -> int:
        """Number of hosts with a lost shard."""
        return len({state.place for state in self.intake.collector.states if state.lost})
