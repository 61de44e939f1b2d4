"""One number from a database: a query of the user's own, by SQLAlchemy."""

from __future__ import annotations

import asyncio
import contextlib
import decimal
import threading
from collections.abc import Callable

from loadsim.measure.watch_values import Raw
from loadsim.run.databases import open_database, why_failed
from loadsim.run.effects.source import GapError
from loadsim.run.watch.source import TIMEOUT_S, Part


class Query:
    """The query; see WatchSource. Raises UsageError where the database cannot be used."""

    def __init__(self, part: Part) -> None:
        database = open_database(part.watch.dsn_env or "", "watch: dsn_env", TIMEOUT_S, why="watch: sql")
        import sqlalchemy

        self.place = database.place
        self.parts: tuple[Part, ...] = (part,)
        self._database = database
        self._query = sqlalchemy.text(part.watch.sql or "")
        self._under_way: asyncio.Future[float] | None = None

    async def read(self) -> list[Raw | str]:
        """See WatchSource. A query that does not end in time is waited for at the next reading."""
        if self._under_way is None:
            self._under_way = _in_thread(self._ask)
        done, _ = await asyncio.wait([self._under_way], timeout=TIMEOUT_S)
        if not done:
            raise GapError(f"no answer within {TIMEOUT_S:g} s")
        ended, self._under_way = self._under_way, None
        return [ended.result()]

    async def close(self) -> None:
        """See WatchSource."""
        if self._under_way is None:
            self._database.engine.dispose()

    def _ask(self) -> float:
        engine, limit, errors, _, secrets = self._database
        try:
            with engine.connect() as connection:
                if limit is not None:
                    connection.execute(limit)
                rows = connection.execute(self._query).fetchmany(2)
        except errors as error:
            raise GapError(why_failed(error, secrets)) from None
        if len(rows) != 1 or len(rows[0]) != 1:
            found = f"{len(rows[0])} columns" if rows and len(rows[0]) != 1 else "several rows" if rows else "no row"
            raise GapError(f"the query gives {found}, not one number")
        return _number(rows[0][0])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | decimal.Decimal):
        shown = "NULL" if value is None else repr(str(value)[:40])
        raise GapError(f"the query gives {shown}, not a number")
    return float(value)


def _in_thread(work: Callable[[], float]) -> asyncio.Future[float]:
    """The future result of work in a thread of its own, which the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[float] = loop.create_future()

    def tell(value: float | None, error: Exception | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        elif value is not None:
            found.set_result(value)

    def run() -> None:
        value, problem = None, None
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - it is raised where the future is awaited
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, value, problem)

    threading.Thread(target=run, name="loadsim-watch", daemon=True).start()
    return found
