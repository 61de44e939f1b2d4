"""Connections to a user's database, by SQLAlchemy: of a source of effects, and of a watch."""

from __future__ import annotations

from typing import Any, NamedTuple

from loadsim.extras import install
from loadsim.model import MS_PER_S, UsageError
from loadsim.plan.redact import conceal, secrets_in
from loadsim.secret_sources import read_variable


class Database(NamedTuple):
    """An engine with one connection at most."""

    engine: Any
    limit: Any
    """What a transaction begins with, so that a query ends in time; None where the database has no such thing."""
    errors: type[Exception]
    """What a query raises."""
    place: str
    """Which database, without credentials."""
    secrets: tuple[str, ...]
    """The credentials, which messages of a driver could repeat."""


def open_database(variable: str, key: str, timeout_s: float, *, why: str) -> Database:
    """The database at the URL in an environment variable. Nothing is connected to yet.

    `key` is the key that names the variable, `why` what needs SQLAlchemy, for messages. Raises UsageError, in one line
    and without the URL, which holds a password.
    """
    try:
        import sqlalchemy
    except ImportError:
        raise UsageError(f"{why} needs SQLAlchemy: {install('sql')}") from None
    url = read_variable(variable, f"{key}, the URL of the database")
    try:
        engine = sqlalchemy.create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True)
        limit = None
        if engine.dialect.name == "postgresql":
            limit = sqlalchemy.text(f"SET LOCAL statement_timeout = '{round(timeout_s * MS_PER_S)}ms'")
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        raise UsageError(
            f"{key}: not the URL of a database that can be used ({type(error).__name__})"
            " as in postgresql+psycopg://user@host/name"
        ) from None
    place = f"{engine.dialect.name} database {engine.url.database or ''}".strip()
    return Database(engine, limit, sqlalchemy.exc.SQLAlchemyError, place, secrets_in({}, url=url))


def why_failed(error: Exception, secrets: tuple[str, ...]) -> str:
    """What a database said of a query, in one line."""
    text = conceal(" ".join(str(getattr(error, "orig", None) or error).split()), secrets)
    return f"the query failed: {text[:200]}"
