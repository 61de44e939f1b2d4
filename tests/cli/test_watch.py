"""Runs with watches, for real: what the endpoint says of itself, and what it does not say, is a gap and no more."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from loadsim.measure.result import RunResult, load_result
from tests.cli.loopback import serving
from tests.cli.running import Run

pytest.importorskip("prometheus_client")
SUCCESS = "success: rate >= 1%"
RAN = {0, 3, 99}
"""3: this machine was too busy to be on time, which changes no count."""
QUIETLY = ("-q", "--json", "out.json")


class Endpoint:
    """Counts what it is sent, and says so on a page of metrics. `failing`: numbers of pages that are 503."""

    def __init__(self, *, failing: range = range(0), slow_s: float = 0.0) -> None:
        self._failing, self._slow_s = failing, slow_s
        self.received = self.pages = self.under_way = self.most = 0
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        if request.path != "/metrics":
            await request.read()
            self.received += 1
            return web.Response()
        self.asked.append(str(dict(request.headers)))
        self.pages, self.under_way = self.pages + 1, self.under_way + 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self._slow_s)
            if self.pages - 1 in self._failing:
                return web.Response(status=503, text="\x1b[2J::error::busy")
            return web.Response(text=f"# TYPE received counter\nreceived_total {self.received}\nlimit 40\n")
        finally:
            self.under_way -= 1


def scenario(url: str, *watches: str, objectives: str = f'"{SUCCESS}"', more: str = "") -> None:
    """The file `watched.toml`."""
    text = f"""
