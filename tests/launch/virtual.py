"""Whole runs on virtual time: the code of a shard, of its launching and of the result, against a scripted endpoint.

What a process, a socket and a clock would do comes from `loadsim.engine.scripted_endpoint`; everything between is as it
is. A run of minutes is over at once, and exact on any machine.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from loadsim.cases import case_rules
from loadsim.engine import shard
from loadsim.engine.engine import Engine
from loadsim.engine.messages import FromShard, Start, Stop, assignments, encode
from loadsim.engine.scripted_endpoint import START_NS, Reply, ScriptedPacer, ScriptedTransport, VirtualLoop
from loadsim.engine.shard import ShardRun
from loadsim.engine.transport_interface import Transport
from loadsim.judge import evaluate, objectives_of, vocabulary_of_scenario
from loadsim.launch import run_lifecycle
from loadsim.launch.launcher import Beginning, Intake
from loadsim.measure.result import RunResult
from loadsim.model import NS_PER_MS, Secret
from loadsim.plan import HttpVersion, RunSpec, Target, from_document
from loadsim.receiver.fault_plan import Queue

TYPE = "desktop.app_tracking.captured"
LENGTH = 4
"""Of what stands before a message."""
LEAD_NS = 50 * NS_PER_MS


class RunLoop(VirtualLoop):
    """A VirtualLoop on which what would go to a thread is done at once."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """See AbstractEventLoop."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)
        return future


class OneShard:
    """A Launcher of one shard in this process."""

    def __init__(self, workers: int = 1) -> None:
        self.say: Callable[[str], None] = lambda _: None
        self.offered = 1
        self._reader: asyncio.StreamReader
        self._shard: asyncio.Task[None] | None = None

    async def reserve(self, most: int) -> int:
        """See Launcher."""
        return 1

    async def check_endpoint(self, target: Target, key_password: Secret | None) -> HttpVersion:
        """See Launcher."""
        return "1.1"

    async def start(self, spec: RunSpec, shards: int, intake: Intake, on_ready: Callable[[], None]) -> Beginning:
        """See Launcher."""
        (plan,) = assignments(spec, shards)
        self._reader = asyncio.StreamReader()

        def hear(message: FromShard) -> None:
            intake.take(0, encode(message)[LENGTH:])

        self._shard = asyncio.create_task(ShardRun(plan, self._reader, hear, _no_keys).run())
        await intake.ready()
        on_ready()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        begin = loop.now_ns() + LEAD_NS
        self._reader.feed_data(encode(Start(begin)))
        return Beginning(begin, begin)

    async def wait(self) -> None:
        """See Launcher."""
        assert self._shard is not None
        await self._shard

    async def stop(self, *, drain: bool) -> None:
        """See Launcher."""
        self._reader.feed_data(encode(Stop(drain)))

    async def close(self) -> None:
        """See Launcher."""
        if self._shard is not None:
            self._shard.cancel()
            await asyncio.gather(self._shard, return_exceptions=True)


def _no_keys(_: RunSpec) -> RunSpec:
    raise AssertionError("the plan brings its secret")


Answer = Callable[[int, int], Any]
"""As a `Script` of the scripted transport."""


@contextmanager
def virtual_shards(monkeypatch: pytest.MonkeyPatch, script: Answer, misses: Sequence[int] = ()) -> Iterator[RunLoop]:
    """A loop on which shards run by `script`, and miss their wake-ups by `misses`, while the context lasts."""
    loop = RunLoop()

    def transport(*_: object) -> Transport:
        return ScriptedTransport(loop, script)

    clock = SimpleNamespace(monotonic_ns=loop.now_ns, time_ns=loop.now_ns, process_time=lambda: 0.0)

    def nothing() -> None:
        """This process goes on: its collector stays as it is."""

    for module, name, value in (
        (shard, "make_transport", transport),
        (shard, "best_pacer", lambda _: ScriptedPacer(loop, misses)),
        (shard, "Engine", functools.partial(Engine, clock=loop.now_ns, wall=loop.now_ns)),
        (shard, "monotonic_ns", loop.now_ns),
        (shard, "time", clock),
        (shard, "gc", SimpleNamespace(collect=nothing, freeze=nothing, disable=nothing)),
        (run_lifecycle, "time", clock),
    ):
        monkeypatch.setattr(module, name, value)
    try:
        yield loop
    finally:
        loop.close()


def run_virtually(
    monkeypatch: pytest.MonkeyPatch,
    document: dict[str, Any],
    script: Answer,
    *,
    misses: Sequence[int] = (),
    away: Sequence[tuple[int, int]] = (),
) -> RunResult:
    """The judged result of a scenario against a scripted endpoint. `away`: when the shard is frozen, ns since the start
    of the run."""
    scenario = from_document(
        {"name": "virtual", "events": [{"type": TYPE}], **document}, "test", known_cases=case_rules()
    )
    objectives = objectives_of(scenario.objectives, vocabulary_of_scenario(scenario))
    spec = RunSpec(scenario=scenario, seed=1, secret=Secret("whsec_test"), run_id="run", objectives=objectives)
    with virtual_shards(monkeypatch, script, misses) as loop:
        for start, end in away:
            loop.freeze(START_NS + LEAD_NS + start, START_NS + LEAD_NS + end)
        result = loop.run_until_complete(run_lifecycle.Run(spec, OneShard()).execute())
    return evaluate(result, objectives, scenario.validity)


def limited_to(slots: int, delay_ms: int) -> Answer:
    """The script of an endpoint that serves so many events at a time, each for so long: slots / delay per second."""
    queue = Queue(slots)
    return lambda _, now_ns: Reply(queue.finish(now_ns, delay_ms * NS_PER_MS) - now_ns)
