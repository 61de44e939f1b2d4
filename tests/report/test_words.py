"""What reports say: the diagnosis, the answers, the labels of a closed run, and that foreign text stays text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.measure.result_deliveries import Reconciliation
from loadsim.measure.result_events import SampleRow, Stats
from loadsim.plan.scenario import ValidityRules
from loadsim.report.answers_section import said_section
from loadsim.report.blocks import Cell, Figures, Lines, Quotes, Section, Table
from loadsim.report.diagnosis import diagnosis, diagnosis_of
from loadsim.report.latency_section import latency_rows
from loadsim.report.markdown import escape
from loadsim.report.run_report import run_report
from tests.builders import refused, retries, run_info, run_result, samples, totals
from tests.report.rendering import render_page, render_summary, render_text, render_verdict
from tests.report.results import worked


def judged(*texts: str, **changes: Any) -> RunResult:
    result = run_result(**changes)
    return evaluate(result, objectives_of(texts, vocabulary_of(result)), ValidityRules())


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"401": 50, "200": 50}, ["TRACKPILOTS_WEBHOOKS_SECRET_KEY does not match"]),
        ({"401": 49, "200": 51}, []),
        ({"400": 60, "200": 40}, ["does not read both headers (x-webhook-signature and x-webhook-timestamp"]),
        ({"404": 100}, ["is the path of the URL right?"]),
        ({"405": 100}, ["does not take POST"]),
        ({"401": 20, "400": 30, "200": 50}, ["both headers", "does not match"]),
        ({}, []),
    ],
)
def test_diagnosis_from_half_of_the_answers_on(status: dict[str, int], says: list[str]) -> None:
    result = run_result(totals=totals(100, status=status, completed=sum(status.values())))
    lines = diagnosis(result)
    assert len(lines) == len(says)
    assert all(word in line for word, line in zip(says, lines, strict=True))
    for line in lines:
        assert line in flat(render_text(result))
        assert escape(line) in render_summary(result)


def test_diagnosis_names_the_receivers_variable_and_ours() -> None:
    info = run_info()
    info.scenario["target"]["secret_env"] = "STAGING_SECRET"
    result = run_result(run=info, totals=refused(100))
    (line,) = diagnosis(result)
    assert "the receiver's TRACKPILOTS_WEBHOOKS_SECRET_KEY does not match" in line
    assert "signs with, in STAGING_SECRET)" in line
    assert "TRACKPILOTS" not in (diagnosis_of(401, scheme="other") or "")
    assert diagnosis_of(500) is None


def test_a_closed_run_has_service_time_and_no_lag() -> None:
    result = judged("p(99) < 1s", run=run_info(model="closed"))
    labels = [label for label, _ in latency_rows(result)]
    assert labels == ["service time (closed model)", "service time (closed model), 2xx", "wait"]
    for text in (render_text(result), render_summary(result)):
        assert "response time" not in text
        assert "lag" not in text


def test_connections_stand_once_where_many_were_opened_and_no_handshake_where_none_was() -> None:
    opened = totals(300)
    opened.latency_ms["connect"], opened.latency_ms["tls"] = Stats(count=300, min=1.0, max=2.0), Stats(count=0)
    result = run_result(totals=opened)
    assert [label for label, _ in latency_rows(result)][-1] == "connect"
    page = render_page(result, None).decode()
    assert page.count(">connect</th>") == 1
    assert "TLS handshake" not in page


def test_too_few_samples_read_na() -> None:
    few = totals(300, latency_ms={"response": Stats(count=300, min=1.0, mean=1.5, max=9.0, p50=1.2, p90=3.0, p95=4.0)})
    row = next(line for line in render_text(run_result(totals=few)).splitlines() if line.startswith("response"))
    assert row.split() == ["response", "1.20", "ms", "3.00", "ms", "4.00", "ms", "n/a", "n/a", "9.00", "ms"]


def test_default_and_translation_are_shown() -> None:
    text = flat(render_text(judged("http_req_duration: p(95)<4")))
    assert "http_req_duration: p(95)<4 read as service: p(95) < 4ms" in text
    assert "success: rate >= 99% default" in text


def test_objectives_are_shown_when_invalid_wins() -> None:
    limits = msgspec.structs.replace(run_result().limits, shortage="3 of 5 connections could be opened")
    text = render_verdict(judged("p(99) < 250ms", limits=limits))
    assert text.startswith(" INVALID   steady")
    assert "✓  p(99) < 250ms" in text
    assert "3 of 5 connections could be opened" in text


def test_the_same_answer_is_said_once() -> None:
    (quotes,) = said_section(run_result()).blocks
    assert isinstance(quotes, Quotes)
    assert [(quote.kind, quote.occasion.split(",")[0]) for quote in quotes.quotes] == [
        ("503", "events 17"),
        ("503", "event 40"),
        ("reset", "event 1031"),
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = SampleRow("503", 1, "t", 0.0, [], "x" * 2048, "")
    result = judged("response{event:desktop.screenshot_tracking.captured}: p(99.9) < 250ms", samples=[*samples(), long])
    assert max(map(len, render_text(result, width=width).splitlines())) <= width


def test_without_colour_there_is_no_escape_sequence() -> None:
    result = judged("p(99) < 1ms")
    assert "\x1b" not in render_text(result)
    assert "\x1b[" in render_text(result, colour=True)


HOSTILE = "<script>alert(1)</script> | `x` [a](http://evil) @team #1 \x1b[2J\n- item"


def test_foreign_text_stays_text() -> None:
    result = judged(samples=[SampleRow("503", 1, "t", 0.0, [], HOSTILE, "")], run=run_info(name=HOSTILE))
    summary = render_summary(result)
    assert "<script>" not in summary
    assert "](http://" not in summary
    assert "@team" not in summary
    assert "\x1b" not in summary
    assert "\x1b" not in render_text(result)
    assert "\\x1b[2J" in render_text(result)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("- x", r"\- x"),
        ("1. x", "1\u2060. x"),
        ("30.0 s", "30.0 s"),
        (">= 9", "&gt;= 9"),
        ("http://x", r"http\://x"),
        ("p(99) < 250ms", "p(99) &lt; 250ms"),
        ("desktop.app_tracking", r"desktop.app\_tracking"),
    ],
)
def test_markdown_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_run_of_nothing_can_be_reported() -> None:
    nothing = totals(0, latency_ms={}, duration_s=None, rate_sent=None, success_rate=None)
    result = judged(
        "p(99) < 1s", totals=nothing, by_event={}, by_phase={}, by_case={}, samples=[], series=[], shards=[]
    )
    assert result.verdict.outcome == "invalid"
    for text in (render_text(result), render_summary(result)):
        assert "n/a" in text


def all_counts() -> RunResult:
    """A result in which every count is another number, with everything that a report can show."""
    numbers = itertools.count(101)
    reconciliation = msgspec.structs.replace(
        Reconciliation(source="the embedded receiver", of="deliveries"),
        **{name: next(numbers) for name in Reconciliation.__struct_fields__ if name not in NO_COUNTS},
    )
    repeated = msgspec.structs.replace(
        retries(),
        **{name: next(numbers) for name in ("attempts", "retried", "backlog", "delivered", "given_up", "cut_off")},
        **{name: next(numbers) for name in ("undelivered", "no_room", "waiting", "in_doubt")},
    )
    whole = totals(
        9_000,
        sent=8_700,
        completed=8_600,
        succeeded=8_000,
        failed=700,
        dropped=300,
        unfinished=40,
        attempts=8_800,
        errors={"refused": 60},
        refusals_due=77,
        forged_accepted=3,
        refused_badly=2,
    )
    counts = ("acknowledged", "done", "undone", "repeated", "before_ack", "unacknowledged_done", "refused_done")
    backlogs = ("backlog_max", "backlog_avg", "backlog_at_end", "looks")
    effects = worked().effects
    assert effects is not None
    found = msgspec.structs.replace(effects, **{name: next(numbers) for name in (*counts, *backlogs)})
    return run_result(
        effects=found,
        totals=whole,
        by_phase={"warm-up": totals(500), "steady": whole},
        reconciliation=reconciliation,
        retries=repeated,
        receiver={"received": 9_300, "verified": 9_200},
    )


NO_COUNTS = ("source", "problem", "of", "examples")
NAMED = ("events", "answers", "retries", "reconciled", "effects")
"""The sections with counts by name."""


def named_counts(result: RunResult) -> Iterator[tuple[str, str]]:
    """(name, count) of all tables and cards that have a name and its count."""
    for section in run_report(result).sections:
        for block in section.blocks if section.anchor in NAMED else ():
            if isinstance(block, Figures):
                yield from ((figure.name, figure.value) for figure in block.figures)
            if isinstance(block, Table) and block.caption not in ("By attempt", "Answer and work"):
                yield from ((plain(row[0]), plain(row[1])) for row in block.rows)


def plain(cell: Cell | str) -> str:
    return cell.text if isinstance(cell, Cell) else cell


def test_each_name_stands_for_one_count() -> None:
    found: dict[str, set[str]] = {}
    for name, count in named_counts(all_counts()):
        found.setdefault(name, set()).add(count)
    assert {name: counts for name, counts in found.items() if len(counts) > 1} == {}
    assert {"sent", "joined", "refused", "connection refused", "deliveries"} <= found.keys()
    said = [line for section in run_report(all_counts()).sections for line in sentences(section)]
    for name, counts in found.items():
        word = re.escape(name)
        numbers = re.findall(rf"\b([\d,]+) were {word}\b|\b{word} ([\d,]+)\b", " | ".join(said))
        assert {before or after for before, after in numbers} <= counts, f"{name}: {numbers}"


def sentences(section: Section) -> Iterator[str]:
    for block in section.blocks:
        if isinstance(block, Lines):
            yield from block.lines


def test_the_glossary_has_every_count() -> None:
    page = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| ([a-z0-9][^|]*?) \|", page, re.MULTILINE)) - {"name"}
    shown = {name for name, _ in named_counts(all_counts())}
    shown -= {"bytes out", "peak arrivals", "time to drain", "drained", "200", "503"}
    assert shown <= known
    elsewhere = {"events, answered", "done", "not 2xx", "no answer"}
    assert known - shown == elsewhere
