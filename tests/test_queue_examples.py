"""The endpoints of `docs/queues.md` with a real PostgreSQL, killed while they work: which of them keeps its promise."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Run
from tests.documents import FILES
from tests.postgresql import Database, running_database
from tests.test_library_use import KEY, library

PATIENCE_S = 120
pytestmark = pytest.mark.needs("initdb")


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    library("psycopg")
    library("sqlalchemy")
    with running_database() as running:
        yield running


class Endpoint:
    """One of the two in a process of its own, as a reader starts it."""

    def __init__(self, name: str, cwd: Path, database: Database) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        for file in (name, "verify_webhook.py"):
            (cwd / file).write_text(FILES[file].text.replace("port=3000", f"port={self.port}"), encoding="utf-8")
        self._name, self._cwd = name, cwd
        dsn = f"host={database.directory} user=tests dbname=postgres"
        self._env = {**os.environ, "TRACKPILOTS_WEBHOOKS_SECRET_KEY": KEY, "DATABASE_URL": dsn}  # noqa: TID251 - handed on
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, self._name], cwd=self._cwd, env=self._env, stdout=subprocess.DEVNULL
        )
        until(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "it ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def until(true: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


@contextlib.contextmanager
def killed_once(endpoint: Endpoint, database: Database) -> Iterator[None]:
    """Context in which the endpoint is killed, and started again, once it has done some of its work. It works more
    slowly than events come, so something waits then."""

    def some_done() -> bool:
        with database.connection() as connection:
            row = connection.execute("SELECT count(*) FROM done").fetchone()
            return row is not None and row[0] >= 10

    def kill() -> None:
        until(some_done)
        endpoint.kill()
        endpoint.start()

    endpoint.start()
    until(lambda: table_exists(database))
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        killer.join()
        endpoint.kill()


def table_exists(database: Database) -> bool:
    with database.connection() as connection:
        row = connection.execute("SELECT to_regclass('done') IS NOT NULL").fetchone()
        return row is not None and bool(row[0])


@pytest.mark.parametrize(("name", "holds"), [("holds.py", True), ("loses.py", False)])
def test_what_was_acknowledged_before_a_crash_is_done_after_it_or_is_found_to_be_lost(
    name: str,
    holds: bool,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", KEY)
    monkeypatch.setenv("EFFECTS_DSN", database.url)
    database.execute("DROP TABLE IF EXISTS waiting, done")
    endpoint = Endpoint(name, tmp_path, database)
    text = FILES["queue.toml"].text.replace("127.0.0.1:3000", f"127.0.0.1:{endpoint.port}")
    # what is lost never comes: it is not waited for as long as work that may still come
    (tmp_path / "queue.toml").write_text(text if holds else text.replace('"60s"', '"5s"'), encoding="utf-8")
    with killed_once(endpoint, database):
        ended = Run(monkeypatch, capsys)("run", "queue.toml", "-q", "--json", "out.json")
    result = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    found = result["effects"]
    assert found["problem"] == "", found
    assert found["source"] == "sql"
    assert found["done"] >= 10
    assert found["repeated"] == 0
    assert set(result["totals"]["status"]) == {"202"}
    if holds:
        assert (found["undone"], found["backlog_last"]) == (0, 0)
        assert ended.code in {0, 3}, ended.out  # 3: this machine was too busy to be on time
    else:
        assert found["undone"] > 0
        assert ended.code == 99, ended.out
        assert "had no effect when the run ended" in ended.out
