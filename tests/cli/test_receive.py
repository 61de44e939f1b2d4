"""`loadsim receive` as its user meets it: a process with streams, signals and exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from loadsim.cli.main import main
from loadsim.cli.receiver_options import parse_address
from loadsim.plan.units import Span, UnitError, parse_share, parse_span
from tests import commands
from tests.commands import Command
from tests.receiver.raw_client import BODY, PATIENCE_S, SECRET, exchange, request

VARIABLE = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
COMMAND = ("receive", "--port", "0", "--admin", "127.0.0.1:0", "--engine", "bare")


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}  # noqa: TID251 - a child's
    return kept | extra


async def start(*arguments: str, **extra: str) -> Command:
    return await commands.start(*COMMAND, *arguments, cwd=Path.cwd(), env=environment(**extra))


def run_here(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of a command that ends by itself, run in this process."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "argv", ["loadsim", "receive", "--admin", "127.0.0.1:0", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


async def line_of(process: Command) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stderr.readline()).decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_listens_logs_what_it_verified_and_sums_up(number: signal.Signals) -> None:
    process = await start("--verbose", **{VARIABLE: SECRET.reveal()})
    first, second = await line_of(process), await line_of(process)
    port = re.search(r"receiving on http://127\.0\.0\.1:(\d+)/webhooks/trackpilots", first)
    assert port is not None
    assert re.search(r"counters at http://127\.0\.0\.1:\d+/stats", second)
    assert (await exchange(int(port[1]), request())).status == 200
    assert (await exchange(int(port[1]), request(headers=b""))).status == 400
    logged = await line_of(process)
    assert logged == "Webhook verified, event: desktop.app_tracking.captured | simulation: true\n"
    process.send_signal(number)
    out, rest = await process.communicate()
    assert process.returncode == 0
    assert out == b""
    assert "received 2 · verified 1 · missing signature 1" in rest.decode()
    assert "answered 2 (200: 1, 400: 1)" in rest.decode()
    assert SECRET.reveal() not in first + second + logged + rest.decode()


async def test_what_was_done_after_the_answer_is_summed_up(tmp_path: Path) -> None:
    bad = str(tmp_path / "nowhere" / "effects.db")
    work = ("--process", "1h", "--process-queue", "1", "--effects-db", bad)
    process = await start(*work, **{VARIABLE: SECRET.reveal()})
    said = [await line_of(process) for _ in range(3)]
    assert f"effects are no longer written to {bad}: unable to open database file\n" in said
    port, effects = (re.search(pattern, "".join(said)) for pattern in (r"on http://[^:]+:(\d+)/", r"effects at (\S+);"))
    assert port is not None
    assert effects is not None
    for status in (200, 200, 503):
        assert (await exchange(int(port[1]), request())).status == status
    async with aiohttp.ClientSession() as session, session.get(effects[1], params={"run": "x"}) as answer:
        assert answer.status == 404
    process.send_signal(signal.SIGTERM)
    _, rest = await process.communicate()
    words = "done after the answer 0 · repeated 0 · lost 0 · backlog 2 · refused for a full queue 1"
    assert words in rest.decode()


async def test_json_lines_stand_on_stdout_and_hold_neither_body_nor_secret() -> None:
    process = await start("--log-json", "--workers", "2", **{VARIABLE: SECRET.reveal()})
    port = re.search(r":(\d+)/", await line_of(process))
    assert port is not None
    data = b'{"event":"a\\u000ab","simulation":false,"data":["private"]}'
    bodies = [BODY, data, b"[]", b'"text"']
    for body in bodies:
        assert (await exchange(int(port[1]), request(body))).status == 200
    assert (await exchange(int(port[1]), request(headers=b""))).status == 400
    process.send_signal(signal.SIGTERM)
    out, err = await process.communicate()
    records = [json.loads(line) for line in out.splitlines()]
    assert [(record["event"], record["simulation"], record["bytes"]) for record in records] == [
        ("desktop.app_tracking.captured", True, len(BODY)),
        ("a\\nb", False, len(data)),
        ("unknown", False, 2),
        ("unknown", False, 6),
    ]
    assert {record["message"] for record in records} == {"webhook verified"}
    assert all(record["worker"] in {0, 1} and record["time"] > 1.7e9 for record in records)
    signed = request(headers=None).partition(b"X-Webhook-Signature: ")[2][:64]
    for secret in (SECRET.reveal().encode(), b"private", signed):
        assert secret not in out + err


@pytest.mark.parametrize("engine", ["aiohttp", "bare"])
async def test_whoever_stops_reading_the_log_costs_no_answer(engine: str) -> None:
    process = await start("--log-json", "--engine", engine, **{VARIABLE: SECRET.reveal()})
    port = re.search(r":(\d+)/", await line_of(process))
    assert port is not None
    process.close_stdout()
    for _ in range(3):
        assert (await exchange(int(port[1]), request())).status == 200
    process.send_signal(signal.SIGTERM)
    await process.wait()


async def test_the_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET.reveal() + "\n")
    process = await start("--secret-file", str(file))
    port = re.search(r":(\d+)/", await line_of(process))
    assert port is not None
    assert (await exchange(int(port[1]), request())).status == 200
    process.send_signal(signal.SIGTERM)
    await process.communicate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], f"{VARIABLE} is not set"),
        (["--secret-file", "/nonexistent"], "/nonexistent"),
        (["--delay", "5"], "has no unit"),
        (["--stall", "10s"], "AT:FOR"),
        (["--down", "1s:2s", "--down", "2s:1s"], "before the earlier one has ended"),
        (["--down", "1s:0s"], "its duration is 0"),
        (["--fail", "200:1%"], "400 to 599"),
        (["--fail", "503:60%", "--reset", "41%"], "more than 100%"),
        (["--fail", "500:1%", "--retry-after", "1s"], "429 or 503"),
        (["--fail", "429:1%", "--retry-after", "1500ms"], "whole seconds"),
        (["--slow", "1s"], "TIME:SHARE"),
        (["--process", "normal:1s"], "write TIME, exp:MEAN, lognormal:MEDIAN"),
        (["--process", "1s", "--workers", "2"], "one queue is one process"),
        (["--process", "1s", "--process-stall", "2s:2s"], "EVERY:FOR"),
        (["--process", "1s", "--process-stall", "2s"], "EVERY:FOR"),
        (["--processors", "2"], "processors has no effect without process"),
        (["--effects-file", "x"], "effects-file"),
        (["--delay-p99", "1s"], "median"),
        (["--read-rate", "64KB"], "bytes per second"),
        (["--idle-timeout", "0s"], "at least 10ms"),
        (["--fail-rate", "1"], "not a share"),
        (["--admin", "8081"], "HOST:PORT"),
        (["--max-body", "1GB"], "unknown unit"),
        (["--slots", "2"], "slots"),
        (["--path", "hooks"], "path"),
        (["--scheme", "trackpilot", "--no-verify"], 'did you mean "trackpilots"'),
        (["--no-verify", "--secret-env", "X"], "--no-verify"),
        (["--no-verify", "--old-secret-file", "x"], "--no-verify"),
        (["--retire-after", "1s"], "--old-secret-file"),
        (["--old-secret-file", "/nonexistent"], "/nonexistent"),
        (["--old-secret-file", "x", "--old-secret-env", "X"], "keep one of them"),
    ],
)
def test_bad_input_is_exit_2_and_one_message(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(arguments, monkeypatch) == 2
    assert words in capsys.readouterr().err


def test_a_port_in_use_is_exit_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_here(["--no-verify", "--port", str(port)], monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"127.0.0.1:{port} is already in use" in error


def test_shares_stalls_and_addresses_are_read() -> None:
    assert parse_share("1%") == 0.01
    assert parse_share("100%") == 1
    assert parse_span("10s:1.4s") == Span(10_000_000_000, 1_400_000_000)
    assert parse_address("[::1]:0") == ("::1", 0)
    for parse, wrong in ((parse_share, "101%"), (parse_span, "1s:2"), (parse_address, "localhost:x")):
        with pytest.raises(UnitError):
            parse(wrong)
