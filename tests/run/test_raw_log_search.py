"""An event's lines are found wherever they stand in the raw log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadsim.model import UsageError
from loadsim.run import raw_log_search
from loadsim.run.raw_log_search import deliveries_of


def line(seq: int, attempt: int, *, outcome: bool) -> dict[str, Any]:
    return {"attack": "run", "seq": seq, "attempt": attempt, "copy": 1, "done_ns": attempt, "outcome": outcome,
            "body": "x" * (seq % 300)}  # fmt: skip


@given(st.lists(st.integers(0, 400), unique=True, max_size=400), st.integers(0, 60), st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_lines_of_an_event_are_found(tmp_path: Path, indexes: list[int], jitter: int, chance: Any) -> None:
    rows = [
        (place + chance.uniform(0, jitter) + 30 * attempt, line(index, attempt, outcome=attempt == last))
        for place, index in enumerate(sorted(indexes))
        for last in [chance.choice([0, 1, 1, 1, 4])]
        for attempt in range(min(last, 1), last + 1)
    ]
    rows.sort(key=lambda row: row[0])
    path = tmp_path / "raw.ndjson"
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for _, row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_log_search, "_FIRST_LOOK", 64)
        for index in range(0, 401, 7):
            own = sorted((row for _, row in rows if row["seq"] == index), key=lambda row: int(row["attempt"]))
            assert deliveries_of(path, index) == own


def test_an_event_near_its_place_is_found_without_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "raw.ndjson"
    path.write_text(
        "".join(json.dumps(line(index, 1, outcome=True), separators=(",", ":")) + "\n" for index in range(20_000))
    )
    monkeypatch.setattr(raw_log_search, "_FIRST_LOOK", 4096)
    looked: list[int] = []
    stretches = raw_log_search._stretches

    def counting(size: int, place: int) -> Any:
        for start, end in stretches(size, place):
            looked.append(end - start)
            yield start, end

    monkeypatch.setattr(raw_log_search, "_stretches", counting)
    assert deliveries_of(path, 12_345) == [line(12_345, 1, outcome=True)]
    assert sum(looked) <= 4 * 4096


def test_a_log_that_is_damaged_or_empty(tmp_path: Path) -> None:
    path = tmp_path / "raw.ndjson"
    path.write_bytes(b"")
    assert deliveries_of(path, 1) == []
    path.write_bytes(b'{"attack":"x","seq":1,"outcome":true\n')
    with pytest.raises(UsageError, match="a line of event 1"):
        deliveries_of(path, 1)
    with pytest.raises(UsageError, match="cannot read"):
        deliveries_of(tmp_path / "none", 1)
