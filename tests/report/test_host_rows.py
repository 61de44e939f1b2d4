"""A run on several hosts: which rows they get, what is said of hosts that are apart, and when a lost one counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadsim.judge.validity import invalid_reasons
from loadsim.measure.progress import HostProgress, Latencies, Progress
from loadsim.measure.result import RunResult
from loadsim.measure.result_generator import ShardRow
from loadsim.report.host_rows import HostRow, host_rows, skew_lines
from loadsim.report.live_view import host_lines
from loadsim.report.report_formats import run_files
from tests.builders import run_info, run_result, shard
from tests.report.rendering import render_text

CLOCK = {"clock_ahead_ms": -3.0, "clock_residual_ms": 0.4, "start_offset_ms": 0.1, "p50_ms": 4.0}


def on(host: str, number: int, **changes: Any) -> ShardRow:
    return shard(number, host=host, **(CLOCK | changes))


def spread(*rows: ShardRow, **run: Any) -> RunResult:
    return run_result(shards=list(rows), run=run_info(**run))


def test_a_run_on_one_machine_has_no_rows_and_no_words() -> None:
    assert (host_rows(run_result()), skew_lines(run_result())) == ([], [])
    assert "By host" not in render_text(run_result())


def test_the_shards_of_a_host_are_one_row() -> None:
    result = spread(on("a", 0), on("b", 1, lost=True, reason="nothing was heard"), on("a", 2, p50_ms=8.0))
    assert host_rows(result) == [
        HostRow("a", "2", "60,000", "59,940", "4.00–8.00 ms", "100 µs", "-3.00 ms ± 400 µs", ""),
        HostRow("b", "1", "30,000", "29,970", "4.00 ms", "100 µs", "-3.00 ms ± 400 µs", "lost: nothing was heard"),
    ]


def test_every_report_shows_the_hosts() -> None:
    result = spread(on("10.0.0.1", 0), on("10.0.0.2", 1))
    files = run_files(result)
    for text in (render_text(result, width=80), files["report.html"].decode(), files["summary.md"].decode()):
        assert "10.0.0.2" in text
        assert "started within" in text
        assert "± 400 µs" in " ".join(text.split())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ((on("a", 0), on("b", 1)), []),
        ((on("a", 0), on("b", 1, start_offset_ms=60.0)), ["too far apart to be one load"]),
        ((on("a", 0), on("b", 1, clock_residual_ms=26.0)), ["too far apart to be one load"]),
        ((on("a", 0), on("b", 1, p50_ms=8.1)), ["p50 8.10 ms from b, 4.00 ms from a"]),
        ((on("a", 0), on("b", 1, p50_ms=7.9)), []),
        ((on("a", 0), on("b", 1, sent=10_000)), ["30,000 events from a, 10,000 from b"]),
        ((on("a", 0), on("b", 1, sent=10_000, lost=True)), []),
    ],
)
def test_what_is_apart_is_said(rows: tuple[ShardRow, ...], says: list[str]) -> None:
    lines = skew_lines(spread(*rows))
    assert lines[0].startswith("the shards started within")
    for words in says:
        assert any(words in line for line in lines)
    if not says:
        assert len(lines) == 1
        assert "apart" not in lines[0]


GONE = {"lost": True, "reason": "it was cut off"}


@pytest.mark.parametrize(
    ("allowed", "rows", "reasons"),
    [
        (0, (on("a", 0), on("b", 1, **GONE)), 1),
        (1, (on("a", 0), on("b", 1, **GONE)), 0),
        (1, (on("a", 0), on("b", 1, **GONE), on("b", 2, **GONE)), 0),  # two shards, one host
        (1, (on("a", 0), on("b", 1, **GONE), on("c", 2, **GONE)), 2),
        (1, (on("a", 0, **GONE),), 1),  # nobody is left
        (1, (on("a", 0, reason="a frame is missing"), on("b", 1)), 1),
    ],
)
def test_lost_hosts_make_a_run_invalid_unless_they_were_allowed(
    allowed: int, rows: tuple[ShardRow, ...], reasons: int
) -> None:
    result = spread(*rows, allow_lost=allowed)
    assert len(invalid_reasons(result)) == reasons
    told = any("which was allowed" in line for line in skew_lines(result))
    assert told == (reasons == 0)


def test_the_live_view_has_a_line_per_host() -> None:
    progress = Progress(
        elapsed_s=1.0,
        planned=4,
        sent=4,
        done=4,
        in_flight=0,
        queued=0,
        connections=2,
        succeeded=4,
        failed_status=0,
        errors=0,
        rate_done=4.0,
        last_second=Latencies(),
        total=Latencies(),
    )
    assert host_lines(progress) == []
    hosts = (HostProgress("a", 1, 0, None, None, lost=True), HostProgress("b", 3, 1, 4.0, 9.0, lost=False))
    lines = host_lines(replace(progress, hosts=hosts, more_hosts=7))
    assert len(lines) == 3
    assert "LOST" in lines[0]
    assert "b  done 3  in flight 1  p50 4.00 ms  p99 9.00 ms" in lines[1]
    assert "7 more hosts" in lines[2]
