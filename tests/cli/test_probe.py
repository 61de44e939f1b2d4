"""`loadsim probe`: its exit codes, its JSON, and what is refused before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.loopback import serving
from tests.cli.running import Run
from tests.studies.probe.flawed_http import SECRET, receiver

VARIABLE = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, SECRET)
    return Run(monkeypatch, capsys)


def test_a_sound_endpoint_is_0_with_a_table_that_shows_no_secret(run: Run, tmp_path: Path) -> None:
    with serving(receiver()) as url:
        (tmp_path / "loadsim.toml").write_text(f'[endpoints.staging]\nurl = "{url}/hooks?token=abc"\n')
        done = run("probe", "staging")
    assert done.code == 0
    assert "NOTHING FOUND" in done.out
    assert "staging  http://127.0.0.1" in done.out
    assert "abc" not in done.out
    assert SECRET not in done.out


@pytest.mark.parametrize("options", [(), ("--clock", "--limit", "2h")])
def test_the_result_is_saved_and_reported_again(run: Run, tmp_path: Path, options: tuple[str, ...]) -> None:
    with serving(receiver()) as url:
        done = run("probe", f"{url}/hooks?token=t0ken-77", *options, "--out", "kept")
    (directory,) = (tmp_path / "kept").iterdir()
    assert {path.name for path in directory.iterdir()} == {"probe.json", "summary.md", "report.html"}
    again = run("report", str(directory.relative_to(tmp_path)))
    saved = f"\nSaved to {directory.relative_to(tmp_path)}/: probe.json, summary.md, report.html\n"
    assert (again.code, again.out + saved) == (0, done.out)
    for path in directory.iterdir():
        assert "t0ken-77" not in path.read_text()
        assert SECRET not in path.read_text()


def test_where_nothing_can_be_saved_nothing_is_sent(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with serving(receiver()) as url:
        done = run("probe", url, "--out", "file")
    assert (done.code, done.out) == (1, "")
    assert "file: no result can be written here" in done.err


def test_findings_are_99_and_stand_in_the_json(run: Run) -> None:
    with serving(receiver(lambda body: body.strip())) as url:
        done = run("probe", url, "--json")
    assert done.code == 99
    document = json.loads(done.out)
    assert document["target"]["scheme"] == "trackpilots"
    assert [finding["proven"] for finding in document["findings"]] == [True]
    assert {form["result"] for form in document["forms"] if form["name"] == "lf-tail"} == {"signature"}


def test_the_clock_of_an_endpoint(run: Run) -> None:
    with serving(receiver(newest_s=1e12)) as url:
        done = run("probe", url, "--clock", "--limit", "2h")
        agreed = run("probe", url, "--clock", "--limit", "2h", "--tolerance", "60s", "--json")
    assert done.code == agreed.code == 99
    assert "accepts any future timestamp, up to 2 h (no more was tried)" in done.out
    sides = json.loads(agreed.out)["sides"]
    assert (sides["stale"]["result"], sides["future"]["result"]) == ("wider", "unbounded")
    assert sides["future"]["window_s"] is None


def test_embedded_is_the_companion_receiver(run: Run) -> None:
    done = run("probe", "embedded", "--scheme", "standard-webhooks", "--clock")
    assert done.code == 0
    assert "equal" in done.out


def test_nobody_there_is_1(run: Run) -> None:
    done = run("probe", "http://127.0.0.1:9/hooks")
    assert (done.code, done.out) == (1, "")
    assert "nothing listens at 127.0.0.1:9" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("embedded", "--clock", "--scheme", "github"), "the scheme github signs no timestamp"),
        (("embedded", "--limit", "2h"), "--limit needs --clock"),
        (("embedded", "--clock", "--limit", "5m"), "--limit (300 s) beyond it"),
        (("embedded", "--clock", "--limit", "1500ms"), "--limit: give whole seconds"),
        (("embedded", "--pause", "5"), "--pause: "),
        (("embedded", "-e", "desktop.nothing"), "desktop.nothing"),
        (("nowhere",), 'no endpoint is called "nowhere"'),
    ],
)
def test_what_is_wrong_is_one_line_and_2(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("probe", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
