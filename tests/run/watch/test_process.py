"""Processes for real, and as another /proc shows them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from loadsim.measure.watch_values import Raw
from loadsim.model import UsageError
from loadsim.plan.watches import Watch, series_of
from loadsim.run.effects.source import GapError
from loadsim.run.watch.process import ProcessTree
from loadsim.run.watch.source import Part

SPINNING = """
import sys
print("go", flush=True)
sys.stdin.read(1)
sum(range(20_000_000))
print("done", flush=True)
sys.stdin.read()
"""
WITH_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {SPINNING!r}])"


def tree_of(pid: int, metric: str | None = None, **more: Path) -> ProcessTree:
    watch = Watch(name="app", pid=pid, metric=metric)
    return ProcessTree(tuple(Part(watch, series) for series in series_of(watch)), **more)


def numbers(values: Sequence[Raw | str]) -> list[float]:
    """What was read, each of which must be a number."""
    found = [value for value in values if isinstance(value, float)]
    assert len(found) == len(values)
    return found


async def test_processor_time_of_a_child_is_counted() -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WITH_CHILD), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    await child.stdout.readline()
    tree = tree_of(child.pid)
    before = numbers(await tree.read())
    child.stdin.write(b"x")
    await child.stdin.drain()
    await child.stdout.readline()
    after = numbers(await tree.read())
    child.stdin.close()
    await child.wait()
    assert after[0] - before[0] > 0.05, "it added up twenty million numbers"
    assert after[1] > 5_000_000
    assert after[2] >= 6
    assert after[3] >= 2
    with pytest.raises(GapError, match=f"there is no process {child.pid}"):
        await tree.read()


async def test_this_process_is_read() -> None:
    (rss,) = await tree_of(os.getpid(), "rss").read()
    assert isinstance(rss, float)
    assert rss > 1_000_000


def made(proc: Path, pid: int, *, ticks: int = 0, started: int = 1, children: str = "", state: str = "S") -> None:
    """A process in another /proc."""
    fields = [state, *["0"] * 10, str(ticks), "0", *["0"] * 4, "3", "0", str(started), "0", "100", *["0"] * 20]
    folder = proc / str(pid)
    (folder / "task" / str(pid)).mkdir(parents=True, exist_ok=True)
    (folder / "fd").mkdir(exist_ok=True)
    (folder / "stat").write_text(f"{pid} (a (b) c) {' '.join(fields)}\n")
    (folder / "task" / str(pid) / "children").write_text(children)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "stat").write_text("")
    return tmp_path


async def test_children_come_and_go_and_time_is_never_taken_back(proc: Path) -> None:
    second = os.sysconf("SC_CLK_TCK")
    made(proc, 10, ticks=second, children="11 12 ")
    made(proc, 11, ticks=5 * second)
    tree = tree_of(10, proc=proc)
    assert await tree.read() == [6.0, 200.0 * os.sysconf("SC_PAGE_SIZE"), 0.0, 6.0], "12 has ended"
    made(proc, 10, ticks=2 * second, children="13 ")
    made(proc, 13, ticks=second)
    assert (await tree.read())[0] == 8.0, "one second more of 10, and all of 13"
    made(proc, 13, ticks=second, started=9)
    assert (await tree.read())[0] == 9.0, "another process with the same number"


async def test_another_process_with_the_number_is_a_gap_and_so_is_a_dead_one(proc: Path) -> None:
    made(proc, 10)
    tree = tree_of(10, proc=proc)
    await tree.read()
    made(proc, 10, started=7)
    with pytest.raises(GapError, match="process 10 is another one now"):
        await tree.read()
    made(proc, 10, state="Z")
    with pytest.raises(GapError, match="there is no process 10"):
        await tree.read()


async def test_a_circle_of_children_ends(proc: Path) -> None:
    made(proc, 10, children="10 10 10 ")
    assert len(await asyncio.wait_for(tree_of(10, proc=proc).read(), 30)) == 4


def test_without_proc_it_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="watch: pid needs /proc"):
        tree_of(10, proc=tmp_path)
