"""Events over HTTP/2 to servers that are not ours: each arrives, once, and its signature verifies there."""

from __future__ import annotations

import functools
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import slow_but
from tests.http2 import servers
from tests.http2.servers import CERTIFICATE, Commands

EVENTS = 3_000
SECRET = "a-secret-of-the-tests"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", SECRET)


@pytest.fixture
def receiver() -> Iterator[tuple[int, str]]:
    """The companion: its port, and the URL of its counters."""
    command = [sys.executable, "-m", "loadsim", "receive", "--port", "0", "--admin", "127.0.0.1:0", "--engine", "bare"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        port, stats = re.search(r"on http://[^:]+:(\d+)/", said), re.search(r"counters at (\S+/stats)", said)
        assert port is not None, said
        assert stats is not None, said
        yield int(port[1]), stats[1]
    finally:
        process.terminate()
        process.communicate()


def counted(stats: str) -> tuple[int, int]:
    """What the companion received, and what of it verified."""
    found = httpx.get(stats).json()["total"]
    return found["received"], found["verified"]


def fired(url: str, directory: Path, *options: str) -> dict[str, Any]:
    """The result of a run."""
    command = [sys.executable, "-m", "loadsim", "run", url, "--http2", "-n", str(EVENTS), "-c", "64", "-q", *options]
    command += ["--json", "-", "--out", str(directory), "--seed", "7", "--drain", "60s", "--timeout", "60s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def check(result: dict[str, Any]) -> None:
    totals = result["totals"]
    assert result["run"]["http"] == "2"
    assert (totals["planned"], totals["completed"], totals["succeeded"]) == (EVENTS, EVENTS, EVENTS), result["samples"]
    assert len(result["connections"]) >= 4
    assert sum(row["events"] for row in result["connections"]) == EVENTS
    assert all(row["streams"] <= 16 for row in result["connections"])


@pytest.mark.slow
@pytest.mark.parametrize("secured", slow_but([True], [False, True]), ids=["h2c", "h2"])
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(servers.nginx, marks=pytest.mark.needs("nginx")),
        pytest.param(servers.nghttpx, marks=pytest.mark.needs("nghttpx")),
        pytest.param(servers.haproxy, marks=pytest.mark.needs("haproxy")),
    ],
)
def test_every_event_reaches_the_receiver_behind_a_proxy(
    server: Commands, secured: bool, receiver: tuple[int, str], tmp_path: Path
) -> None:
    behind, stats = receiver
    with servers.running(server, tmp_path, behind) as ports:
        port = ports.secured if secured else ports.plain
        url = f"{'https' if secured else 'http'}://localhost:{port}/webhooks/trackpilots"
        trust = ["--cacert", str(CERTIFICATE)] if secured else []
        check(fired(url, tmp_path, "--streams", "16", *trust))
    assert counted(stats) == (EVENTS, EVENTS)


@pytest.mark.needs("nginx")
@pytest.mark.slow
def test_events_that_a_server_did_not_process_are_counted_and_not_sent_again(
    receiver: tuple[int, str], tmp_path: Path
) -> None:
    behind, stats = receiver
    with servers.running(functools.partial(servers.nginx, requests=500), tmp_path, behind) as ports:
        result = fired(f"http://localhost:{ports.plain}/webhooks/trackpilots", tmp_path)
    totals = result["totals"]
    assert counted(stats) == (totals["completed"], totals["completed"])
    assert totals["completed"] + totals["errors"].get("goaway", 0) == EVENTS
    assert set(totals["errors"]) == {"goaway"}
    assert all(row["events"] <= 500 for row in result["connections"])


@pytest.mark.slow
@pytest.mark.parametrize("secured", slow_but([True], [False, True]), ids=["h2c", "h2"])
@pytest.mark.parametrize("server", [pytest.param(servers.node, marks=pytest.mark.needs("node")), servers.hypercorn])
def test_every_event_is_verified_by_a_server_of_http2(server: Commands, secured: bool, tmp_path: Path) -> None:
    if server is servers.hypercorn:
        pytest.importorskip("hypercorn")
    with servers.running(server, tmp_path) as ports:
        base = f"https://localhost:{ports.secured}" if secured else f"http://localhost:{ports.plain}"
        trust = ["--cacert", str(CERTIFICATE)] if secured else []
        # Hypercorn ends a connection after 1,000 requests, whatever is under way on it
        check(fired(f"{base}/hooks", tmp_path, "--streams", "16", "--reuse", "900", *trust))
        context = ssl.create_default_context(cafile=CERTIFICATE)
        with httpx.Client(http1=False, http2=True, verify=context) as client:
            assert client.get(base).text == str(EVENTS)
