"""The watch over the effects of one run, from its specification to its result."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from loadsim.launch.run_lifecycle import Run
from loadsim.measure.result import RunResult
from loadsim.plan import RunSpec
from loadsim.run.effects.choice import source_of
from loadsim.run.effects.watch import EffectsWatch
from loadsim.run.reconcile import ids_of_run


async def watch_of(spec: RunSpec, embedded_url: str | None) -> EffectsWatch | None:
    """The watch over a run's effects; None where it has none. `embedded_url`: where the embedded receiver shows them.

    Raises UsageError for a source that cannot be used.
    """
    effects = spec.scenario.effects
    if effects is None:
        return None
    source = await asyncio.to_thread(source_of, effects, spec.run_id, time.time_ns(), embedded_url)
    return EffectsWatch(effects, source, ids_of_run(spec.run_id, spec.seed, spec.plan().types), spec.objectives)


@contextlib.asynccontextmanager
async def looking(effects: EffectsWatch | None, run: Run) -> AsyncIterator[None]:
    """Context in which the effects of a run are watched."""
    if effects is None:
        yield
        return
    run.effects, run.cut_short, effects.breach = effects.counts, effects.stop, run.abort
    async with effects.looking():
        yield


async def with_effects(result: RunResult, effects: EffectsWatch | None, run: Run, *, wait: bool) -> RunResult:
    """The result with its effects, once they are all there or, with `wait`, the time to wait for them is over."""
    if effects is None:
        return result
    start_ns, load_end_ns = run.began
    if not wait:
        effects.stop()
    await effects.wait(load_end_ns)
    return await asyncio.to_thread(effects.added_to, result, start_ns, load_end_ns)
