"""One number from a database: SQLite and PostgreSQL for real."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadsim.model import UsageError
from loadsim.plan.watches import Watch, series_of
from loadsim.run.effects.source import GapError
from loadsim.run.watch import query as query_module
from loadsim.run.watch.query import Query
from loadsim.run.watch.source import Part
from tests.postgresql import Database, running_database

pytest.importorskip("sqlalchemy")


def query_of(monkeypatch: pytest.MonkeyPatch, url: str, sql: str) -> Query:
    monkeypatch.setenv("WATCH_DSN", url)
    watch = Watch(name="n", sql=sql, dsn_env="WATCH_DSN")
    return Query(Part(watch, series_of(watch)[0]))


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    path = tmp_path / "app.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (id INTEGER)")
        connection.executemany("INSERT INTO jobs VALUES (?)", [(1,), (2,), (3,)])
    connection.close()
    return f"sqlite:///{path}"


async def test_a_count_is_read_again_and_again(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    query = query_of(monkeypatch, sqlite, "SELECT count(*) FROM jobs")
    assert await query.read() == [3.0]
    with sqlite3.connect(sqlite.removeprefix("sqlite:///")) as other:
        other.execute("DELETE FROM jobs WHERE id = 1")
    other.close()
    assert await query.read() == [2.0]
    await query.close()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT id FROM jobs", "the query gives several rows, not one number"),
        ("SELECT id FROM jobs WHERE id > 9", "the query gives no row, not one number"),
        ("SELECT 1, 2", "the query gives 2 columns, not one number"),
        ("SELECT NULL", "the query gives NULL, not a number"),
        ("SELECT 'many'", "the query gives 'many', not a number"),
        ("SELECT x FROM gone", "the query failed: no such table: gone"),
        ("SELEC 1", "the query failed: near"),
        ("CREATE TABLE made (id INTEGER)", "the query failed"),
    ],
)
async def test_what_is_not_one_number_is_a_gap(
    sqlite: str, monkeypatch: pytest.MonkeyPatch, sql: str, said: str
) -> None:
    query = query_of(monkeypatch, sqlite, sql)
    for _ in range(2):
        with pytest.raises(GapError) as caught:
            await query.read()
        assert str(caught.value).startswith(said) or "exists" in str(caught.value)
    await query.close()


async def test_a_slow_query_is_a_gap_and_never_asked_twice_at_once(
    sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_module, "TIMEOUT_S", 0.05)
    query = query_of(monkeypatch, sqlite, "SELECT 1")
    goes_on, asked = threading.Event(), []

    def slow() -> float:
        asked.append(1)
        goes_on.wait(30)
        return 7.0

    monkeypatch.setattr(query, "_ask", slow)
    for _ in range(3):
        with pytest.raises(GapError, match="no answer within"):
            await query.read()
    assert len(asked) == 1
    goes_on.set()
    monkeypatch.setattr(query_module, "TIMEOUT_S", 30)
    assert await query.read() == [7.0]
    assert len(asked) == 1
    await query.close()


def test_a_missing_variable_or_a_wrong_url_is_one_line_without_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCH_DSN", raising=False)
    watch = Watch(name="n", sql="SELECT 1", dsn_env="WATCH_DSN")
    with pytest.raises(UsageError, match="watch: dsn_env, the URL of the database: the environment variable WATCH_DSN"):
        Query(Part(watch, series_of(watch)[0]))
    with pytest.raises(UsageError, match="watch: dsn_env: not the URL of a database") as caught:
        query_of(monkeypatch, "nothing://me:s3cret@host/db", "SELECT 1")
    assert "s3cret" not in str(caught.value)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    with running_database() as database:
        yield database


async def test_postgresql_ends_a_query_in_time_and_is_asked_again(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = query_of(monkeypatch, postgresql.url, "SELECT count(*) FROM (SELECT pg_sleep(60)) AS slept")
    monkeypatch.setattr(query_module, "TIMEOUT_S", 30)
    with pytest.raises(GapError, match="canceling statement due to statement timeout"):
        await slow.read()
    await slow.close()
    quick = query_of(monkeypatch, postgresql.url, "SELECT 12.5::numeric")
    assert await quick.read() == [12.5]
    await quick.close()
    await asyncio.sleep(0)