objectives = [{objectives}]
[target]
url = "{url}/hook"
drain = "2s"
{more}
[[phases]]
name = "load"
duration = "3s"
rate = "50/s"
"""
    Path("watched.toml").write_text(text + "".join(f"[[watch]]\n{each}\n" for each in watches), "utf-8")


def page_watch(url: str, name: str, metric: str, more: str = "") -> str:
    return f'name = "{name}"\nurl = "{url}/metrics"\nmetric = "{metric}"\n{more}'


def stored() -> RunResult:
    return load_result(Path("out.json").read_bytes(), "out.json")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "not-a-secret")
    return Run(monkeypatch, capsys)


@contextmanager
def endpoint(**more: Any) -> Iterator[tuple[Endpoint, str]]:
    made = Endpoint(**more)
    with serving(made.handle) as url:
        yield made, url.rstrip("/")


def test_a_page_and_a_process_are_series_of_the_result(run: Run) -> None:
    objectives = f'"{SUCCESS}", "watch{{name:received}}: max < 1", "watch{{name:limit}}: last == 40"'
    with endpoint() as (made, url):
        scenario(
            url,
            page_watch(url, "received", "received_total", 'as = "rate"'),
            f'name = "here"\npid = {os.getpid()}',
            page_watch(url, "limit", "limit"),
            objectives=objectives,
        )
        ran = run("run", "watched.toml", *QUIETLY)
    assert ran.code in RAN, ran.err
    result = stored()
    assert [each.name for each in result.watches] == [
        "received", "here.cpu", "here.rss", "here.descriptors", "here.threads", "limit",
    ]  # fmt: skip
    received, limit = result.watches[0], result.watches[-1]
    assert limit.samples >= 3
    assert (limit.min, limit.last, limit.gaps) == (40, 40, 0)
    assert received.samples == limit.samples - 1, "a rate needs two readings"
    assert (received.max or 0) > 1
    assert limit.t_s[0] > -0.1
    assert all(b > a for a, b in zip(limit.t_s, limit.t_s[1:], strict=False))
    assert made.most == 1, "never two requests at a time"
    assert made.pages <= limit.samples + 2, "one request for both, and the look before the run"
    rows = {row.text: row.passed for row in result.verdict.objectives}
    assert rows["watch{name:received}: max < 1"] is False
    assert rows["watch{name:limit}: last == 40"] is True
    assert result.moved_with is not None
    assert result.moved_with.rows == []


def test_what_cannot_be_read_is_said_before_the_run_and_is_a_gap(run: Run) -> None:
    with endpoint(failing=range(1, 3)) as (_, url):
        scenario(
            url,
            page_watch(url, "limit", "limit"),
            page_watch("http://127.0.0.1:1", "nobody", "limit"),
            page_watch(url, "typo", "limits"),
            'name = "no process"\npid = 4194304',
            objectives=f'"{SUCCESS}", "watch{{name:typo}}: max < 5"',
        )
        ran = run("run", "watched.toml", *QUIETLY)
    assert ran.code == 3, ran.err
    assert "loadsim: watch nobody: cannot be reached: connection refused (http://127.0.0.1:1/metrics)" in ran.err
    assert "loadsim: watch typo: the page has no metric limits" in ran.err
    assert "loadsim: watch no process.cpu: there is no process 4194304 (process 4194304)" in ran.err
    assert "watch limit" not in ran.err
    result = stored()
    limit = result.watches[0]
    assert limit.why_gaps == {"answered 503": 2}
    assert limit.values[:2] == [None, None]
    assert limit.samples >= 1
    assert all(not each.samples for each in result.watches[1:])
    assert any("watch typo could not be read" in reason for reason in result.validity.reasons)
    assert result.totals.succeeded > 0


def test_a_page_that_does_not_answer_is_asked_more_rarely(run: Run) -> None:
    with endpoint(slow_s=30) as (made, url):
        scenario(url, page_watch(url, "limit", "limit"))
        ran = run("run", "watched.toml", *QUIETLY)
    assert ran.code in RAN, ran.err
    assert made.pages == 2, "before the run, and at its start: the load is 3 s long"
    assert stored().watches[0].why_gaps == {"no answer within 0.9 s": 1}


def test_the_check_says_what_can_not_be_read_and_sends_no_event(run: Run) -> None:
    with endpoint() as (made, url):
        missing = 'headers = { Authorization = "env:NO_SUCH_TOKEN" }'
        scenario(url, page_watch(url, "limit", "limit"), page_watch(url, "typo", "limits"))
        ran = run("run", "watched.toml", "--check")
        assert (ran.code, made.received) == (0, 0)
        assert "watches\n  limit: limit at " in ran.out
        assert ran.err == f"loadsim: watch typo: the page has no metric limits ({url}/metrics)\n"
        scenario(url, page_watch(url, "limit", "limit", missing))
        ran = run("run", "watched.toml", "--check")
        assert ran.code == 0
        assert "NO_SUCH_TOKEN is not set" in ran.err
        ran = run("run", "watched.toml", "-q")
        assert (ran.code, made.received) == (2, 0)
        assert "the header Authorization: the environment variable NO_SUCH_TOKEN is not set" in ran.err


def test_tokens_are_nowhere(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METRICS_TOKEN", "s3cret-token")
    monkeypatch.setenv("WATCH_DSN", "postgresql+psycopg://me:s3cret-value@127.0.0.1:1/app")
    with endpoint() as (made, url):
        scenario(
            url,
            page_watch(url, "limit", "limit", 'headers = { X-Metrics = "env:METRICS_TOKEN" }'),
            'name = "rows"\nsql = "SELECT count(*) FROM jobs"\ndsn_env = "WATCH_DSN"',
        )
        ran = run("run", "watched.toml", *QUIETLY)
    assert ran.code in RAN, ran.err
    assert "s3cret-token" in made.asked[0]
    written = "".join(path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file())
    for text in (ran.out, ran.err, written):
        assert "s3cret-token" not in text
        assert "s3cret-value" not in text
    assert stored().watches[1].gaps > 0


def test_a_drain_and_a_wait_for_effects_are_watched_too(run: Run) -> None:
    with endpoint() as (_, url):
        effects = f'[effects]\nurl = "{url}/nothing"\nwait = "3s"\n'
        scenario(url, page_watch(url, "limit", "limit"), more=effects)
        ran = run("run", "watched.toml", *QUIETLY)
    assert ran.code in RAN, ran.err
    assert stored().watches[0].t_s[-1] >= 4.5, "the load is 3 s long"


def test_studies_refuse_objectives_on_watches_before_they_start(run: Run) -> None:
    with endpoint() as (made, url):
        scenario(url, page_watch(url, "limit", "limit"), objectives='"watch{name:limit}: max < 5"')
        ran = run("capacity", "watched.toml")
        assert ran.code == 2
        assert "'watch' needs a figure of the endpoint's own, and none is read" in ran.err
        assert made.received == 0


def test_stored_results_are_judged_and_reported_again(run: Run) -> None:
    with endpoint() as (_, url):
        scenario(url, page_watch(url, "limit", "limit"))
        run("run", "watched.toml", *QUIETLY)
    ran = run("judge", "out.json", "--objective", "watch{name:limit}: max < 5", "--json")
    assert json.loads(ran.out)["verdict"]["outcome"] in ("fail", "invalid")
    ran = run("report", "out.json", "-f", "md")
    assert "The endpoint's own figures" in ran.out
