"""`--json`: every command that reports has it, and what it prints is what its schema says, with no key beyond."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import jsonschema  # type: ignore[import-untyped]
import pytest

from loadsim.cli.json_documents import DOCUMENTS, Document, schema_of, short_name
from loadsim.cli.main import cli
from loadsim.measure.stored_json import stored_json
from loadsim.report.json_schema import json_schema, meaning, structs_of
from tests.cli.loopback import serving
from tests.cli.running import Run
from tests.cli.test_first_examples import commands
from tests.cli.test_runs import NEW, OLD, store
from tests.report import results
from tests.studies.bench_receiver.test_procedure import shown
from tests.studies.probe.flawed_http import SECRET, receiver

VARIABLE = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
NO_DOCUMENT = {
    "loadsim": "a group",
    "loadsim bench": "a group",
    "loadsim scenarios show": "it prints a file",
    "loadsim scenarios copy": "it writes a file",
    "loadsim scenarios schema": "what it prints is JSON",
    "loadsim dashboard": "it serves pages",
    "loadsim completion": "it prints a script",
    "loadsim init": "it writes files",
    "loadsim schemes new-key": "it writes a file",
    "loadsim schema": "what it prints is JSON",
}


COMMANDS = commands(cli, "loadsim")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, SECRET)
    return Run(monkeypatch, capsys)


def closed(schema: Any) -> Any:
    """The same schema without room for keys that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    return {**found, "additionalProperties": False} if "properties" in schema else found


def check(text: str) -> dict[str, Any]:
    """One whole JSON document, of the form that its schema says."""
    document: dict[str, Any] = json.loads(text)
    assert text.startswith("{\n")
    assert text.endswith("}\n")
    schema = schema_of(document["schema"])
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, closed(schema), cls=jsonschema.Draft202012Validator)
    return document


def printing(document: Document) -> set[str]:
    """The commands that print a document, without their options."""
    return {f"loadsim {command.partition(' -')[0]}" for command in document.commands}


def test_every_command_that_reports_has_the_option() -> None:
    options = {name: {option for each in command.params for option in each.opts} for name, command in COMMANDS.items()}
    assert {name for name, known in options.items() if "--json" not in known} == set(NO_DOCUMENT)


def test_help_names_the_documents_that_a_command_prints() -> None:
    for name, command in COMMANDS.items():
        helps = [each.help or "" for each in command.params if isinstance(each, click.Option) and "--json" in each.opts]
        named = set(re.findall(r"loadsim\.[\w.]+/\d+", " ".join(helps)))
        assert named <= {schema for schema, each in DOCUMENTS.items() if name in printing(each)}


def test_every_command_of_a_document_exists() -> None:
    assert set().union(*map(printing, DOCUMENTS.values())) == set(COMMANDS) - set(NO_DOCUMENT)


@pytest.mark.parametrize("schema", DOCUMENTS)
def test_every_key_is_said_to_mean_something(schema: str) -> None:
    kind = DOCUMENTS[schema].kind()
    assert "schema" in kind.__struct_fields__
    lacking = [f"{each.__name__}.{name}" for each in structs_of(kind) for name in each.__struct_fields__
               if not meaning(each, name)]  # fmt: skip
    assert lacking == []
    assert "None" not in json.dumps(json_schema(kind, schema))


def test_a_name_of_a_part_means_one_thing_in_all_documents() -> None:
    parts = {each for document in DOCUMENTS.values() for each in structs_of(document.kind())}
    names = [each.__name__ for each in parts]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (("runs", "--json"), "loadsim.runs/1"),
        (("runs", "--prune", "1", "--json"), "loadsim.pruned/1"),
        (("doctor", "--json"), "loadsim.doctor/1"),
        (("scenarios", "--json"), "loadsim.scenarios/1"),
        (("events", "--json"), "loadsim.events/1"),
        (("events", "--scheme", "stripe", "--json"), "loadsim.events/1"),
        (("schemes", "--json"), "loadsim.schemes/1"),
        (("schemes", "show", "stripe", "--json"), "loadsim.schemes/1"),
        (("report", "latest", "--json"), "loadsim.result/2"),
        (("judge", "latest", "--json"), "loadsim.result/2"),
        (("compare", f"reports/{OLD}", "latest", "--json"), "loadsim.compare/1"),
        (("compare", f"reports/{OLD}", "latest", "--fail", "p99:10%", "--json"), "loadsim.compare/1"),
    ],
)
def test_what_a_command_on_stored_results_prints(arguments: tuple[str, ...], schema: str, run: Run) -> None:
    store(OLD)
    store(NEW)
    done = run(*arguments)
    assert done.code in (0, 3)
    assert check(done.out)["schema"] == schema


