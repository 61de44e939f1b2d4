"""The watch over the effects of one run, from its specification to its result."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec

from loadsim.launch.run_lifecycle import Run
from loadsim.measure.result import RunResult
from loadsim.model import LoadsimError
from loadsim.plan import RunSpec
from loadsim.run.effects.choice import source_of
from loadsim.run.effects.watch import EffectsWatch
from loadsim.run.reconcile import ids_of_run, register_at

if TYPE_CHECKING:
    from loadsim.receiver.embedded import RunningReceiver


async def watch_of(spec: RunSpec, receiver: RunningReceiver | None) -> EffectsWatch | None:
    """The watch over a run's effects; None where it has none. `receiver`: the embedded one, if there is one.

    The run is registered at the source, so that it is not read before. Raises UsageError for a source that cannot be
    used.
    """
    effects = spec.scenario.effects
    if effects is None:
        return None
    embedded_url = None if receiver is None else receiver.effects_url
    source = await asyncio.to_thread(source_of, effects, spec.run_id, time.time_ns(), embedded_url)
    if effects.source == "http":
        with contextlib.suppress(LoadsimError):  # the companion receiver needs it; others show it when they are read
            if effects.url is not None:
                await register_at(effects.url, spec.run_id)
            elif receiver is not None:
                receiver.register(spec.run_id)
    return EffectsWatch(effects, source, ids_of_run(spec.run_id, spec.seed, spec.plan().types), spec.objectives)


@contextlib.asynccontextmanager
async def looking(effects: EffectsWatch | None, run: Run) -> AsyncIterator[None]:
    """Context in which the effects of a run are watched."""
    if effects is None:
        yield
        return

    def cut_short() -> None:
        if effects.cut():
            run.say("no longer waiting for effects")

    run.effects, run.cut_short, effects.breach = effects.counts, cut_short, run.abort
    try:
        async with effects.looking():
            yield
    finally:
        run.settled.set()


async def with_effects(result: RunResult, effects: EffectsWatch | None, run: Run, *, wait: bool) -> RunResult:
    """The result with its effects, once they are all there or, with `wait`, the time to wait for them is over."""
    if effects is None:
        return result
    start_ns, load_end_ns = run.began
    if not wait:
        effects.stop()
    await effects.wait(load_end_ns)
    run.settled.set()
    if effects.cut_short:
        result = msgspec.structs.replace(result, run=msgspec.structs.replace(result.run, interrupted=True))
    return await asyncio.to_thread(effects.added_to, result, start_ns, load_end_ns)
