"""Effects written to a SQLite database or to a file of JSON lines, for whoever follows them there.

Each is written in batches by a thread of its own: neither a slow disk nor a locked database delays an answer. An error
is one line; the effects after it are not written there, and the receiver goes on.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import orjson

from loadsim.report.numbers import printable

LOCKED_S = 30.0
"""How long a database may be locked by somebody else."""


class NotedEffect(NamedTuple):
    """One effect: its delivery id, and when it was done in seconds since 1970."""

    id: str
    at: float


Write = Callable[[Sequence[NotedEffect]], None]


@contextlib.contextmanager
def database(path: str) -> Generator[Write]:
    """A function that appends to the table `effects` of a SQLite file, in order: a reader can follow its `rowid`."""
    with contextlib.closing(sqlite3.connect(path, timeout=LOCKED_S)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers and the writer do not wait for each other
        connection.execute("CREATE TABLE IF NOT EXISTS effects(id TEXT, at REAL)")
        connection.commit()

        def write(effects: Sequence[NotedEffect]) -> None:
            with connection:
                connection.executemany("INSERT INTO effects VALUES (?, ?)", effects)

        yield write


@contextlib.contextmanager
def json_lines(path: str) -> Generator[Write]:
    """A function that appends lines to a file. It opens the file for every batch, so that it may be rotated."""

    def write(effects: Sequence[NotedEffect]) -> None:
        with Path(path).open("ab") as file:
            file.write(b"".join(orjson.dumps(effect._asdict()) + b"\n" for effect in effects))

    write([])  # an error shows at the start
    yield write


class EffectOutput:
    """Writes effects in a thread. `name` is what an error names, `say` gets its line."""

    def __init__(self, name: str, target: AbstractContextManager[Write], say: Callable[[str], None]) -> None:
        self._name = name
        self._target = target
        self._say = say
        self._batches: queue.SimpleQueue[list[NotedEffect] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"effects to {name}", daemon=True)
        self._thread.start()

    def add(self, effects: list[NotedEffect]) -> None:
        """Write these soon."""
        if self._thread.is_alive():
            self._batches.put(effects)

    def close(self) -> None:
        """Write what was added, and end."""
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._target as write:
                while (batch := self._batches.get()) is not None:
                    write(batch)
        except (OSError, sqlite3.Error) as error:
            reason = (error.strerror or "").lower() if isinstance(error, OSError) else printable(str(error))
            self._say(f"effects are no longer written to {self._name}: {reason}")


def outputs(database_path: str | None, file_path: str | None) -> list[EffectOutput]:
    """The outputs that were asked for; errors go to stderr."""
    found = []
    if database_path is not None:
        found.append(EffectOutput(database_path, database(database_path), _say))
    if file_path is not None:
        found.append(EffectOutput(file_path, json_lines(file_path), _say))
    return found


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, line.encode("utf-8", "backslashreplace") + b"\n")