STUDIES = {"ab.json": results.pairs(), "capacity.json": results.searched(), "receiver.json": shown()}


@pytest.mark.parametrize("file", STUDIES)
def test_a_stored_study_is_printed_again(file: str, run: Run) -> None:
    directory = store("20260506-101500-study-91bc", file, stored_json(STUDIES[file]))
    assert check(run("report", str(directory), "--json").out) == json.loads(stored_json(STUDIES[file]))


def test_the_document_of_a_report_can_be_a_file(run: Run, tmp_path: Path) -> None:
    store(NEW)
    done = run("report", "latest", "--json", "-o", "kept.json")
    assert (done.code, done.out) == (0, "")
    assert check((tmp_path / "kept.json").read_text())["run"]["name"]


def test_a_run(run: Run) -> None:
    done = run("run", "embedded", "-n", "50", "-c", "2", "--json", "-", "--outcomes")
    assert check(done.out)["totals"]["completed"] == 50
    (kept,) = Path("reports").iterdir()
    Path("received.ndjson").write_text(json.dumps({"id": f"{kept.name}/0/1"}) + "\n")
    joined = run("reconcile", "latest", "received.ndjson", "--id", "id", "--json")
    assert joined.code == 99, joined.err
    assert check(joined.out)["reconciliation"]["lost"] == 49


def test_a_plan_is_no_result(run: Run) -> None:
    done = run("run", "embedded", "-n", "5", "--check", "--json", "-")
    assert (done.code, done.out) == (2, "")
    assert "--check" in done.err


@pytest.mark.parametrize("answers", [True, False])
def test_a_simulated_event(answers: bool, run: Run) -> None:
    with serving(receiver()) as url:
        target = url if answers else "http://127.0.0.1:9"
        done = run("simulate", target, "-e", "desktop.app_tracking.captured", "--json")
    document = check(done.out)
    assert (document["error"] is None) is answers
    assert document["sent_at"].endswith("Z")


@pytest.mark.parametrize("options", [(), ("--clock", "--limit", "2h")])
def test_a_probe_and_its_stored_form(options: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    with serving(receiver(lambda body: body.strip())) as url:
        done = run("probe", url, *options, "--json")
    document = check(done.out)
    assert document["target"]["url"].startswith(url)
    (directory,) = (tmp_path / "reports").iterdir()
    assert check(run("report", str(directory), "--json").out) == document


@pytest.mark.parametrize("signature", ["wrong", "none"])
def test_a_verification(signature: str, run: Run) -> None:
    Path("body.json").write_text("{}")
    headers = ["-H", f"X-Webhook-Signature: {signature}", "-H", "X-Webhook-Timestamp: 1777885800"]
    done = run("schemes", "verify", "trackpilots", *headers, "--body-file", "body.json", "--json")
    assert done.code == 99
    document = check(done.out)
    assert document["verified"] is False
    assert document["rejection"]


def test_an_event_has_no_list(run: Run) -> None:
    done = run("events", "desktop.app_tracking.captured", "--json")
    assert (done.code, done.out) == (2, "")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        ("capacity", "embedded", "--from", "20/s", "--to", "20/s", "--step", "1s", "--settle", "0s"),
        ("ab", "embedded", "--aa", "-r", "50/s", "-n", "40", "--fail", "p50:50%", "--warm-up", "0s"),
        ("bench", "verify", "--scheme", "trackpilots", "--size", "300B", "--rounds", "6"),
        ("bench", "receiver", "-r", "100/s", "--rounds", "3", "--step", "1s"),
        ("bench", "engine", "--step", "1s"),
    ],
)
def test_what_a_study_prints(arguments: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    done = run(*arguments, "--json")
    assert done.code in (0, 3, 99), done.err
    check(done.out)


def test_the_schemas_are_listed_and_printed(run: Run) -> None:
    listed = run("schema").out.splitlines()
    assert [line.split()[0] for line in listed] == list(map(short_name, DOCUMENTS))
    assert json.loads(run("schema", "capacity").out) == schema_of("loadsim.capacity/1")
    done = run("schema", "capacit")
    assert (done.code, done.out) == (2, "")
    assert 'did you mean "capacity"?' in done.err
