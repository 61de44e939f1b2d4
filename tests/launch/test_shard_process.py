"""A shard that is started before its run is known: it serves the run, and never outlives its command."""

from __future__ import annotations

import contextlib
import os

import pytest

from loadsim.launch.local_shards import LocalShards
from loadsim.launch.run_lifecycle import Run
from loadsim.launch.shard_process import early_shard
from loadsim.model import UsageError
from tests.launch.support import endpoint, shards_of
from tests.launch.test_run_lifecycle import planned


@pytest.mark.usefixtures("own_children")
def test_it_ends_with_a_command_that_has_no_run() -> None:
    with contextlib.suppress(UsageError), early_shard(wanted=True):
        (pid,) = shards_of(os.getpid())
        raise UsageError("no such event type")
    assert pid not in shards_of(os.getpid())


@pytest.mark.usefixtures("own_children")
def test_none_is_started_where_none_is_wanted() -> None:
    with early_shard(wanted=False) as early:
        assert early is None
        assert not shards_of(os.getpid())


@pytest.mark.usefixtures("own_children")
async def test_the_run_takes_it_as_its_first_shard() -> None:
    with early_shard(wanted=True) as early:
        (pid,) = shards_of(os.getpid())
        async with endpoint() as served:
            result = await Run(planned(served, events=40, connections=4), LocalShards(2, early)).execute()
    assert [row.pid == pid for row in result.shards] == [True, False]
    assert result.totals.succeeded == 40
