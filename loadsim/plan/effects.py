"""`[effects]` of a scenario: where the effects of events can be seen, that is the work that is done after the answer.

`run.effects` reads the source while the run goes on and after it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from loadsim.model import NS_PER_MS, NS_PER_S
from loadsim.plan.headers import Headers
from loadsim.plan.typed_document import DocumentError, Duration

MOST_OFTEN_NS = 250 * NS_PER_MS
"""The shortest time between two looks at a source: 4 in a second, so that looking costs the endpoint little."""
LONGEST_WAIT_NS = 24 * 3600 * NS_PER_S
AFTER = ":after"
"""What a query's text must have: the place from which rows are wanted."""


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """Where the effects of events can be seen: what the endpoint did for an event, once it had answered."""

    source: Literal["http", "sql", "file"] = "http"
    """What is read: pages of JSON, rows of a database, or the lines of a file."""
    url: str | None = None
    """Of `source = "http"`: where pages are read (default: the embedded receiver). For example
    `"https://example.test/effects"`."""
    headers: Headers = msgspec.field(default_factory=dict)
    """Of `source = "http"`: headers of the request. "env:NAME" reads a variable. For example `{ Authorization =
    "env:EFFECTS_TOKEN" }`."""
    dsn_env: str | None = None
    """Of `source = "sql"`: the environment variable with the URL of the database. For example `"EFFECTS_DSN"`."""
    query: str | None = None
    """Of `source = "sql"`: the rows after `:after` in the order of `at`, with the columns `id` and `at`. For example
    `"SELECT id, at FROM done WHERE at > :after ORDER BY at"`."""
    now: str | None = None
    """Of `source = "sql"`: the query of the database's own time (default: known for PostgreSQL, SQLite, MySQL). For
    example `"SELECT now()"`."""
    path: str | None = None
    """Of `source = "file"`: the file to which the endpoint appends a JSON object in a line for each effect. For example
    `"/var/log/app/effects.ndjson"`."""
    every: Duration = MOST_OFTEN_NS
    """The time between two looks, at least 250ms."""
    wait: Duration = 60 * NS_PER_S
    """How long after the load the run waits for events that are not done. For example `"10m"`."""


_KEYS = {"http": ("url", "headers"), "sql": ("dsn_env", "query", "now"), "file": ("path",)}
"""The keys of each source."""


def check_effects(effects: Effects, *, embedded: bool) -> None:
    """Rules between the keys. `embedded`: the target is the embedded receiver, whose effects are known."""
    own = _KEYS[effects.source]
    for source, keys in _KEYS.items():
        for key in keys:
            if key not in own and getattr(effects, key):
                raise DocumentError(f"effects.{key}", f'goes with source = "{source}" only')
    needed = {"http": () if embedded else ("url",), "sql": ("dsn_env", "query"), "file": ("path",)}[effects.source]
    for key in needed:
        if not getattr(effects, key):
            raise DocumentError(f"effects.{key}", f'is needed with source = "{effects.source}"')
    if effects.query is not None and AFTER not in effects.query:
        raise DocumentError("effects.query", f"must ask for the rows after {AFTER}, as in WHERE at > {AFTER}")
    if effects.every < MOST_OFTEN_NS:
        raise DocumentError("effects.every", "must be at least 250ms")
    if effects.wait > LONGEST_WAIT_NS:
        raise DocumentError("effects.wait", "must be at most a day")
