"""An endpoint that answers with workflow commands and control characters, and every command that shows what it said.

Whatever a command prints, no runner obeys it, and no terminal is steered.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadsim.cli import main as main_module
from tests import commands
from tests.conftest import slow_but
from tests.receiver.raw_client import SECRET, exchange, request
from tests.runner import obeyed, sent

from .loopback import serving_raw
from .running import Run

VARIABLE = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
APP = "desktop.app_tracking.captured"
WORDS = "::error::owned "
EVIL = (
    "::stop-commands::owned\n  ::error file=a::b\r\t::warning::c\r\n##[error]d ##vso[task.complete]e\x1b[2J\x1b]0;f\x07"
    f"\u009b2J\u202eg\u00ad\u034f::set-output name=a::b\n{WORDS * 60}"
)
"""With words that begin a line wherever a report wraps it."""
LINE = "::error::owned ##[error]owned \u009b2J" + WORDS * 30


def answer(status: int, body: bytes, reason: str = LINE, kind: str = "text/plain") -> bytes:
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nX-Said: {LINE}\r\n"
    return head.encode("utf-8") + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def hostile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts what is posted to /ok, answers hostile ledgers elsewhere, and refuses the rest in hostile words."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            target = head.split(b" ")[1]
            if target.startswith(b"/ledger"):
                writer.write(answer(500, EVIL.encode()))
            elif target.startswith(b"/schema"):
                writer.write(answer(200, json.dumps({"schema": LINE, "run": LINE, "of": LINE}).encode()))
            elif target.startswith(b"/none"):
                writer.write(b"::error::owned ##[error]owned\r\n\r\n")
            else:
                writer.write(answer(401, EVIL.encode()))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


@pytest.fixture
def url() -> Iterator[str]:
    with serving_raw(hostile) as url:
        yield url


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "whsec_x")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "headers.txt").write_text(f"X-Webhook-Signature: {LINE}\nX-Webhook-Timestamp: {LINE}\n")
    (tmp_path / "evil.json").write_text(json.dumps({"event": EVIL}))
    (tmp_path / "evil.toml").write_text(f"{json.dumps(LINE)} = 1\n")
    (tmp_path / "evil.ndjson").write_text(json.dumps({"id": EVIL}) + "\n")
    return Run(monkeypatch, capsys)


def check(out: str, err: str) -> None:
    for text in (out, err):
        assert not obeyed(text)
        assert not sent(text)


COMMANDS = {
    "simulate": ("simulate", "URL/hooks", "-e", APP),
    "simulate --json": ("simulate", "URL/hooks", "-e", APP, "--json"),
    "simulate, no HTTP": ("simulate", "URL/none", "-e", APP),
    "simulate, own body": ("simulate", "URL/hooks", "--payload", "evil.json"),
    "probe": ("probe", "URL/hooks"),
    "probe --json": ("probe", "URL/hooks", "--json"),
    "probe --clock": ("probe", "URL/hooks", "--clock"),
    "run": ("run", "URL/hooks", "-c", "2", "-n", "8"),
    "run --json -": ("run", "URL/hooks", "-c", "2", "-n", "8", "--json", "-"),
    "run, no HTTP": ("run", "URL/none", "-c", "1", "-n", "3"),
    "run, recorded": ("run", "URL/hooks", "-c", "1", "-n", "2", "--payload", "evil.json"),
    "run --ledger": ("run", "URL/hooks", "-c", "1", "-n", "2", "--ledger", "URL/ledger"),
    "run --ledger, no ledger": ("run", "URL/hooks", "-c", "1", "-n", "2", "--ledger", "URL/schema"),
    "capacity": ("capacity", "URL/hooks", "--from", "20/s", "--step", "1s", "--settle", "100ms"),
    "ab": ("ab", "URL/hooks", "URL/hooks", "-c", "1", "-n", "2", "--warm-up", "100ms"),
    "schemes verify": ("schemes", "verify", "trackpilots", "--headers", "headers.txt", "--body-file", "evil.json"),
    "scenario": ("run", "evil.toml", "--check"),
    "unknown file": ("run", LINE),
}

SILENT = {"simulate, no HTTP", "run, no HTTP", "capacity", "ab"}
"""They show nothing of what an endpoint said."""


@pytest.mark.parametrize("name", slow_but(["run", "probe", "unknown file"], COMMANDS))
def test_no_command_prints_what_a_runner_obeys(name: str, run: Run, url: str) -> None:
    ran = run(*(word.replace("URL", url) for word in COMMANDS[name]))
    check(ran.out, ran.err)
    assert ran.code != 0
    assert "owned" in ran.out + ran.err or name in SILENT


def test_nor_does_one_that_reads_a_stored_result(run: Run, url: str, tmp_path: Path) -> None:
    assert run("run", f"{url}/hooks", "-c", "2", "-n", "8", "--outcomes", "-q").code == 99
    (stored,) = (tmp_path / "reports").iterdir()
    for form in ("text", "md", "hgrm", "csv", "junit", "hlog", "k6", "openmetrics", "json", "html"):
        ran = run("report", str(stored), "--format", form)
        assert ran.code == 0
        if form == "html":  # with a library of others in it, which has format characters
            assert not obeyed(ran.out)
        else:
            check(ran.out, ran.err)
    for arguments in (
        ("judge", str(stored), "--objective", "p(50) < 1s"),
        ("compare", str(stored), str(stored)),
        ("compare", str(stored), str(stored), "--format", "md"),
        ("reconcile", str(stored), "evil.ndjson", "--id", "id"),
        ("report", LINE),
    ):
        ran = run(*arguments)
        check(ran.out, ran.err)
    for path in stored.iterdir():
        if path.suffix in {".md", ".csv", ".xml", ".hgrm"}:
            assert not obeyed(path.read_text()), path.name


def test_nor_does_a_failure_that_nobody_foresaw(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setattr(main_module.cli, "main", fails)
    ran = run("schemes")
    assert ran.code == 1
    assert "RuntimeError" in ran.err
    check(ran.out, ran.err)


async def test_nor_does_the_receiver(tmp_path: Path) -> None:
    arguments = ("receive", "--verbose", "--log-json", "--port", "0", "--admin", "127.0.0.1:0")
    env = {**os.environ, VARIABLE: SECRET.reveal()}  # noqa: TID251 - handed on
    command = await commands.start(*arguments, cwd=tmp_path, env=env)
    try:
        port = int((await command.stderr.readline()).decode().partition("127.0.0.1:")[2].partition("/")[0])
        assert (await exchange(port, request(json.dumps({"event": EVIL}).encode()))).status == 200
        command.send_signal(signal.SIGTERM)
        out, err = await command.communicate()
    finally:
        command.kill()
        await command.wait()
    assert b"owned" in out
    assert b"owned" in err
    check(out.decode(), err.decode())
