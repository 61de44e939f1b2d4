"""Effects in a database and in a file, as somebody else reads them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from loadsim.receiver.effect_outputs import EffectOutput, NotedEffect, database, json_lines

EFFECTS = [NotedEffect(f"run/{index}/1", 1_764_430_000.25 + index) for index in range(5)]


def rows(path: Path) -> list[tuple[int, str, float]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT rowid, id, at FROM effects ORDER BY rowid").fetchall()


def test_a_database_has_every_effect_in_order_and_keeps_those_before(tmp_path: Path) -> None:
    path, said = tmp_path / "effects.db", list[str]()
    for batches in ((EFFECTS[:2], EFFECTS[2:3]), (EFFECTS[3:],)):
        output = EffectOutput("it", database(str(path)), said.append)
        for batch in batches:
            output.add(list(batch))
        output.close()
    assert rows(path) == [(number, *effect) for number, effect in enumerate(EFFECTS, 1)]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert said == []


def test_a_reader_sees_effects_while_more_are_written(tmp_path: Path) -> None:
    path = tmp_path / "effects.db"
    with database(str(path)) as write, closing(sqlite3.connect(path)) as reader:
        seen = 0
        for effect in EFFECTS:
            write([effect])
            ((last, name),) = reader.execute("SELECT rowid, id FROM effects WHERE rowid > ?", (seen,))
            assert name == effect.id
            seen = last


def test_a_file_is_appended_to_and_may_be_rotated(tmp_path: Path) -> None:
    path = tmp_path / "effects.ndjson"
    path.write_text('{"id": "before", "at": 1}\n')
    with json_lines(str(path)) as write:
        write(EFFECTS[:3])
        path.rename(tmp_path / "effects.1")
        write(EFFECTS[3:])
    text = "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("effects.1", "effects.ndjson"))
    found = [json.loads(line) for line in text.splitlines()]
    assert found == [{"id": "before", "at": 1}, *(effect._asdict() for effect in EFFECTS)]


def test_an_error_is_one_line_and_what_comes_after_is_dropped(tmp_path: Path) -> None:
    no_database = tmp_path / "text"
    no_database.write_text("not a database, but long enough to be looked at" * 100)
    for target, words in (
        (database(str(tmp_path / "nowhere" / "x.db")), "unable to open database file"),
        (database(str(no_database)), "file is not a database"),
        (json_lines(str(tmp_path / "nowhere" / "x")), "no such file or directory"),
        (json_lines(str(tmp_path)), "is a directory"),
    ):
        said: list[str] = []
        output = EffectOutput("FILE", target, said.append)
        output.add(list(EFFECTS))
        output.close()
        output.add(list(EFFECTS))
        assert said == [f"effects are no longer written to FILE: {words}"]
