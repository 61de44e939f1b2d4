"""What a run changes on a scheduler that others use too, and that it is put back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from loadsim.launch.dask.scheduler import GATHER_S, forget, prepare, tidy


def scheduler(*clients: str) -> Any:
    """As much of a Dask scheduler as is touched."""
    forgotten: list[str] = []
    return SimpleNamespace(
        allowed_failures=3,
        clients=set(clients),
        client_comms={client: SimpleNamespace(interval=0.002) for client in clients},
        forgotten=forgotten,
        _broker=SimpleNamespace(truncate=forgotten.append),
    )


def test_the_last_of_two_runs_puts_back_what_the_first_one_changed() -> None:
    there = scheduler("a", "b", "other")
    for topic, client in (("run-1", "a"), ("run-2", "b")):
        prepare()(topic, client, dask_scheduler=there)
    assert there.allowed_failures == 0
    assert [comm.interval for comm in there.client_comms.values()] == [GATHER_S, GATHER_S, 0.002]
    tidy()("run-1", dask_scheduler=there)
    assert there.allowed_failures == 0
    tidy()("run-2", dask_scheduler=there)
    assert there.allowed_failures == 3
    assert there.forgotten == ["run-1", "run-2"]


def test_a_launcher_that_was_killed_holds_nothing_up() -> None:
    there = scheduler("killed", "b")
    prepare()("run-1", "killed", dask_scheduler=there)
    there.clients.discard("killed")
    prepare()("run-2", "b", dask_scheduler=there)
    forget()("run-2", dask_scheduler=there)
    assert there.allowed_failures == 0
    tidy()("run-2", dask_scheduler=there)
    assert there.allowed_failures == 3
