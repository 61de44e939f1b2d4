"""The live view of a run on stderr: a table that is redrawn on a terminal, a line every five seconds elsewhere.

It is drawn in the parent process, at most four times a second, so that it does not disturb the load.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from loadsim.cli.ctrl_c import STOPPING
from loadsim.cli.streams import say, write_line
from loadsim.model import NS_PER_S, counted

if TYPE_CHECKING:
    from rich.console import Console

    from loadsim.launch.run_lifecycle import Run

_TERMINAL_S = 0.25
_LINES_S = 5.0


@contextlib.asynccontextmanager
async def live_view(run: Run, console: Console | None, *, quiet: bool) -> AsyncIterator[None]:
    """Context in which the run's progress is shown, redrawn on `console` or in lines."""
    if quiet:
        yield
        return
    view = asyncio.get_running_loop().create_task(_lines(run) if console is None else _redraw(run, console))
    try:
        yield
    finally:
        view.cancel()
        await asyncio.wait([view])
        if not view.cancelled():
            view.exception()  # an error of the view, such as a closed terminal, must not end the run


async def _redraw(run: Run, console: Console) -> None:
    from rich.live import Live

    from loadsim.report.live_view import render_progress

    await run.started.wait()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            progress = run.progress()
            view = render_progress(run.plan, progress, width=console.width, stopping=_stopping(run))
            live.update(view, refresh=True)
            await asyncio.sleep(_TERMINAL_S)


def _stopping(run: Run) -> str:
    if run.interrupted:
        return STOPPING
    return "" if run.aborted is None else f"ending the run: {run.aborted.objective}: {run.aborted.why}"


async def _lines(run: Run) -> None:
    from loadsim.report.live_view import host_lines, progress_line

    await run.started.wait()
    plan = run.plan
    total = "" if plan.duration_ns is None else f", {plan.duration_ns / NS_PER_S:g} s"
    say(f"{plan.scenario.name}: seed {plan.seed}, {counted(run.shards, 'shard')}{total}")
    while True:
        await asyncio.sleep(_LINES_S)
        progress = run.progress()
        for line in (progress_line(plan, progress), *host_lines(progress)):
            write_line(line)
