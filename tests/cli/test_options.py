"""`-H`: what is refused, what is replaced, and what is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from loadsim.cli.main import cli
from loadsim.cli.options import run_options
from loadsim.cli.run import command
from loadsim.inputs.values import parse_headers
from loadsim.plan import headers_over
from loadsim.run.options import RunOptions
from loadsim.run.spec_of_options import compose
from tests.cli.running import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_test")
    return Run(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("name", "scheme", "why"),
    [
        ("X-Webhook-Signature", "trackpilots", "it is made for each event"),
        ("x-webhook-timestamp", "trackpilots", "it is made for each event"),
        ("X-Loadsim-Id", "trackpilots", "it is the delivery id"),
        ("X-GitHub-Delivery", "github", "it is made for each event"),
        ("X-GitHub-Event", "github", "it is made for each event"),
        ("Stripe-Signature", "stripe", "it is made for each event"),
    ],
)
def test_a_header_that_is_made_for_each_event_is_refused(name: str, scheme: str, why: str, run: Run) -> None:
    done = run(
        *("run", "http://127.0.0.1:9/", "--check", "--scheme", scheme, "-H", f"{name}: hidden"),
        *("--secret-env", "TRACKPILOTS_WEBHOOKS_SECRET_KEY"),
    )
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert f"the header {name}: {why}" in done.err
    assert "hidden" not in done.err


def test_a_scenario_is_held_to_the_same(run: Run) -> None:
    Path("s.toml").write_text(
        'name = "s"\n[target]\nurl = "http://127.0.0.1:9/"\nheaders = { X-Webhook-Signature = "x" }\n'
        '[[phases]]\nname = "load"\nconnections = 1\nduration = "1s"\n',
        encoding="utf-8",
    )
    done = run("run", "s.toml", "--check")
    assert (done.code, "X-Webhook-Signature" in done.err) == (2, True)


def test_a_signature_of_another_scheme_is_an_ordinary_header(run: Run) -> None:
    assert run("run", "http://127.0.0.1:9/", "--check", "-H", "Stripe-Signature: x").code == 0


def test_values_of_one_name_are_kept_apart_and_in_order() -> None:
    assert parse_headers(["X-Tag: a", "Other: env:V", "x-tag:b", "X-Tag:  "]) == {
        "X-Tag": ("a", "b", ""),
        "Other": "env:V",
    }


def test_a_header_of_the_command_line_replaces_one_of_the_file_in_whichever_case() -> None:
    assert headers_over({"Authorization": "a", "X": "1"}, {"authorization": ("b", "c")}) == {
        "X": "1",
        "authorization": ("b", "c"),
    }


SCENARIO = 'name = "s"\n[target]\nurl = "embedded"\n[[phases]]\nname = "load"\nconnections = 1\nduration = "1s"\n'


@pytest.mark.parametrize("what", ["s.toml", "embedded"])
def test_a_run_can_be_given_a_name(run: Run, what: str) -> None:
    Path("s.toml").write_text(SCENARIO, encoding="utf-8")
    done = run("run", what, "--check", "--name", "nightly, release 3.1")
    assert (done.code, "nightly, release 3.1" in done.out) == (0, True)
    spec = compose(what, RunOptions(name="nightly, release 3.1"))
    assert spec.scenario.name == "nightly, release 3.1"
    refused = run("run", what, "--check", "--name", " ")
    assert (refused.code, refused.err) == (2, "loadsim: --name: is empty\n")


def test_a_run_keeps_its_tags() -> None:
    spec = compose("embedded", RunOptions(tags=("branch=main", "commit=a=b")))
    assert spec.tags == {"branch": "main", "commit": "a=b"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["branch"], "write KEY=VALUE"),
        (["=x"], "write KEY=VALUE"),
        (["a=1", "a=2"], "given twice"),
        (["a=" + "x" * 201], "longer"),
    ],
)
def test_what_is_no_tag_is_refused(run: Run, given: list[str], why: str) -> None:
    done = run("run", "embedded", "--check", *(word for text in given for word in ("--tag", text)))
    assert (done.code, done.err.count("\n"), why in done.err) == (2, 1, True)


def test_the_options_of_a_run_are_those_of_its_command() -> None:
    """Each is given on the command line, and means the same there as for whoever leaves it out."""
    given = command.make_context("run", ["embedded"]).params
    assert set(given) - {"what", "json_file", "live", "opened", "quiet"} == set(RunOptions.__struct_fields__)
    assert run_options(given) == RunOptions()


def commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """Every command, by the word that calls it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield from commands(found) if isinstance(found, click.Group) else ((name, found),)


def test_every_command_says_in_the_same_way_where_its_secrets_are() -> None:
    told = []
    for name, one in commands(cli):
        params = {param.name: param for param in one.params if isinstance(param, click.Option)}
        for key in [key for key in params if key and key.endswith("secret_env")]:
            env, file = params[key], params[key.replace("_env", "_file")]
            assert str(env.help).startswith("Environment variable that holds "), name
            assert str(file.help) == str(env.help).replace("Environment variable", "File"), name
            assert (env.metavar, file.metavar, env.type, file.type) == ("NAME", "PATH", click.STRING, click.STRING)
            told.append(name)
    assert {"run", "capacity", "ab", "simulate", "probe", "receive", "verify", "receiver"} <= set(told)


@pytest.mark.parametrize("name", ["run", "capacity", "ab"])
def test_every_command_that_fires_a_plan_has_the_options_of_a_target(name: str) -> None:
    other = cli.get_command(click.Context(cli), name)
    assert other is not None
    assert {"secret_env", "secret_file", "key_password_env", "scheme", "name"} <= {param.name for param in other.params}


class Browser:
    """Takes note of what it is to open."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def open(self, url: str) -> bool:
        self.pages.append(url)
        return True


@pytest.mark.parametrize("there", [True, False])
def test_the_page_of_a_run_is_opened_or_it_is_said_where_it_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    browser = Browser()
    monkeypatch.setattr("loadsim.graphical_browser.graphical_browser", lambda: browser if there else None)
    ended = run("run", "embedded", "-c", "1", "-n", "3", "-q", "--open", "--tag", "branch=main")
    assert ended.code == 0, ended.err
    assert "branch=main" in ended.out
    (page,) = Path("reports").glob("*/report.html")
    assert browser.pages == ([page.absolute().as_uri()] if there else [])
    assert ended.err == ("" if there else f"loadsim: there is no graphical browser here: open {page}\n")


def test_json_alone_is_standard_output_and_takes_no_option_for_a_file(run: Run) -> None:
    refused = run("run", "http://127.0.0.1:9/", "--json", "--check")
    assert (refused.code, "leave out --json" in refused.err) == (2, True)


@pytest.mark.parametrize("option", ["--ledger", "--effects"])
def test_a_host_and_a_port_are_a_url_for_a_receiver_too(run: Run, option: str) -> None:
    assert run("run", "localhost:9/hooks", "--check", option, "localhost:8081/seen").code == 0
