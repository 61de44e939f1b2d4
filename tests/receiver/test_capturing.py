"""`--capture` in running receivers: every accepted delivery is one row, and a run sends it again byte for byte."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from loadsim.events import read_recorded
from loadsim.model import RecordedEvent, Secret, UsageError
from loadsim.receiver.capture_writer import CaptureFiles, CaptureWriter
from loadsim.receiver.capturing import redaction_of
from loadsim.receiver.delivery_reader import DeliveryReader
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions
from loadsim.signing import scheme
from tests import commands
from tests.conftest import slow_but
from tests.receiver.raw_client import BODY, PATH, PATIENCE_S, SECRET, connect, exchange, request, signature, until

TEXT = b"Content-Type: application/octet-stream\r\n"


def captured(path: Path) -> list[RecordedEvent]:
    return list(read_recorded(path.read_bytes(), path.name))


def options(path: Path, **more: object) -> ReceiverOptions:
    return ReceiverOptions(**{"capture": str(path), "admin": None, **more})  # type: ignore[arg-type]


def post(body: bytes, headers: bytes = b"Content-Type: application/json\r\n") -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n".encode()
    return head + headers + signature(body) + b"\r\n" + body


@pytest.mark.parametrize("engine", ENGINES)
async def test_each_accepted_delivery_is_a_row_in_the_order_of_arrival(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    bodies = [BODY, b"\xff\x00 not UTF-8", "é ☃".encode(), b"", b"x" * 300_000]
    headers = TEXT + b"X-Own:  \xe2\x98\x83 \r\nx-own: 2\r\nX-Other: 3\r\nAuthorization: Bearer t\r\nCookie: c\r\n"
    async with await start_receiver(options(path, engine=engine, capture_headers=("X-Own",)), SECRET) as running:
        client = await connect(running.port)
        for body in bodies:
            await client.send(post(body, headers))
            assert (await client.reply()).status == 200
        await client.send(post(b"{", b"Content-Type: application/json\r\n"))  # genuine, and refused
        assert (await client.reply()).status == 400
        await client.send(post(b"forged").replace(b"forged", b"FORGED"))
        assert (await client.reply()).status == 401
        await client.close()
    rows = captured(path)
    assert [row.body for row in rows] == bodies
    assert rows[0].type == "desktop.app_tracking.captured"
    assert {row.headers for row in rows} == {
        (("Content-Type", "application/octet-stream"), ("X-Own", "☃, 2")),
    }
    times = [row.at_ns or 0 for row in rows]
    assert times == sorted(times)
    stats = running.stats()
    assert stats.captured is not None
    assert (stats.captured.rows, stats.captured.lost, stats.captured.last) == (len(bodies), 0, str(path))


@pytest.mark.parametrize("engine", ENGINES)
async def test_pipelined_and_chunked_requests_keep_their_own_headers(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    one = request(extra=b"X-Own: 1\r\n")
    chunked = request(b"", headers=signature(BODY), length=False, extra=b"Transfer-Encoding: chunked\r\nX-Own: 2\r\n")
    trailer = b"X-Own: trailer\r\n" if engine == "bare" else b""  # aiohttp's parser adds one to the next request
    chunked += b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(BODY), BODY, trailer)
    async with await start_receiver(options(path, engine=engine, capture_headers=("x-own",)), SECRET) as running:
        client = await connect(running.port)
        await client.send(one + chunked + one)
        assert [(await client.reply()).status for _ in range(3)] == [200] * 3
        await client.close()
    assert [dict(row.headers)["X-Own"] for row in captured(path)] == ["1", "2", "1"]
    assert {row.body for row in captured(path)} == {BODY}


async def test_fields_are_blank_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    body = b'{"event":"e","data":[{"email":"ada@example.test"}]}'
    async with await start_receiver(options(path, redact=("data.*.email",), engine="bare"), SECRET) as running:
        assert (await exchange(running.port, post(body))).status == 200
        assert (await exchange(running.port, post(b"ada@example.test", TEXT))).status == 200
    assert b"ada" not in path.read_bytes()
    assert [row.body for row in captured(path)] == [body.replace(b"ada@example.test", b""), b""]


@pytest.mark.parametrize("name", ["mailgun", "telegram", "github", "stripe", "slack"])
async def test_no_signature_and_no_secret_is_written(name: str, tmp_path: Path) -> None:
    described = scheme(name)
    secret = Secret("a_secret_of_which_nothing_is_kept")
    signer = described.signer(secret, event="push")
    document = b'{"type":"t","signature":{"timestamp":"1","token":"t","signature":"x"}}'
    path = tmp_path / "a.ndjson"
    chosen = options(path, scheme=name, tolerance_s=0.0, engine="bare")
    async with await start_receiver(chosen, secret) as running:
        now_ns = time.time_ns()
        body = signer.sealed(document, now_ns, "evt_1")
        lines = b"Content-Type: application/json\r\n" + signer.headers(body, now_ns, "evt_1")
        head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n".encode()
        assert (await exchange(running.port, head + lines + b"\r\n" + body)).status == 200
    text = path.read_bytes()
    assert secret.reveal().encode() not in text
    for line in signer.headers(body, now_ns, "evt_1").split(b"\r\n"):
        value = line.partition(b": ")[2]
        if value and value != b"push" and not line.lower().startswith((b"user-agent", b"content-type")):
            assert value not in text
    assert len(captured(path)) == 1
    if described.signature.place == "json":
        assert captured(path)[0].body != body


def test_the_secret_is_blank_in_every_item_of_a_delivery() -> None:
    blank = redaction_of(scheme("microsoft-graph"), ()).of(
        b'{"value":[{"clientState":"hush","id":"0"},{"clientState":"hush","id":"0"}]}', "application/json"
    )
    assert blank == b'{"value":[{"clientState":"","id":"0"},{"clientState":"","id":"0"}]}'


async def test_a_replaced_worker_goes_on_with_the_same_capture(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    said: asyncio.Queue[str] = asyncio.Queue()
    async with await start_receiver(options(path, engine="bare"), SECRET, say=said.put_nowait) as running:
        assert (await exchange(running.port, request())).status == 200
        async with asyncio.timeout(PATIENCE_S):
            await until(lambda: _rows(running) == 1)
            os.kill(running.stats().per_worker[0].pid, signal.SIGKILL)
            await said.get()
        assert (await exchange(running.port, request())).status == 200
    assert len(captured(path)) == 2


def _rows(running: RunningReceiver) -> int:
    found = running.stats().captured
    return 0 if found is None else found.rows


async def test_a_stop_waits_until_the_last_row_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, closing = tmp_path / "a.ndjson", threading.Event()
    write, close = CaptureFiles.write, CaptureWriter.close

    def late(files: CaptureFiles, rows: bytes) -> None:
        closing.wait(PATIENCE_S)
        write(files, rows)

    def then_close(writer: CaptureWriter) -> None:
        closing.set()
        close(writer)

    monkeypatch.setattr(CaptureFiles, "write", late)
    monkeypatch.setattr(CaptureWriter, "close", then_close)
    async with await start_receiver(options(path, engine="bare"), SECRET) as running:
        assert (await exchange(running.port, request())).status == 200
        assert _rows(running) == 0
    assert _rows(running) == len(captured(path)) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", slow_but([signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]))
async def test_a_signal_in_the_middle_loses_nothing(engine: Engine, number: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    arguments = ("--capture", str(path), "--capture-size", "20KB", "--workers", "2", "--engine", engine)
    process = await commands.start(
        "receive",
        "--port",
        "0",
        "--admin",
        "127.0.0.1:0",
        "--no-verify",
        *arguments,
        cwd=tmp_path,
        env=dict(os.environ),  # noqa: TID251
    )
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE_S):
        first = (await process.stderr.readline()).decode()
    port = re.search(r"http://127\.0\.0\.1:(\d+)/", first)
    assert port is not None
    answered: list[bytes] = []
    enough = asyncio.Event()

    async def send(sender: int) -> None:
        client = await connect(int(port[1]))
        try:
            for count in range(10**6):
                body = b'{"type":"t%d","n":%d}' % (sender, count)
                await client.send(post(body))
                await client.reply()
                answered.append(body)
                if len(answered) >= 300:
                    enough.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the receiver has stopped
        finally:
            await client.close()

    senders = [asyncio.create_task(send(sender)) for sender in range(8)]
    async with asyncio.timeout(PATIENCE_S):
        await enough.wait()
        process.send_signal(number)
        _, rest = await process.communicate()
        await asyncio.gather(*senders)
    assert process.returncode == 0
    files = sorted(os.listdir(tmp_path))  # noqa: PTH208 - in a coroutine
    bodies = [row.body for name in files for row in captured(tmp_path / name)]
    assert len(bodies) == len(set(bodies))
    assert set(answered) <= set(bodies)  # one may have been answered that its sender never read
    counts = re.search(r"accepted unverified ([\d,]+)", rest.decode())
    assert counts is not None
    assert int(counts[1].replace(",", "")) == len(bodies)
    assert f"captured {counts[1]} in " in rest.decode()
    assert len(files) > 1


@pytest.mark.parametrize(
    "header", ["Authorization", "cookie", "X-Hub-Signature-256", "X-GitHub-Delivery", "Host", "content-length"]
)
def test_a_header_that_no_row_may_have_is_refused(header: str) -> None:
    with pytest.raises(UsageError, match=f"--capture-header {header}"):
        DeliveryReader(scheme("github"), (header,))


@pytest.mark.parametrize("more", [{"redact": ("a",)}, {"capture_headers": ("a",)}, {"capture_keep": 2}])
def test_options_of_a_capture_need_one(more: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="have no effect without capture"):
        ReceiverOptions(**more)  # type: ignore[arg-type]
