"""Effects in a database: a query of the user's own for the rows after `:after`, by SQLAlchemy.

Rows may appear late, since a transaction is seen only when it ends: each look goes back OVERLAP_S before the latest
`at`, and leaves out what it was given before.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from loadsim.model import NS_PER_S, UsageError
from loadsim.plan.effects import Effects
from loadsim.run.databases import open_database, why_failed
from loadsim.run.effects.source import MOST_ROWS, GapError, Reading, columns, count_of, instant_ns

TIMEOUT_S = 10
"""A query of PostgreSQL ends after so long: a lock on the table does not hold the run."""
OVERLAP_S = 5
"""Rows that come with an `at` so much older than the latest are still found."""
_NOW = {
    "postgresql": "SELECT now()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
}
"""The time of a database, by dialect."""


class SqlSource:
    """The rows of a query; see Source."""

    def __init__(self, effects: Effects, began_ns: int) -> None:
        database = open_database(effects.dsn_env or "", "effects.dsn_env", TIMEOUT_S, why='effects: source = "sql"')
        import sqlalchemy

        self._engine, self._limit, self._errors, self.place, self._secrets = database
        self._query = sqlalchemy.text(effects.query or "")
        now = effects.now or _NOW.get(self._engine.dialect.name)
        if now is None:
            raise UsageError(f"effects.now: is needed: the time of {self._engine.dialect.name} is asked by this query")
        self._now = sqlalchemy.text(now)
        self._latest_ns = began_ns
        self._given: dict[tuple[bytes, int], int] = {}
        """How often each row of the overlap was given."""

    async def read(self) -> Reading:
        """See Source."""
        return await asyncio.to_thread(self._read)

    async def close(self) -> None:
        """See Source."""
        await asyncio.to_thread(self._engine.dispose)

    def _read(self) -> Reading:
        try:
            with self._engine.connect() as connection:
                if self._limit is not None:
                    connection.execute(self._limit)
                told = connection.execute(self._now).scalar_one()
                after = self._after(told)
                result = connection.execute(self._query, {"after": after})
                names = {name.lower(): place for place, name in enumerate(result.keys())}
                for column in ("id", "at"):
                    if column not in names:
                        raise GapError(f"the query has no column {column}, only {', '.join(names)}")
                rows = result.fetchall()
        except self._errors as error:
            raise GapError(why_failed(error, self._secrets)) from None
        told_ns = instant_ns(told, "now")
        return self._fresh(rows, names, told_ns)

    def _after(self, told: object) -> Any:
        """The instant from which rows are wanted, of the type that the database gives its own time in."""
        since_ns = self._latest_ns - OVERLAP_S * NS_PER_S
        if isinstance(told, datetime.datetime):
            moment = datetime.datetime.fromtimestamp(since_ns / NS_PER_S, datetime.UTC)
            return moment if told.tzinfo is not None else moment.replace(tzinfo=None)
        return since_ns / NS_PER_S

    def _fresh(self, rows: Any, names: dict[str, int], told_ns: int) -> Reading:
        seen: dict[tuple[bytes, int], int] = {}
        fresh: list[tuple[bytes, int, int]] = []
        more = False
        for row in rows:
            at_ns = instant_ns(row[names["at"]], "at")
            key = (str(row[names["id"]]).encode(), at_ns)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > self._given.get(key, 0):
                if len(fresh) == MOST_ROWS * 10:
                    more = True
                    break
                count = count_of(row[names["count"]], "count") if "count" in names else 1
                fresh.append((*key, count))
        self._latest_ns = max([self._latest_ns, *(row[1] for row in fresh)])
        self._given |= seen
        oldest = self._latest_ns - (OVERLAP_S + 1) * NS_PER_S
        self._given = {key: n for key, n in self._given.items() if key[1] >= oldest}
        return Reading(*columns(fresh), told_ns, None, more)
