"""When a receiver beside the run stops accepting the old secret."""

from __future__ import annotations

from typing import Any

import pytest

from loadsim.cases import retirement_ns
from tests.cases.test_case_checks import S, scenario_of


@pytest.mark.parametrize(
    ("phases", "expected_s"),
    [
        ([{"secrets": "old"}, {}, {"shares": {"retired_secret": 0.1}}], 6),
        ([{"secrets": "old"}, {"shares": {"retired_secret": 0.1}}], 4),
        ([{"secrets": "old"}, {"secrets": "both"}, {}, {}], 12),
        ([{}, {"shares": {"retired_secret": 0.1}}], 2),
    ],
)
def test_when_a_receiver_beside_the_run_drops_the_old_secret(phases: list[dict[str, Any]], expected_s: int) -> None:
    cases: dict[str, Any] = {"retired_secret": 0.0} if any("shares" in phase for phase in phases) else {}
    assert retirement_ns(scenario_of(*phases, **cases)) == expected_s * S
