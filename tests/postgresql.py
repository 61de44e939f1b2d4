"""A PostgreSQL of the tests' own, on a socket in a temporary directory."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

START_S = 60


def program(name: str) -> str | None:
    """A program of PostgreSQL: on the path, or where Debian keeps it."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@dataclass(frozen=True)
class Database:
    """A running server; `url` as SQLAlchemy reads it."""

    directory: Path

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://tests@/postgres?host={self.directory}"

    def connection(self) -> psycopg.Connection:
        import psycopg

        return psycopg.connect(f"host={self.directory} user=tests dbname=postgres")

    def execute(self, statement: str) -> None:
        """One statement in a transaction of its own."""
        with self.connection() as connection:
            connection.execute(statement)


@contextlib.contextmanager
def running_database() -> Iterator[Database]:
    """A server that runs as long as the context. As root it runs as the user postgres: it refuses to run as root."""
    initdb, server = program("initdb"), program("pg_ctl")
    assert initdb is not None
    assert server is not None
    directory = Path(tempfile.mkdtemp(prefix="loadsim-pg-", dir="/tmp"))
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    if user is not None:
        os.chown(directory, user.pw_uid, user.pw_gid)
    directory.chmod(0o755)
    who: dict[str, Any] = {}
    if user is not None:
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = directory / "data"

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=directory, capture_output=True, check=False, text=True, **who)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run(initdb, "-D", str(data), "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off"
        run(server, "-D", str(data), "-w", "-t", str(START_S), "-o", options, "-l", str(directory / "log"), "start")
        try:
            yield Database(directory)
        finally:
            run(server, "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
