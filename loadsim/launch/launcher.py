"""The interface of launchers, which start the shards of a run, and the handling of the shards' messages.

`local_shards` and `dask` implement it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

from loadsim.engine.messages import Failed, Frame, Last, Ready, from_shard
from loadsim.exit_codes import Exit
from loadsim.launch.collect import Collector
from loadsim.model import LoadsimError, Secret, UnreachableError, UsageError, own_fault
from loadsim.plan import HttpVersion, RunSpec, Target

READY_S = 30.0
_ERRORS: dict[int, type[LoadsimError]] = {Exit.error: UnreachableError, Exit.usage: UsageError}


class Intake:
    """Receives the messages of all shards, for every launcher."""

    def __init__(self, collector: Collector, on_frame: Callable[[], None]) -> None:
        self.collector = collector
        self._on_frame = on_frame
        self._settled = asyncio.Event()
        self._failure: LoadsimError | None = None

    def take(self, number: int, data: bytes) -> bool:
        """Process one message of a shard, without its length. False where it cannot be processed: the shard is then
        lost."""
        try:
            self._take(number, data)
        except Exception as error:  # noqa: BLE001 - messages of the other shards must still be processed
            self.lose(number, f"its message cannot be processed: {own_fault(error)}")
            return False
        return True

    def _take(self, number: int, data: bytes) -> None:
        now = time.monotonic_ns()
        message = from_shard.decode(data)
        if self.collector.states[number].ended:
            return  # it was given up, and its counts are final
        if isinstance(message, Ready):
            self.collector.ready(number, message, now)
        elif isinstance(message, Frame):
            self.collector.frame(number, message, now)
            self._on_frame()
        elif isinstance(message, Last):
            self.collector.last(number, message, now)
            self._on_frame()
        elif isinstance(message, Failed):
            place = self.collector.states[number].place
            text = f"{place}: {message.text}" if place else message.text
            self._failure = _ERRORS.get(message.exit_code, LoadsimError)(text)
            self.collector.lose(number, message.text)
        self._look()

    def lose(self, number: int, reason: str) -> None:
        """Record that a shard will send nothing more."""
        self.collector.lose(number, reason)
        if self.collector.states[number].ready is None and self._failure is None:
            self._failure = LoadsimError(f"a shard was lost before it was ready: {reason}")
        self._look()

    async def ready(self) -> None:
        """Wait until every shard has its plan. Raises the error of a shard that failed before."""
        try:
            await asyncio.wait_for(self._settled.wait(), READY_S)
        except TimeoutError:
            missing = [state for state in self.collector.states if state.ready is None]
            where = ", ".join(dict.fromkeys(state.place for state in missing if state.place))
            on = f" on {where}" if where else ""
            raise LoadsimError(f"a shard process{on} was not ready within {READY_S:g} s") from None
        if self._failure is not None:
            raise self._failure

    def _look(self) -> None:
        if not self._settled.is_set() and (
            self._failure is not None or all(state.ready for state in self.collector.states)
        ):
            self._settled.set()


class Beginning(NamedTuple):
    """One instant, the agreed start, on this machine's two clocks, in ns."""

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def ahead(cls, lead_ns: int) -> Self:
        """An instant this far from now. Both clocks are read here, so that a later change of the wall clock has no
        effect."""
        return cls(time.time_ns() + lead_ns, time.monotonic_ns() + lead_ns)


class Launcher(Protocol):
    """Starts the shards of one run, receives their messages, and ends them."""

    say: Callable[[str], None]
    """Called with lines that the user should see during the run."""

    offered: int
    """Number of shards that it would start for a plan that can be divided freely."""

    async def reserve(self, most: int) -> int:
        """Number of shards that will be started, at most `most`. Raises LoadsimError when there can be none."""

    async def check_endpoint(self, target: Target, key_password: Secret | None) -> HttpVersion:
        """Check from the places of the shards that the endpoint can be reached, and what it agrees to speak. Raises
        UnreachableError."""

    async def start(self, spec: RunSpec, shards: int, intake: Intake, on_ready: Callable[[], None]) -> Beginning:
        """Start every shard of the run, wait until all are ready, agree on the start, and return it.

        Raises the error of a shard that failed before the start.
        """

    async def wait(self) -> None:
        """Wait until every shard is done or lost; silent ones are given up."""

    async def stop(self, *, drain: bool) -> None:
        """Tell every shard to release nothing more."""

    async def close(self) -> None:
        """End all shards."""
