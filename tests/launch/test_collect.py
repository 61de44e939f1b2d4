"""What the parent keeps of its shards."""

from __future__ import annotations

import pytest

from loadsim.engine.messages import Ready
from loadsim.launch.collect import Collector


@pytest.mark.parametrize(
    ("shards", "all_have"),
    [([], False), ([True], True), ([False], False), ([True, True], True), ([True, False], False)],
)
def test_a_run_has_the_compiled_step_where_every_shard_has_it(shards: list[bool], all_have: bool) -> None:
    """Whatever the parent has: shards may be on other machines."""
    collector = Collector(1, 2)
    for number, has in enumerate(shards):
        collector.ready(number, Ready("host", 1, "0", 100, has), 0)
    assert collector.compiled is all_have
