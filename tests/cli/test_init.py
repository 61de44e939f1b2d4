"""`loadsim init`: what it asks, what it writes, and that what it wrote can be run."""

from __future__ import annotations

import io
import sys
import tomllib
from pathlib import Path

import pytest

from loadsim.signing import scheme, scheme_names
from tests.cli.running import Ran, Run

URL = "http://127.0.0.1:3000/webhooks"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(monkeypatch, capsys)


def answered(run: Run, monkeypatch: pytest.MonkeyPatch, answers: str, *arguments: str) -> Ran:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    return run("init", *arguments)


def target(file: str) -> dict[str, str]:
    document = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    found: dict[str, str] = document["target"] if "target" in document else document["endpoints"]["webhooks"]
    return found


def test_the_files_are_written_from_the_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = answered(run, monkeypatch, f"{URL}\nstripe\nSHOP_SECRET\n")
    assert done.code == 0
    wanted = {"url": URL, "scheme": "stripe", "secret_env": "SHOP_SECRET"}
    assert target("loadsim.toml") == target("webhooks.toml") == wanted


def test_an_empty_answer_is_the_default_of_the_scheme(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answered(run, monkeypatch, f"{URL}\n\n\n").code == 0
    variable = scheme("trackpilots").default_secret_env
    assert target("loadsim.toml") == {"url": URL, "scheme": "trackpilots", "secret_env": variable}


def test_a_host_and_a_port_are_a_url(run: Run) -> None:
    assert run("init", "--url", "localhost:3000/hooks", "--yes").code == 0
    assert target("loadsim.toml")["url"] == target("webhooks.toml")["url"] == "http://localhost:3000/hooks"


def test_a_wrong_answer_is_asked_for_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = f"ftp://nowhere\n{URL}\nstrip\nstripe\nwhsec_c2VjcmV0\nSHOP_SECRET\n"
    done = answered(run, monkeypatch, answers)
    assert done.code == 0
    assert target("loadsim.toml") == {"url": URL, "scheme": "stripe", "secret_env": "SHOP_SECRET"}
    assert 'did you mean "stripe"?' in done.out
    assert "whsec_c2VjcmV0" not in done.out + done.err


def test_what_an_option_says_is_not_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = answered(run, monkeypatch, "SHOP_SECRET\n", "--url", URL, "--scheme", "stripe")
    assert done.code == 0
    assert target("webhooks.toml")["secret_env"] == "SHOP_SECRET"


def test_a_secret_in_a_file_is_named_and_not_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = answered(run, monkeypatch, f"{URL}\nstripe\n", "--secret-file", "/run/secrets/shop")
    assert done.code == 0
    wanted = {"url": URL, "scheme": "stripe", "secret_file": "/run/secrets/shop"}
    assert target("loadsim.toml") == target("webhooks.toml") == wanted
    assert "export" not in done.out


@pytest.mark.parametrize("name", scheme_names())
def test_the_files_of_every_scheme_can_be_run(run: Run, name: str) -> None:
    url = URL
    if scheme(name).signs_query:
        refused = run("init", "--url", url, "--scheme", name, "--yes")
        assert refused.code == 2
        assert "which the URL lacks: add data.id=… to its query" in refused.err
        url += "?data.id=7"
    assert run("init", "--url", url, "--scheme", name, "--yes").code == 0
    for what in (["webhooks.toml"], ["webhooks"], ["quickstart", "-t", "webhooks"]):
        if what[0] == "quickstart" and not scheme(name).is_usual:
            continue  # its events are those of Trackpilots, which such a scheme may not be able to sign
        done = run("run", *what, "--check")
        assert done.code == 0, done.err
        assert URL in done.out


def test_it_ends_with_the_next_commands(run: Run) -> None:
    done = run("init", "--url", URL, "--name", "shop", "--yes")
    lines = [line.split("#")[0].split() for line in done.out.splitlines() if line.startswith("  ")]
    assert lines[0][0] == "export"
    assert [line[:3] for line in lines[1:]] == [
        ["loadsim", "simulate", "shop"],
        ["loadsim", "run", "shop.toml"],
        ["loadsim", "run", "shop.toml"],
    ]
    assert run(*lines[2][1:]).code == 0  # loadsim run shop.toml --check


@pytest.mark.parametrize("there", ["loadsim.toml", "webhooks.toml"])
def test_no_file_is_overwritten_and_none_is_written_then(run: Run, there: str) -> None:
    Path(there).write_text("# mine\n", encoding="utf-8")
    done = run("init", "--url", URL, "--yes")
    what_to_do = "use another directory" + (" or --name" if there == "webhooks.toml" else "")
    assert done.code == 2
    assert done.err == (f"loadsim: {there} exists already and is not overwritten; nothing was written: {what_to_do}\n")
    assert [path.name for path in Path().iterdir()] == [there]
    assert Path(there).read_text(encoding="utf-8") == "# mine\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--yes"], "--yes asks nothing: give --url"),
        (["--url", "127.0.0.1", "--yes"], "URL: needs an absolute URL"),
        (["--url", URL, "--scheme", "strip", "--yes"], 'did you mean "stripe"?'),
        (["--url", URL, "--scheme", "custom", "--yes"], "[endpoints.NAME.custom]"),
        (["--url", URL, "--secret-env", "whsec_x", "--yes"], "never the secret itself"),
        (["--url", URL, "--secret-env", "A", "--secret-file", "b", "--yes"], "are both given"),
        (["--url", URL, "--name", "a/b", "--yes"], "--name a/b: letters, digits"),
        (["--url", URL, "--name", "embedded", "--yes"], "neither embedded nor loadsim"),
        (["--url", URL, "--name", "loadsim", "--yes"], "neither embedded nor loadsim"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(run: Run, arguments: list[str], said: str) -> None:
    done = run("init", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err
    assert not list(Path().iterdir())


def test_nobody_who_answers_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = answered(run, monkeypatch, "")
    assert done.code == 2
    assert "there is no answer on standard input; give options and --yes" in done.err
    assert not list(Path().iterdir())


def test_a_text_in_quotes_stays_what_it_is(run: Run) -> None:
    odd = URL + '?a="b"&c=\\d&e=ü'
    assert run("init", "--url", odd, "--yes").code == 0
    assert target("loadsim.toml")["url"] == odd
