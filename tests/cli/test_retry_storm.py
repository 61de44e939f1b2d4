"""A real outage and the storm after it, on loopback: nothing is lost, everything adds up, and the report shows it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Run

STORM = """
name = "storm"
objectives = ["given_up: count == 0", "attempts: count <= 2000"]
[target]
url = "embedded"
timeout = "1h"
[receiver]
engine = "bare"
down = ["400ms:400ms"]
[retry]
schedule = ["100ms", "300ms", "600ms", "1200ms"]
jitter = 0.2
[[phases]]
name = "load"
duration = "1600ms"
rate = "200/s"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(monkeypatch, capsys)


def result_of(run: Run, text: str, *options: str) -> tuple[Any, str]:
    Path("storm.toml").write_text(text, encoding="utf-8")
    ended = run("run", "storm.toml", "-q", "--json", "out.json", *options)
    assert ended.code in {0, 3}, ended.err  # 3: this machine was too busy to be on time, which changes no count
    return json.loads(Path("out.json").read_text(encoding="utf-8")), ended.out


@pytest.mark.slow
def test_every_event_of_an_outage_is_delivered_and_the_books_balance(run: Run) -> None:
    result, shown = result_of(run, STORM, "-w", "2")
    totals, retries = result["totals"], result["retries"]
    assert totals["planned"] == totals["sent"] == totals["succeeded"] == 320
    assert not any("accounts" in reason for reason in result["validity"]["reasons"])
    assert totals["attempts"] == retries["attempts"] == sum(row["deliveries"] for row in retries["by_attempt"])
    assert totals["attempts"] >= 320 + retries["retried"]
    assert 0 < retries["retried"] < 320
    assert retries["delivered"] == retries["retried"]
    assert retries["delivery_p50_ms"] >= 100
    assert (retries["given_up"], retries["waiting"], retries["undelivered"]) == (0, 0, 0)
    assert retries["peak_rate"] > 0
    assert retries["base_rate"] == 200
    assert 0 < retries["backlog"] <= retries["retried"]
    assert retries["drain_s"] is not None
    assert result["receiver"]["verified"] >= 320, "no delivery was lost, and a broken one may have come twice"
    assert result["receiver"]["verified"] <= 320 + retries["in_doubt"]
    sent = sum(row["attempts"] for row in result["series"])
    assert sent == totals["attempts"]
    judged = {row["text"]: row["passed"] for row in result["verdict"]["objectives"]}
    assert judged["given_up: count == 0"]
    assert judged["attempts: count <= 2000"]
    assert "Retries  custom schedule" in shown
    assert "time to drain" in shown


@pytest.mark.slow
def test_a_provider_that_switches_the_endpoint_off_uses_one_worker_and_says_so(run: Run) -> None:
    retry = '[retry]\nprofile = "shopify"\nschedule = ["50ms"]\n'
    text = STORM[: STORM.index("[retry]")] + retry + STORM[STORM.index("[[phases]]") :]
    text = text.replace('"given_up: count == 0", ', '"success: rate >= 1%", ')
    # however long a busy machine takes to start, the endpoint goes after that and before the load's end
    for was, now in (("400ms:400ms", "1500ms:5s"), ("1600ms", "3200ms"), ("200/s", "100/s")):
        text = text.replace(was, now)
    result, shown = result_of(run, text, "-w", "2")
    assert result["run"]["workers"] == 1
    totals, retries = result["totals"], result["retries"]
    assert retries["why"] == "an event was given up"
    assert retries["undelivered"] == totals["errors"]["switched_off"] > 0
    assert totals["attempts"] == retries["attempts"]
    assert totals["planned"] == totals["sent"] == 320
    assert not any("accounts" in reason for reason in result["validity"]["reasons"])
    assert "switched off" in shown


def test_retries_and_volleys_go_together_and_every_delivery_is_logged_and_reconciled(run: Run) -> None:
    """A fifth of the events as three copies and one more, the others retried."""
    text = STORM.replace('"given_up: count == 0"', '"success: rate >= 1%"')  # copies of an outage are lost
    text += '[[cases]]\nkind = "duplicate"\nshare = 0.2\ncopies = 3\n'
    result, shown = result_of(run, text, "-w", "2", "--raw", "--outcomes")
    totals, retries, duplicates = result["totals"], result["retries"], result["duplicates"]
    assert totals["planned"] == totals["sent"] == 320
    assert retries["retried"] > 0
    assert duplicates["events"] > 0
    (path,) = Path("reports").glob("*/raw.ndjson")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    outcomes = [line for line in lines if line["outcome"]]
    assert sorted(line["seq"] for line in outcomes) == list(range(320))
    deliveries = Counter(line["case"] for line in lines if line["attempt"])
    copies = sum(duplicates[place]["deliveries"] for place in ("first", "same_time", "afterwards"))
    assert deliveries == {"genuine": retries["attempts"], "duplicate": copies}
    assert sum(deliveries.values()) == totals["attempts"]
    assert {line["attempt"] for line in lines if line["case"] == "duplicate"} == {1}
    assert {line["copy"] for line in lines if line["case"] == "duplicate"} == {1, 2, 3, 4}
    assert {line["copy"] for line in lines if line["case"] == "genuine"} == {1}
    found = result["reconciliation"]
    assert found["duplicated"] == found["never_sent"] == 0, "the receiver got nothing of which the sender knows nothing"
    assert "Retries  custom schedule" in shown


def test_an_objective_over_retries_needs_a_profile(run: Run) -> None:
    ended = run("run", "embedded", "-r", "10/s", "--objective", "given_up: count == 0")
    assert ended.code == 2
    assert "needs a retry profile" in ended.err
