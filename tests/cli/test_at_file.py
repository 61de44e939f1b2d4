"""`@FILE`, where users of curl write it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from aiohttp import web

from loadsim.cli.at_file import STDIN, body_of, header_lines, path_of
from loadsim.cli.guarded_streams import Guarded
from loadsim.model import UsageError
from tests.cli.loopback import serving
from tests.cli.running import Run

BODY = b'{"event": "order.paid",  "n": 1.0}'
HEADERS = "X-Team: red\n\nX-Env: env:TEAM\r\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", "whsec_test")
    monkeypatch.setenv("TEAM", "blue")
    Path("body.json").write_bytes(BODY)
    Path("headers.txt").write_text(HEADERS, encoding="utf-8", newline="")
    return Run(monkeypatch, capsys)


def test_which_file_is_meant(run: Run) -> None:
    assert [path_of(text) for text in ("body.json", "@body.json", "-", "@-")] == [
        "body.json",
        "body.json",
        STDIN,
        STDIN,
    ]
    Path("@odd").write_bytes(b"1")
    assert path_of("@odd") == "@odd", "a file that is there under this name"
    assert run is not None


def test_headers_of_a_file_are_its_lines(run: Run) -> None:
    given = ("A: 1", "@headers.txt", "B: @c")
    assert header_lines(None, None, given) == ("A: 1", "X-Team: red", "X-Env: env:TEAM", "B: @c")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"cannot read missing\.txt"):
        header_lines(None, None, ["@missing.txt"])  # type: ignore[arg-type]
    assert run("simulate", "http://127.0.0.1:9/", "-H", "@missing.txt").code == 2


def test_a_body_is_given_or_named(run: Run) -> None:
    assert body_of("@body.json") == (BODY, "body.json")
    assert body_of('{"a": "@b"}') == (b'{"a": "@b"}', "-d")
    done = run("simulate", "http://127.0.0.1:9/", "-d", "@missing.json")
    assert (done.code, done.err) == (2, "loadsim: cannot read missing.json: no such file or directory\n")


@pytest.mark.parametrize("options", [("-d", "@body.json"), ("--payload", "@body.json"), ("-d", BODY.decode())])
def test_a_body_is_sent_unchanged(run: Run, options: tuple[str, str]) -> None:
    received = []

    async def keep(request: web.Request) -> web.Response:
        received.append((await request.read(), request.headers.get("X-Team"), request.headers.get("X-Env")))
        return web.Response()

    with serving(keep) as url:
        done = run("simulate", url, *options, "-H", "@headers.txt", "--json")
    assert (done.code, received) == (0, [(BODY, "red", "blue")])


def test_two_bodies_are_refused(run: Run) -> None:
    done = run("simulate", "http://127.0.0.1:9/", "-d", "{}", "--payload", "body.json", "--live")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "leave out --live, --payload" in done.err


def test_a_load_has_a_payload_and_its_d_is_a_duration(run: Run) -> None:
    done = run("run", "http://127.0.0.1:9/", "--payload", "@body.json", "-H", "@headers.txt", "--check")
    assert "body from body.json (weight 1)" in done.out
    done = run("run", "http://127.0.0.1:9/", "-d", "@body.json", "--check")
    assert done.code == 2
    assert done.err == ("loadsim: -d is the duration of a load, e.g. 30s; a body of your own is --payload @body.json\n")


def test_standard_input_is_a_file(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("loadsim.cli.at_file.STDIN", str(tmp_path / "body.json"))
    assert body_of("@-")[0] == BODY
    assert "from " + str(tmp_path) in run("run", "http://127.0.0.1:9/", "--payload", "-", "--check").out


@pytest.mark.parametrize("terminal", [True, False])
def test_an_exact_body_is_indented_on_a_terminal_only(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    monkeypatch.setattr(Guarded, "isatty", lambda _: terminal)

    async def accept(_: web.Request) -> web.Response:
        return web.Response()

    with serving(accept) as url:
        shown = run("simulate", url, "-d", "@body.json", "--json").out
    assert orjson.loads(shown)["payload"].encode() == BODY
    assert shown.startswith("{\n  "), "a document for programs has one form"
    exact = run("events", "desktop.app_tracking.captured", "--seed", "7", "--epoch", "0").out
    assert exact.startswith('{\n  "event": "desktop' if terminal else '{"event":"desktop')
    assert exact.endswith("}\n" if terminal else "}")
