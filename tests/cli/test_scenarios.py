"""The shipped scenarios from a directory that is no clone: listed, shown, copied, and run by name."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from loadsim.plan.schema import scenario_schema
from loadsim.shipped import ShippedScenarios, question_of, shipped_names, shipped_text
from tests.cli.running import Run

SOURCES = Path(__file__).parents[2] / "scenarios"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(monkeypatch, capsys)


def test_the_list_has_every_scenario_with_its_question(run: Run) -> None:
    done = run("scenarios")
    assert done.code == 0
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert set(lines) == {path.stem for path in SOURCES.glob("*.toml")}
    assert lines["quickstart"] == "Does loadsim work here, and what does a report look like?"
    assert all(question.endswith("?") for question in lines.values())


def test_the_list_as_json_has_the_documented_form(run: Run) -> None:
    listed = msgspec.json.decode(run("scenarios", "--json").out, type=ShippedScenarios)
    assert listed.schema == "loadsim.scenarios/1"
    assert [each.name for each in listed.scenarios] == list(shipped_names())


def test_a_scenario_is_shown_as_it_is(run: Run) -> None:
    assert run("scenarios", "show", "steady").out == (SOURCES / "steady.toml").read_text(encoding="utf-8")


def test_the_name_of_a_scenario_alone_is_answered_with_the_command_that_shows_it(run: Run) -> None:
    done = run("scenarios", "steady")
    assert done.code == 2
    assert "did you mean loadsim scenarios show steady?" in done.err
    assert "did you mean" not in run("scenarios", "none-such").err


def test_a_copy_says_how_it_is_run_and_overwrites_nothing(run: Run) -> None:
    assert run("scenarios", "copy", "smoke", "mine.toml").code == 0
    text = Path("mine.toml").read_text(encoding="utf-8")
    assert text == shipped_text("smoke").replace("loadsim run smoke\n", "loadsim run mine.toml\n")
    assert "loadsim run mine.toml" in text
    assert run("run", "mine.toml", "--check").code == 0
    again = run("scenarios", "copy", "steady", "mine.toml")
    assert (again.code, again.err) == (2, "loadsim: mine.toml exists already and is not overwritten\n")
    assert Path("mine.toml").read_text(encoding="utf-8") == text


def test_a_copy_has_the_scenarios_name_by_default_and_in_a_directory(run: Run) -> None:
    Path("loads").mkdir()
    assert run("scenarios", "copy", "smoke").code == 0
    assert run("scenarios", "copy", "smoke", "loads").code == 0
    assert Path("smoke.toml").is_file()
    assert Path("loads/smoke.toml").is_file()


def test_a_copy_that_could_not_be_run_is_refused(run: Run) -> None:
    done = run("scenarios", "copy", "smoke", "smoke.txt")
    assert (done.code, done.err) == (2, "loadsim: smoke.txt: the name of a scenario file ends in .toml\n")
    assert not Path("smoke.txt").exists()


@pytest.mark.parametrize("verb", ["show", "copy"])
def test_a_wrong_name_is_answered_with_the_right_one(run: Run, verb: str) -> None:
    done = run("scenarios", verb, "quikstart")
    assert (done.code, done.err) == (
        2,
        'loadsim: loadsim ships no scenario called "quikstart"; did you mean "quickstart"?\n',
    )


@pytest.mark.parametrize("name", shipped_names())
def test_every_scenario_is_found_by_its_name(run: Run, name: str) -> None:
    done = run("run", name, "--check")
    assert done.code == 0, done.err
    assert name in done.out


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("quikstart", 'no endpoint or shipped scenario is called "quikstart" (did you mean "quickstart"?)'),
        ("quickstart.toml", "loadsim ships the scenario quickstart: name it without .toml"),
        ("scenarios/steady.toml", "loadsim ships the scenario steady: name it without .toml"),
    ],
)
def test_a_run_of_something_that_is_not_there_says_what_is(run: Run, what: str, said: str) -> None:
    done = run("run", what, "--check")
    assert done.code == 2
    assert said in done.err


def test_a_file_that_is_there_and_unreadable_is_not_taken_for_a_shipped_one(run: Run) -> None:
    Path("steady.toml").mkdir()
    assert "ships" not in run("run", "steady.toml", "--check").err


def test_an_endpoint_comes_before_a_scenario_of_its_name(run: Run) -> None:
    Path("loadsim.toml").write_text('[endpoints.quickstart]\nurl = "http://127.0.0.1:9/mine"\n', encoding="utf-8")
    done = run("run", "quickstart", "--check")
    assert done.code == 0
    assert "http://127.0.0.1:9/mine" in done.out
    assert "quickstart is the endpoint of loadsim.toml" in done.err
    assert "loadsim scenarios copy quickstart" in done.err
    assert "is the endpoint" not in run("run", "smoke", "--check").err


def test_a_near_endpoint_is_suggested_too(run: Run) -> None:
    Path("loadsim.toml").write_text('[endpoints.staging]\nurl = "http://127.0.0.1:9/mine"\n', encoding="utf-8")
    assert 'did you mean "staging"?' in run("run", "stagin", "--check").err
    single = run("simulate", "stagin")
    assert 'no endpoint is called "stagin" (did you mean "staging"?)' in single.err
    assert "quickstart" not in run("simulate", "quikstart").err


def test_a_scenario_by_name_takes_what_a_file_takes(run: Run) -> None:
    assert "-r: a scenario sets this itself; change steady" in run("run", "steady", "-r", "5/s", "--check").err
    assert "-c: a scenario sets this itself" in run("capacity", "steady", "-c", "5", "--from", "1/s").err
    target = run("ab", "steady", "staging")
    assert "name targets, and the scenario that both run with --scenario steady" in target.err


def test_what_is_no_scenario_is_refused_where_a_scenario_is_named(run: Run) -> None:
    done = run("ab", "http://127.0.0.1:9/", "--aa", "--scenario", "nothing")
    assert "--scenario nothing: a scenario is a file that ends in .toml, or one that loadsim ships" in done.err


def test_an_installed_package_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "only.toml").write_text("# Is it here?\n", encoding="utf-8")
    monkeypatch.setattr("loadsim.shipped._PACKAGE", tmp_path)
    shipped_names.cache_clear()
    try:
        assert shipped_names() == ("only",)
        assert shipped_text("only") == "# Is it here?\n"
    finally:
        shipped_names.cache_clear()


@pytest.mark.parametrize(
    ("text", "question"),
    [("# Why?\nx = 1", "Why?"), ("# Why?\r\n", "Why?"), ("# So.\n", ""), ("x = 1 # why?", ""), ("", "")],
)
def test_a_question_is_the_first_line(text: str, question: str) -> None:
    assert question_of(text) == question


def test_the_schema_is_that_of_the_scenario_file(run: Run) -> None:
    ended = run("scenarios", "schema")
    assert (ended.code, json.loads(ended.out)) == (0, scenario_schema())
