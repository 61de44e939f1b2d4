"""`loadsim run` from the outside: exit codes, what stands on stdout, one clear line for everything that is wrong."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from loadsim.cli.main import main
from tests.launch.support import SECRET, SECRET_ENV, endpoint, loadsim, plain, stored

TARGET = "http://127.0.0.1:9/hook"
SCENARIO = """
name = "small"
[target]
url = "http://127.0.0.1:9/hook"
[[phases]]
name = "load"
duration = "1s"
rate = "10/s"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(tmp_path, monkeypatch, capsys)


class Runner:
    """The command in this process, in an empty directory, with a secret in the environment."""

    def __init__(self, cwd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.cwd, self.monkeypatch, self._capsys = cwd, monkeypatch, capsys
        monkeypatch.chdir(cwd)
        monkeypatch.setenv(SECRET_ENV, SECRET)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self.monkeypatch.setattr(sys, "argv", ["loadsim", "run", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    def refusal(self, *arguments: str) -> str:
        """The one line with which a usage error is refused."""
        code, out, err = self(*arguments)
        assert (code, out) == (2, ""), err
        assert err.count("\n") == 1, err
        assert not (self.cwd / "reports").exists()
        assert SECRET not in err
        return err

    def write(self, name: str, text: str) -> None:
        (self.cwd / name).write_text(text, encoding="utf-8")


# -- what is wrong, found before the first event --------------------------------------------------------------------

WRONG_SCENARIOS = [
    ('rate = "10/s"', 'rate = "-10/s"', ("phases[0].rate", "-10/s")),
    ('rate = "10/s"', 'rate = "10"', ("phases[0].rate", "10")),
    ('rate = "10/s"', "rate = 10", ("phases[0].rate",)),
    ('duration = "1s"', 'duration = "1 parsec"', ("phases[0].duration", "parsec")),
    ('duration = "1s"', 'duraton = "1s"', ("phases[0]", "duraton", "duration")),
    ("[target]", 'speed = "high"\n[target]', ("speed",)),
    ("[target]", "events = []\n[target]", ("events",)),
    ("[target]", 'objectives = ["p(99) <"]\n[target]', ("p(99) <",)),
    ("[target]", 'objectives = ["latencey: p(99) < 1s"]\n[target]', ("latencey",)),
    ("[target]", 'objectives = ["response{phase:laod}: p(99) < 1s"]\n[target]', ("laod",)),
    ("[target]", '[target]\nscheme = "trackpilot"', ("target.scheme", "trackpilots")),
    ("[target]", '[target]\nsecret = "abc_in_a_file"', ("target.secret", "secret_env")),
    ("[target]", '[[events]]\ntype = "desktop.app_trackin"\n[target]', ("events[0].type", "desktop.app_tracking")),
    ("[[phases]]", "[[phases]", ("TOML",)),
]


@pytest.mark.parametrize(("old", "new", "words"), WRONG_SCENARIOS)
def test_a_wrong_scenario_is_refused_in_one_line(run: Runner, old: str, new: str, words: tuple[str, ...]) -> None:
    assert old in SCENARIO
    run.write("small.toml", SCENARIO.replace(old, new, 1))
    said = run.refusal("small.toml")
    for word in ("small.toml", *words):
        assert word in said, said
    assert "abc_in_a_file" not in said


WRONG_OPTIONS = [
    (("small.toml", "-c", "5"), ("-c", "small.toml")),
    (("small.toml", "-r", "5/s", "-d", "1s"), ("-r", "-d")),
    (("small.toml", "-n", "5"), ("-n",)),
    (("small.toml", "-e", "desktop.app_tracking.captured"), ("-e",)),
    ((TARGET, "-t", "http://127.0.0.1:10/"), ("-t",)),
    ((TARGET, "-r", "500"), ("-r", "500")),
    ((TARGET, "-r", "-5/s"), ("-r",)),
    ((TARGET, "-d", "5"), ("-d", "5")),
    ((TARGET, "-w", "many"), ("-w", "many")),
    ((TARGET, "-w", "0"), ("-w",)),
    ((TARGET, "-e", "desktop.nothing"), ("desktop.nothing",)),
    ((TARGET, "-e", "desktop.app_tracking.captured=much"), ("weight",)),
    ((TARGET, "-H", "no colon"), ("-H",)),
    ((TARGET, "-H", "X-Token: env:NOT_THERE_AT_ALL"), ("X-Token", "NOT_THERE_AT_ALL")),
    ((TARGET, "--epoch", "yesterday"), ("--epoch", "yesterday")),
    ((TARGET, "--objective", "p(99) < fast"), ("p(99) < fast",)),
    ((TARGET, "--scheme", "morse"), ("morse", "adyen", "loadsim schemes")),
    ((TARGET, "--scheme", "trackpilot"), ('did you mean "trackpilots"?',)),
    ((TARGET, "--secret-env", "A", "--secret-file", "b"), ("secret",)),
    ((TARGET, "--secret-file", "not-there"), ("not-there", "no such file")),
    ((TARGET, "--secret-env", "NOT_THERE_AT_ALL"), ("NOT_THERE_AT_ALL", "not set")),
    (("not-there.toml",), ("not-there.toml", "no such file")),
    (("folder.toml",), ("folder.toml", "directory")),
    (("latin.toml",), ("latin.toml", "UTF-8")),
    (("staging",), ("staging", "loadsim.toml")),
    (("ftp://127.0.0.1/",), ("TARGET", "https://")),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG_OPTIONS, ids=lambda value: " ".join(value)[:60])
def test_a_wrong_option_is_refused_in_one_line(run: Runner, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    run.write("small.toml", SCENARIO)
    (run.cwd / "folder.toml").mkdir()
    (run.cwd / "latin.toml").write_bytes(b'name = "caf\xe9"')
    said = run.refusal(*arguments)
    for word in words:
        assert word in said, said


@pytest.mark.parametrize("metric", ["attempts", "given_up", "lost", "duplicated"])
def test_what_is_known_at_the_end_only_ends_no_run_early(run: Runner, metric: str) -> None:
    text = f"{metric}: count < 5"
    options = (TARGET, "-r", "10/s", "--retry", "stripe", "--ledger", "http://127.0.0.1:9/ledger")
    for more in ((), ("--check",)):
        said = run.refusal(*options, "--abort", text, *more)
        assert f"{text!r}: {metric} is known when the run is over" in said
    assert run(*options, "--objective", text, "--check")[0] == 0


@pytest.mark.parametrize("name", ["", "not/there.json", "folder", 300 * "a", "small.toml/x.json"])
def test_where_the_json_cannot_be_written_nothing_is_sent(run: Runner, name: str) -> None:
    run.write("small.toml", SCENARIO)
    (run.cwd / "folder").mkdir()
    code, out, err = run(TARGET, "--json", name)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--json" in err
    assert "cannot be written" in err
    assert not list((run.cwd / "reports").iterdir())


def test_a_missing_secret_names_its_variable_and_how_to_set_it(run: Runner) -> None:
    run.monkeypatch.delenv(SECRET_ENV)
    said = run.refusal(TARGET)
    assert f"export {SECRET_ENV}=" in said
    assert "--secret-file" in said


def test_a_look_at_the_plan_needs_no_secret(run: Runner) -> None:
    run.monkeypatch.delenv(SECRET_ENV)
    code, out, err = run(TARGET, "-r", "50/s", "-d", "2s", "-H", "X-Key: env:NOT_SET", "--check")
    assert (code, err) == (0, "")
    assert "Nothing was sent." in out


def test_an_objective_that_the_plan_can_never_support_is_refused(run: Runner) -> None:
    for more in ((), ("--check",)):
        said = run.refusal(TARGET, "-r", "30/s", "-d", "10s", "--objective", "p(99) < 1s", *more)
        assert "'p(99) < 1s': this run can never support it: p(99) needs 368 samples" in said
        assert "300 such events" in said
    assert run(TARGET, "-c", "2", "-d", "10s", "--objective", "p(99.99) < 1s", "--check")[0] == 0


def test_an_empty_secret_is_refused(run: Runner) -> None:
    run.monkeypatch.setenv(SECRET_ENV, "")
    assert SECRET_ENV in run.refusal(TARGET)


def test_an_event_type_that_is_not_registered_is_refused_with_those_that_are(run: Runner) -> None:
    run.write("loadsim.toml", f'[endpoints.staging]\nurl = "{TARGET}"\nevents = ["desktop.app_tracking.captured"]\n')
    said = run.refusal("staging", "-e", "desktop.activity_tracking.captured")
    assert "registered: desktop.app_tracking.captured" in said


def test_where_no_result_can_be_written_nothing_is_sent(run: Runner) -> None:
    run.write("reports", "a file where a directory should be")
    code, out, err = run(TARGET)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "reports" in err


def test_nobody_at_the_other_end_is_one_line_and_leaves_no_result(run: Runner) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody can be there
        port = taken.getsockname()[1]
        code, out, err = run(f"http://127.0.0.1:{port}/hook")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"127.0.0.1:{port}" in err
    assert "refused" in err
    assert not list((run.cwd / "reports").iterdir())


def test_a_name_that_does_not_resolve_is_one_line(run: Runner) -> None:
    code, out, err = run("http://nobody.invalid/hook")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "nobody.invalid" in err


# -- runs -------------------------------------------------------------------------------------------------------------


async def test_check_shows_the_plan_and_sends_nothing(tmp_path: Path) -> None:
    async with endpoint() as served:
        done = await loadsim("run", served.url, "-r", "50/s", "-d", "2s", "--check", cwd=tmp_path)
        assert served.arrivals == []
    assert (done.code, done.err) == (0, "")
    assert "100 events" in done.out
    assert "Nothing was sent." in done.out
    assert not (tmp_path / "reports").exists()


async def test_json_on_stdout_stands_alone_and_equals_the_stored_result(tmp_path: Path) -> None:
    async with endpoint() as served:
        options = ("-n", "40", "-c", "4", "--objective", "p(50) < 10s", "--json", "-")
        done = await loadsim("run", served.url, *options, cwd=tmp_path)
        assert sorted(served.arrivals) == list(range(40))
    assert done.code == 0, done.err
    document = plain(done.out)
    assert document["schema"] == "loadsim.result/2"
    (path,) = (tmp_path / "reports").glob("*/result.json")
    assert path.read_text(encoding="utf-8") == done.out


async def test_errors_fail_a_run_that_asks_only_for_latency(tmp_path: Path) -> None:
    async with endpoint(500) as served:
        done = await loadsim("run", served.url, "-n", "40", "-c", "4", "--objective", "p(50) < 10s", cwd=tmp_path)
    assert done.code == 99, done.err
    totals = stored(tmp_path).totals
    assert (totals.sent, totals.failed, totals.status) == (40, 40, {"500": 40})
    assert "success: rate >= 99%" in done.out
    assert "FAIL" in done.out


async def test_too_few_events_for_an_objective_are_no_verdict(tmp_path: Path) -> None:
    async with endpoint() as served:
        objective = "response{status:3xx}: p(99) < 10s"
        done = await loadsim("run", served.url, "-n", "400", "--objective", objective, cwd=tmp_path)
    assert done.code == 3, done.err
    assert objective in done.out


async def test_a_result_is_reported_and_judged_again_from_its_file(tmp_path: Path) -> None:
    async with endpoint() as served:
        done = await loadsim(
            "run", served.url, "-n", "40", "--objective", "med < 10s", "-q", "--max-lag", "1h", cwd=tmp_path
        )
    assert (done.code, done.err) == (0, "")
    (directory,) = (tmp_path / "reports").iterdir()
    assert {path.name for path in directory.iterdir()} >= {"percentiles.hgrm", "result.json", "series.csv"}
    again = await loadsim("report", directory, cwd=tmp_path)
    assert again.code == 0
    assert done.out.partition("\nSaved to")[0].strip() in again.out
    # Of a limit on latency a busy machine may explain the miss; of a limit on success it cannot.
    harder = await loadsim("judge", directory, "--objective", "success: rate < 50%", cwd=tmp_path)
    assert harder.code == 99
