"""The verifiers of `docs/verify-in-your-code.md` verify: each is run where its language or framework is there."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from loadsim.model import NS_PER_S, Secret
from loadsim.receiver.hosted_application import AppOrder
from loadsim.receiver.supervisor import listen
from loadsim.receiver.worker_process import WorkerProcess
from loadsim.signing import scheme
from tests import commands
from tests.documents import FILES
from tests.receiver.raw_client import PATH, Reply, exchange, request

KEY = "whsec_test"
BODY = b'{"event":"desktop.app_tracking.captured","data":[]}'


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKPILOTS_WEBHOOKS_SECRET_KEY", KEY)


def application(name: str) -> Any:
    """The module that the page calls so."""
    module = types.ModuleType(name.removesuffix(".py"))
    exec(compile(FILES[name].text, name, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - our own page
    return module


def library(name: str) -> Any:
    """A library of the extra `interop`, or skip; fail where nothing may be missing."""
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        if os.environ.get("LOADSIM_REQUIRE") == "all":  # noqa: TID251 - as in conftest
            pytest.fail(f"needs {name}: install the extra `interop`", pytrace=False)
        pytest.skip(f"needs {name}: install the extra `interop`")


def signed(body: bytes = BODY, *, key: str = KEY, age_s: int = 0) -> dict[str, str]:
    lines = scheme("trackpilots").signer(Secret(key)).headers(body, time.time_ns() - age_s * NS_PER_S, "")
    pairs = [line.partition(": ") for line in lines.decode("ascii").splitlines()]
    return {"Content-Type": "application/json", **{name: value for name, _, value in pairs}}


def deliveries() -> list[tuple[bytes, dict[str, str], int]]:
    """Body, headers, and the status that is due."""
    return [
        (BODY, signed(), 200),
        (BODY + b" ", signed(), 401),
        (BODY, signed(key="another"), 401),
        (BODY, signed(age_s=301), 401),
        (BODY, {"Content-Type": "application/json"}, 400),
    ]


async def send(port: int, body: bytes, headers: dict[str, str]) -> Reply:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "Content-Type")
    return await exchange(port, request(body, headers=lines.encode()))


async def check_probed(port: int, cwd: Path) -> None:
    """Our own probe finds nothing."""
    environment = {**os.environ, "TRACKPILOTS_WEBHOOKS_SECRET_KEY": KEY}  # noqa: TID251 - handed on
    command = await commands.start("probe", f"http://127.0.0.1:{port}{PATH}", "--json", cwd=cwd, env=environment)
    out, err = await command.communicate()
    assert await command.wait() == 0, (out, err)
    forms = {form["name"]: form for form in json.loads(out)["forms"]}
    assert len(forms) > 40
    refused = {name for name, form in forms.items() if form["result"] != "accepted"}
    assert refused <= {"bom", "not-utf8", "empty", "empty-object", "array", "gzip"}, "genuine, and yet no JSON event"
    assert not [name for name in refused if "500" in forms[name]["answer"] or "signature" in forms[name]["answer"]]


@pytest.mark.usefixtures("secret")
async def test_aiohttp_with_the_middleware(tmp_path: Path) -> None:
    runner = web.AppRunner(application("webhooks.py").make_app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    try:
        for body, headers, status in deliveries():
            assert (await send(port, body, headers)).status == status
        accepted = await send(port, BODY, signed())
        assert accepted.body == b'{"received": "desktop.app_tracking.captured"}'
        assert (await exchange(port, request(b"", method="GET", target="/healthz", headers=b""))).status == 200
        assert (await exchange(port, request(BODY, target=PATH, headers=b""))).error == "Missing signature"
        await check_probed(port, tmp_path)
    finally:
        await runner.cleanup()


@pytest.mark.usefixtures("secret")
async def test_flask(tmp_path: Path) -> None:
    library("flask")
    client = application("flask_webhooks.py").app.test_client()
    for body, headers, status in deliveries():
        assert client.post(PATH, data=body, headers=headers).status_code == status
    assert client.post(PATH, data=b"x" * 1_000_001, headers=signed(b"")).status_code == 413
    server = library("werkzeug.serving").make_server("127.0.0.1", 0, client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        await check_probed(server.server_port, tmp_path)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
@pytest.mark.usefixtures("secret")
async def test_fastapi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library("fastapi")
    library("uvicorn")
    (tmp_path / "fastapi_webhooks.py").write_text(FILES["fastapi_webhooks.py"].text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with listen("127.0.0.1", 0, 1)[0] as listener:
        process = await WorkerProcess.spawn(AppOrder("fastapi_webhooks:app", listener.fileno()))
        assert process.ready, process.said
        for body, headers, status in deliveries():
            assert (await send(listener.getsockname()[1], body, headers)).status == status
        await check_probed(listener.getsockname()[1], tmp_path)
        await process.stop(60)


# -- without loadsim ------------------------------------------------------------------------------------------------

NODE = """\
import { refusal } from "./verify_webhook.mjs";
let text = "";
for await (const part of process.stdin) text += part;
const answers = JSON.parse(text).map(([body, headers]) => {
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return (refusal(process.env.TRACKPILOTS_WEBHOOKS_SECRET_KEY, lower, Buffer.from(body, "base64")) ?? [200])[0];
});
console.log(JSON.stringify(answers));
"""
PHP = """\
<?php
require 'verify_webhook.php';
$secret = getenv('TRACKPILOTS_WEBHOOKS_SECRET_KEY');
$answers = [];
foreach (json_decode(stream_get_contents(STDIN), true) as [$body, $headers]) {
    $lower = array_change_key_case($headers, CASE_LOWER);
    $answers[] = (refusal($secret, $lower, base64_decode($body)) ?? [200])[0];
}
echo json_encode($answers);
"""


def more_deliveries() -> list[tuple[bytes, dict[str, str], int]]:
    """Further ones: unusual headers, an unusual body, a timestamp ahead."""
    good = signed()
    timestamp, signature = good["X-Webhook-Timestamp"], good["X-Webhook-Signature"]
    binary = bytes(range(256))
    return [
        *deliveries(),
        (binary, signed(binary), 200),
        (b"", signed(b""), 200),
        (BODY, signed(age_s=60), 200),
        (BODY, signed(age_s=-900), 401),
        (BODY, {**good, "X-Webhook-Signature": signature[:-1]}, 401),
        (BODY, {**good, "X-Webhook-Signature": signature + "0"}, 401),
        (BODY, {**good, "X-Webhook-Signature": "é" * 32}, 401),
        (BODY, {**good, "X-Webhook-Timestamp": ""}, 400),
        (BODY, {**good, "X-Webhook-Timestamp": f"{timestamp}.0"}, 400),
        (BODY, {**good, "X-Webhook-Timestamp": "٣" * 10}, 400),
        (BODY, {**good, "X-Webhook-Timestamp": str(int(timestamp) + 1)}, 401),
    ]


def answered_by(program: str, driver: str, verifier: str, directory: Path) -> list[int]:
    """The statuses that a verifier in another language gives to all deliveries."""
    (directory / verifier).write_text(FILES[verifier].text, encoding="utf-8")
    script = directory / f"driver{Path(verifier).suffix}"
    script.write_text(driver, encoding="utf-8")
    sent = [(base64.b64encode(body).decode(), headers) for body, headers, _ in more_deliveries()]
    done = subprocess.run(
        [program, script.name], cwd=directory, input=json.dumps(sent), capture_output=True, text=True, check=True
    )
    statuses: list[int] = json.loads(done.stdout)
    return statuses


@pytest.mark.usefixtures("secret")
def test_plain_python() -> None:
    refusal = application("verify_webhook.py").refusal
    answers = [(refusal(headers, body) or (200,))[0] for body, headers, _ in more_deliveries()]
    assert answers == [status for _, _, status in more_deliveries()]


@pytest.mark.usefixtures("secret")
@pytest.mark.needs("node")
def test_node(tmp_path: Path) -> None:
    answers = answered_by("node", NODE, "verify_webhook.mjs", tmp_path)
    assert answers == [status for _, _, status in more_deliveries()]


@pytest.mark.usefixtures("secret")
@pytest.mark.needs("php")
def test_php(tmp_path: Path) -> None:
    answers = answered_by("php", PHP, "verify_webhook.php", tmp_path)
    assert answers == [status for _, _, status in more_deliveries()]


@pytest.mark.usefixtures("secret")
def test_django(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = library("django.conf").settings
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["testserver"])
    requests = library("django.test").RequestFactory()
    monkeypatch.setitem(sys.modules, "verify_webhook", application("verify_webhook.py"))
    receive = application("django_webhooks.py").receive
    for body, headers, status in deliveries():
        answer = receive(requests.post(PATH, data=body, content_type="application/json", headers=headers))
        assert answer.status_code == status
    not_json = b"not JSON"
    assert (
        receive(requests.post(PATH, data=not_json, content_type="text/plain", headers=signed(not_json))).status_code
        == 400
    )
    assert receive(requests.get(PATH)).status_code == 405
