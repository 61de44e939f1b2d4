"""Effects in a database: SQLite and PostgreSQL for real."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loadsim.model import UsageError
from loadsim.plan.effects import Effects
from loadsim.run.effects import sql_source
from loadsim.run.effects.source import GapError
from loadsim.run.effects.sql_source import SqlSource
from tests.postgresql import Database, running_database

pytest.importorskip("sqlalchemy")

QUERY = "SELECT id, at FROM done WHERE at > :after ORDER BY at"


def source_of(monkeypatch: pytest.MonkeyPatch, url: str, **more: Any) -> SqlSource:
    monkeypatch.setenv("EFFECTS_DSN", url)
    effects = Effects(source="sql", dsn_env="EFFECTS_DSN", **{"query": QUERY, **more})
    return SqlSource(effects, time.time_ns() - 10**9)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[tuple[str, Callable[..., None]]]:
    path = tmp_path / "app.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE done (id TEXT, at REAL)")

    def insert(*rows: tuple[str, float]) -> None:
        connection.executemany("INSERT INTO done VALUES (?, ?)", rows)

    yield f"sqlite:///{path}", insert
    connection.close()


async def test_rows_are_given_once_also_late_ones(
    sqlite: tuple[str, Callable[..., None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, insert = sqlite
    source, now = source_of(monkeypatch, url), time.time()
    insert(("a", now), ("b", now + 1), ("b", now + 1))
    reading = await source.read()
    assert reading.ids == [b"a", b"b", b"b"], "the same row twice is two effects"
    assert reading.told_ns is not None
    assert abs(reading.told_ns / 1e9 - time.time()) < 60
    insert(("late", now + 0.5), ("c", now + 2))
    assert (await source.read()).ids == [b"late", b"c"]
    assert (await source.read()).ids == []
    insert(("b", now + 1))
    assert (await source.read()).ids == [b"b"]
    await source.close()


async def test_what_is_wrong_with_a_query_is_one_line(
    sqlite: tuple[str, Callable[..., None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, insert = sqlite
    insert(("a", time.time()))
    for query, reason in (
        ("SELECT id FROM done WHERE at > :after", "no column at, only id"),
        ("SELECT id, at FROM nowhere WHERE at > :after", "no such table: nowhere"),
        ("SELECT id, 'soon' AS at FROM done WHERE at > :after", "'soon' is no time"),
    ):
        source = source_of(monkeypatch, url, query=query)
        with pytest.raises(GapError, match=reason) as error:
            await source.read()
        assert "\n" not in str(error.value)
        await source.close()


def test_a_url_that_is_none_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("hunter2-hunter2", "nosuch://user:hunter2@host/db"):
        with pytest.raises(UsageError, match="not the URL of a database") as error:
            source_of(monkeypatch, url)
        assert "hunter2" not in str(error.value)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EFFECTS_DSN", raising=False)
    with pytest.raises(UsageError, match="EFFECTS_DSN is not set"):
        SqlSource(Effects(source="sql", dsn_env="EFFECTS_DSN", query=QUERY), 0)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    with running_database() as database:
        yield database


@pytest.mark.needs("initdb")
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "double precision"])
async def test_rows_of_postgresql(kind: str, postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    table = f"done_{kind.split(maxsplit=1)[0]}"
    now = {"timestamptz": "now()", "timestamp": "now() AT TIME ZONE 'UTC'"}.get(
        kind, "extract(epoch FROM now())::float8"
    )
    query = f"SELECT id, at FROM {table} WHERE at > :after ORDER BY at"  # noqa: S608 - ours
    postgresql.execute(f"CREATE TABLE {table} (id text, at {kind})")
    source = source_of(monkeypatch, postgresql.url, query=query, now=f"SELECT {now}")
    assert (await source.read()).ids == []
    postgresql.execute(f"INSERT INTO {table} VALUES ('a', {now}), ('b', {now})")  # noqa: S608
    reading = await source.read()
    assert sorted(reading.ids) == [b"a", b"b"]
    assert reading.told_ns is not None
    assert (abs(reading.at_ns - time.time_ns()) < 60 * 10**9).all()
    assert (await source.read()).ids == []
    await source.close()


@pytest.mark.needs("initdb")
async def test_a_transaction_that_ends_late_is_still_found(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgresql.execute("CREATE TABLE late (id text, at timestamptz DEFAULT clock_timestamp())")
    query = "SELECT id, at FROM late WHERE at > :after ORDER BY at"
    source = source_of(monkeypatch, postgresql.url, query=query)
    with postgresql.connection() as slow:
        slow.execute("INSERT INTO late (id) VALUES ('slow')")
        postgresql.execute("INSERT INTO late (id) VALUES ('quick')")
        assert (await source.read()).ids == [b"quick"]
        slow.commit()
    assert (await source.read()).ids == [b"slow"]
    await source.close()


@pytest.mark.needs("initdb")
async def test_a_lock_on_the_table_is_a_gap_and_not_the_end_of_the_run(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_source, "TIMEOUT_S", 1)
    postgresql.execute("CREATE TABLE locked (id text, at timestamptz)")
    query = "SELECT id, at FROM locked WHERE at > :after ORDER BY at"
    source = source_of(monkeypatch, postgresql.url, query=query)
    with postgresql.connection() as other:
        other.execute("LOCK TABLE locked")
        with pytest.raises(GapError, match="statement timeout") as error:
            await source.read()
        assert "\n" not in str(error.value)
    assert (await source.read()).ids == []
    await source.close()
