"""What stands behind standard output and standard error changes no verdict: any encoding, no room, no reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.measure.result import dump_result, load_result
from tests.commands import Command
from tests.conftest import slow_but
from tests.launch.support import Done, endpoint, finish, started, stored
from tests.launch.test_run_lifecycle import INTERPRETER
from tests.report.results import failed

ENCODINGS = ("latin-1", "cp1252", "ascii", "cp437", "utf-8")
REDIRECTIONS = (">/dev/full", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full")
QUICK = ("-n", "40", "-c", "4", "--objective", "p(50) < 10s")
PRINTING = (
    ("report", "RESULT"),
    ("report", "RESULT", "--format", "md"),
    ("report", "RESULT", "--format", "html"),
    ("compare", "RESULT", "RESULT"),
    ("events",),
    ("events", "desktop.app_tracking.captured"),
    ("schemes",),
    ("schemes", "show", "stripe"),
    ("run", "http://127.0.0.1:9/", "--check"),
)
"""Commands whose output is all that they make."""
EVENT = ("-e", "desktop.app_tracking.captured")
JUDGING = (
    ("judge", "RESULT"),
    ("judge", "RESULT", "--objective", "success: rate >= 0%"),
    ("compare", "RESULT", "RESULT", "--fail", "p50:5%"),
    ("simulate", "GOOD", *EVENT),
    ("simulate", "BAD", *EVENT),
)
"""Commands whose exit code is a verdict of its own."""


def through(redirection: str) -> tuple[str, ...]:
    """How a shell starts the command with its streams led elsewhere."""
    return ("sh", "-c", f'exec "$0" "$@" {redirection}', *INTERPRETER)


async def ran(tmp_path: Path, command: tuple[str, ...], *arguments: str, **env: str) -> Done:
    async with started(*arguments, cwd=tmp_path, command=command, env={"PYTHONUTF8": "0", **env}) as process:
        out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode("latin-1"), err.decode("latin-1"))


@pytest.fixture
def result(tmp_path: Path) -> str:
    (tmp_path / "result.json").write_bytes(dump_result(failed()))
    return "result.json"


@pytest.mark.parametrize("encoding", slow_but(["cp1252"], ENCODINGS))
async def test_a_run_passes_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    async with endpoint() as served:
        done = await ran(tmp_path, INTERPRETER, "run", served.url, *QUICK, PYTHONIOENCODING=encoding)
    assert done.code == 0, done.err
    assert "PASS" in done.out
    assert "Saved to reports/" in done.out


@pytest.mark.parametrize("arguments", slow_but(PRINTING[:1], PRINTING), ids=" ".join)
async def test_every_command_prints_in_an_encoding_that_lacks_most_signs(
    tmp_path: Path, result: str, arguments: tuple[str, ...]
) -> None:
    words = tuple(word.replace("RESULT", result) for word in arguments)
    plain, poor = [await ran(tmp_path, INTERPRETER, *words, PYTHONIOENCODING=name) for name in ("utf-8", "cp1252")]
    assert poor.code == plain.code
    assert poor.err == plain.err
    assert poor.out.count("\n") == plain.out.count("\n") > 0


@pytest.mark.parametrize("redirection", slow_but(REDIRECTIONS[:1], REDIRECTIONS))
async def test_a_run_keeps_its_verdict_whatever_its_streams_take(tmp_path: Path, redirection: str) -> None:
    async with endpoint() as served:
        done = await ran(tmp_path, through(redirection), "run", served.url, *QUICK)
    assert done.code == 0, done.err
    assert stored(tmp_path).verdict.outcome == "pass"
    if redirection == ">/dev/full":
        said = "standard output cannot be written: no space left on device; the report is in reports/"
        assert said in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


async def test_a_reader_that_had_enough_changes_no_verdict(tmp_path: Path) -> None:
    async with (
        endpoint(answering=False) as served,
        started("run", served.url, *QUICK, "-q", cwd=tmp_path) as process,
    ):
        await served.seen(1)
        assert isinstance(process, Command)
        process.close_stdout()
        served.gate.set()
        done = await finish(process)
    assert (done.code, done.err) == (0, "")
    assert stored(tmp_path).verdict.outcome == "pass"


@pytest.mark.slow
async def test_json_that_was_asked_for_and_has_no_room_is_no_pass(tmp_path: Path) -> None:
    async with endpoint() as served:
        done = await ran(tmp_path, through(">/dev/full"), "run", served.url, *QUICK, "-q", "--json", "-")
    assert done.code == 1
    assert done.err == "loadsim: standard output cannot be written: no space left on device\n"
    assert stored(tmp_path).verdict.outcome == "pass"


@pytest.mark.parametrize("arguments", slow_but(PRINTING[:1], PRINTING), ids=" ".join)
async def test_output_that_has_no_room_is_one_line(tmp_path: Path, result: str, arguments: tuple[str, ...]) -> None:
    words = tuple(word.replace("RESULT", result) for word in arguments)
    done = await ran(tmp_path, through(">/dev/full"), *words)
    assert done.code == 1
    assert done.err == "loadsim: standard output cannot be written: no space left on device\n"


@pytest.mark.parametrize("arguments", slow_but(JUDGING[:1], JUDGING), ids=" ".join)
async def test_a_verdict_stands_where_its_report_has_no_room(
    tmp_path: Path, result: str, arguments: tuple[str, ...]
) -> None:
    async with endpoint() as good, endpoint(500) as bad:
        places = {"RESULT": result, "GOOD": good.url, "BAD": bad.url}
        words = [places.get(word, word) for word in arguments]
        plain, full = [await ran(tmp_path, through(stdout), *words) for stdout in (">/dev/null", ">/dev/full")]
    assert full.code == plain.code
    assert full.err == f"{plain.err}loadsim: standard output cannot be written: no space left on device\n"


async def test_a_verdict_is_written_to_the_result_where_its_report_has_no_room(tmp_path: Path, result: str) -> None:
    asked = ("judge", result, "--objective", "success: rate >= 0%", "--write")
    done = await ran(tmp_path, through(">/dev/full"), *asked)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == f"Saved to {result}"
    assert load_result((tmp_path / result).read_bytes(), result).verdict.outcome == "pass"


async def test_a_file_that_is_opened_never_gets_what_a_closed_stream_would_have_got(
    tmp_path: Path, result: str
) -> None:
    """The lowest free descriptor is the next file's: where 1 is closed, that is the one which is printed to."""
    done = await ran(tmp_path, through(">&- 2>&-"), "report", result, "--output", "page.html", "--format", "html")
    assert (done.code, done.out, done.err) == (0, "", "")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "Saved to page.html" not in page
