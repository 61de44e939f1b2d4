"""Every key of a file is described at its field, and its example is one; the JSON Schema agrees with what is read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadsim.plan.reference import Key, Table, tables
from loadsim.plan.scenario import Scenario
from loadsim.plan.schema import scenario_schema
from loadsim.plan.typed_document import read
from loadsim.settings import ConfigFile
from loadsim.signing.scheme_tables import KEYS
from tests import pages

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
TABLES = [table for file in (Scenario, ConfigFile) for table in tables(file)]
KEYS_OF_FILES = [(table, key) for table in TABLES for key in table.keys]
MINIMUM = """
name = "n"
[target]
url = "embedded"
[[phases]]
name = "p"
"""
"""What every scenario has."""


def named(pair: tuple[Table, Key]) -> str:
    return f"{pair[0].header}{pair[1].name}"


@pytest.mark.parametrize("pair", KEYS_OF_FILES, ids=named)
def test_every_key_is_described(pair: tuple[Table, Key]) -> None:
    table, key = pair
    assert table.meaning.endswith(".")
    assert len(key.meaning.split()) > 1
    assert key.meaning.endswith(".")
    assert " ns" not in key.meaning, "a file has texts with units"
    assert "`check`" not in table.meaning


def test_every_table_that_a_file_may_have_is_there() -> None:
    assert {table.header for table in TABLES} == {
        "", "[target]", "[[phases]]", "[[events]]", "[[objectives]]", "[[cases]]", "[validity]", "[receiver]",
        "[effects]", "[[watch]]", "[retry]", "[trace]", "[endpoints.NAME]",
    }  # fmt: skip


def with_example(table: Table, key: Key) -> dict[str, Any]:
    """A scenario in which the key has its example."""
    document = tomllib.loads(MINIMUM)
    value = tomllib.loads(f"value = {key.example}")["value"]
    name = table.header.strip("[]")
    required: dict[str, dict[str, Any]] = {
        "[[events]]": {"type": "t"},
        "[[watch]]": {"name": "n"},
        "[[objectives]]": {"objective": "max < 1s"},
        "[[cases]]": {"kind": "wrong_secret", "share": 0.1},
    }
    if not table.header:
        return document | {key.name: value}
    at: Any = document.get(name, [{}] if table.header.startswith("[[") else {})
    at = (
        [{**required.get(table.header, {}), **at[0], key.name: value}]
        if isinstance(at, list)
        else at | {key.name: value}
    )
    return document | {name: at}


HOLDERS = ("table", "tables", "tables by name")
WITH_VALUES = [
    (table, key)
    for table, key in KEYS_OF_FILES
    if not (key.form in HOLDERS and not key.example.startswith("{ ")) and "NAME" not in table.header
]


@pytest.mark.parametrize("pair", WITH_VALUES, ids=named)
def test_every_example_can_be_read_and_is_not_the_default(pair: tuple[Table, Key]) -> None:
    table, key = pair
    assert key.example != key.default
    scenario = read(with_example(table, key), Scenario)
    assert isinstance(scenario, Scenario)


@pytest.mark.parametrize("name", sorted(pages.GENERATED))
def test_the_committed_pages_are_what_is_generated(name: str) -> None:
    (page,) = [text for path in pages.DOCS.glob("*.md") if f"generated: {name} " in (text := path.read_text("utf-8"))]
    assert pages.written(page) == page, "python -m tests.pages"


def test_every_key_of_an_own_scheme_is_described() -> None:
    rows = [line.split("|")[1].strip(" `") for line in pages.custom().splitlines()[2:]]
    assert sorted(rows) == sorted(KEYS)


# -- the JSON Schema ------------------------------------------------------------------------------------------------


def problems(document: Any) -> list[str]:
    """What a validator says against a document."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(scenario_schema())
    return [error.message for error in validator.iter_errors(document)]


def test_the_schema_is_one() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(scenario_schema())


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_schema_accepts_what_ships(path: Path) -> None:
    assert not problems(tomllib.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("pair", WITH_VALUES, ids=named)
def test_the_schema_accepts_every_example(pair: tuple[Table, Key]) -> None:
    assert not problems(with_example(*pair))


@pytest.mark.parametrize("table", ["", "target", "phases", "events", "cases", "validity", "receiver", "retry"])
def test_the_schema_refuses_an_unknown_key(table: str) -> None:
    document = tomllib.loads(MINIMUM)
    place = document.setdefault(table, {}) if table else document
    if table in {"events", "cases"}:
        document[table] = place = [{"type": "t"} if table == "events" else {"kind": "k", "share": 0.1}]
    assert not problems(document)
    (place[0] if isinstance(place, list) else place)["colour"] = "red"
    (problem,) = problems(document)
    assert "colour" in problem


@pytest.mark.parametrize(
    "wrong", ["seed = -1", 'seed = "7"', "outcomes = 1", "receiver = 1", 'target = { url = "embedded", reuse = 0 }']
)
def test_the_schema_refuses_what_reading_refuses(wrong: str) -> None:
    document = tomllib.loads(MINIMUM) | tomllib.loads(wrong)
    assert problems(document)
    with pytest.raises(ValueError, match=wrong.split(maxsplit=1)[0]):
        read(document, Scenario)


def test_every_default_of_the_schema_is_a_value_of_the_schema() -> None:
    schema = scenario_schema()
    assert schema["properties"]["target"]["properties"]["timeout"]["default"] == "10s"
    assert msgspec.json.decode(msgspec.json.encode(schema)) == schema
