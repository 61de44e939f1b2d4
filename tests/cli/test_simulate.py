"""`loadsim simulate` against real loopback servers: what is sent, what is shown, how it ends."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from loadsim.events import EventSource, default_types
from loadsim.model import Secret
from loadsim.signing import scheme
from tests.engine.http2_servers import Http2Server
from tests.engine.servers import OK, Peer, Server
from tests.engine.test_hostile import forging

from .loopback import CERTIFICATE, serving, serving_raw
from .running import Ran, Run

APP = "desktop.app_tracking.captured"
ACTIVITY = "desktop.activity_tracking.captured"
VARIABLE = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
SECRET = "whsec_a-secret-that-must-never-show"
ADVICE_401 = f"401 Invalid signature: the receiver's {VARIABLE} does not match"
ADVICE_400 = "400 Missing signature: the server does not read both headers"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, SECRET)
    return Run(monkeypatch, capsys)


async def verifying(request: web.Request) -> web.Response:
    """What a receiver of the documented kind does."""
    body = await request.read()
    rejection = scheme("trackpilots").verifier(Secret(SECRET)).verify(request.headers, body, time.time())
    if rejection is not None:
        return web.Response(status=rejection.status, text=rejection.text)
    return web.json_response({"ok": True, "bytes": len(body)}, headers={"X-Api-Key": "shown-to-nobody"})


def answering(status: int, **options: Any) -> Any:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, **options)

    return handler


def test_a_genuine_event_is_delivered_and_all_six_fields_are_shown(run: Run) -> None:
    with serving(verifying) as url:
        ran = run("simulate", f"{url}/hooks?token=t0ps3cret", "-e", APP, "--seed", "7")
    assert ran.code == 0
    assert ran.err == ""
    for text in (
        "Status    200 OK",
        "Latency",
        " ms",
        "Delivered",
        "X-Webhook-Signature: ",
        "X-Webhook-Timestamp: ",
        '{"ok": true',
    ):
        assert text in ran.out
    assert (
        '\n{"event":"desktop.app_tracking.captured","version":"v1","agent":"desktop-agent","simulation":true,'
        in ran.out
    )
    assert EventSource(APP, 7).event_id(0) in ran.out
    for hidden in (SECRET, "t0ps3cret", "shown-to-nobody", "\x1b"):
        assert hidden not in ran.out


def test_json_is_one_object_with_the_exact_payload(run: Run) -> None:
    received = []

    async def keep(request: web.Request) -> web.Response:
        received.append((await request.read(), dict(request.headers)))
        return web.Response(status=201, text="thanks")

    with serving(keep) as url:
        ran = run(
            "simulate", url, "-e", APP, "--seed", "7", "--json", "-H", "X-Team: red", "-H", "Authorization: Bearer x"
        )
    assert ran.code == 0
    shown = orjson.loads(ran.out)
    body, got = received[0]
    assert shown["payload"].encode() == body
    assert shown["delivered"] is True
    assert shown["status"] == 201
    assert shown["http"] == "1.1"
    assert shown["event"] == APP
    assert shown["seed"] == 7
    assert shown["response"]["body"] == "thanks"
    assert shown["error"] is None
    assert shown["diagnosis"] is None
    assert shown["delivery_headers"]["Authorization"] == "***"
    assert got["Authorization"] == "Bearer x"
    for name in ("Content-Type", "X-Webhook-Signature", "X-Webhook-Timestamp", "X-Team", "User-Agent"):
        assert shown["delivery_headers"][name] == got[name]
    timings = shown["timings_ms"]
    assert timings["dns"] is None
    assert timings["tls"] is None
    assert 0 < timings["connect"] + timings["first_byte"] <= timings["total"] == shown["latency_ms"]
    assert (
        scheme("trackpilots")
        .verifier(Secret(SECRET))
        .verify({name.lower(): value for name, value in got.items()}, body, time.time())
        is None
    )


@pytest.mark.parametrize(
    ("arguments", "status", "advice"),
    [
        (["-H", "X-Webhook-Timestamp: 1746123456"], "401", ADVICE_401),
        (["--scheme", "github"], "400", "400 Missing signature: the server does not read every signature header"),
    ],
)
def test_a_refusal_comes_with_its_diagnosis(run: Run, arguments: list[str], status: str, advice: str) -> None:
    with serving(verifying) as url:
        ran = run("simulate", url, "-e", APP, "--secret-env", VARIABLE, *arguments)
    assert ran.code == 99
    assert f"Status    {status} " in ran.out
    assert "Failed" in ran.out
    assert advice in " ".join(ran.out.replace("│", " ").split())


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (500, None),
        (404, "404 Not Found"),
        (405, "405 Method Not Allowed"),
        (302, "Redirects are not followed"),
        (401, ADVICE_401),
        (400, ADVICE_400),
    ],
)
def test_any_answer_but_2xx_fails_with_99(run: Run, status: int, advice: str | None) -> None:
    with serving(answering(status, text="no", headers={"Location": "/elsewhere"})) as url:
        ran = run("simulate", url, "-e", ACTIVITY, "--json")
    shown = orjson.loads(ran.out)
    assert ran.code == 99
    assert shown["delivered"] is False
    assert shown["status"] == status
    assert (shown["diagnosis"] or "").startswith(advice or "")
    assert (shown["diagnosis"] is None) == (advice is None)


def failed(ran: Ran, kind: str, text: str) -> None:
    """Exit 1, the kind in the JSON, one clear line on stderr."""
    assert ran.code == 1
    shown = orjson.loads(ran.out)
    assert shown["error"]["kind"] == kind
    assert shown["status"] is None
    assert shown["latency_ms"] is None
    assert shown["delivered"] is False
    assert ran.err == f"loadsim: {shown['error']['text']}\n"
    assert text in ran.err


def test_the_version_of_http_is_shown_where_it_is_not_the_usual_one(run: Run) -> None:
    with Http2Server(lambda peer: peer.greet().serve()) as server:
        words = ("simulate", server.url, "-e", APP, "--http2", "-H", "X-Loadsim-Id: 1")
        panel, document = run(*words), run(*words, "--json")
    assert "Status    200 (HTTP/2)" in panel.out
    assert orjson.loads(document.out)["http"] == "2"


def test_a_port_where_nothing_listens(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        failed(run("simulate", f"http://127.0.0.1:{port}/", "-e", APP, "--json"), "refused", "nothing listens at")
        auto = run("simulate", f"https://127.0.0.1:{port}/", "-e", APP, "--http", "auto", "--json")
        failed(auto, "refused", "nothing listens at")
        panel = run("simulate", f"http://127.0.0.1:{port}/", "-e", APP)
    assert panel.code == 1
    assert "no answer" in panel.out


def test_a_name_that_does_not_resolve(run: Run) -> None:
    failed(run("simulate", "http://nosuchhost.invalid/", "-e", APP, "--json"), "dns", "cannot resolve the host name")


def test_a_server_that_hangs_ends_at_the_timeout(run: Run) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    with serving_raw(hang) as url:
        failed(run("simulate", url, "-e", APP, "--timeout", "200ms", "--json"), "timeout", "within 0.2 s")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "closed_early"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol"),
        (b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok", "protocol"),
        (b"HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok", "protocol"),
        *(
            (b"%b 200 OK\r\nContent-Length: 2\r\n\r\nok" % name, "protocol")
            for name in (b"RTSP/1.0", b"ICE/1.0", b"HTTP/2.0")
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "truncated"),
    ],
)
def test_a_server_that_misbehaves(run: Run, answer: bytes, kind: str) -> None:
    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(65536)
        writer.write(answer)
        await writer.drain()
        writer.close()

    with serving_raw(misbehave) as url:
        failed(run("simulate", url, "-e", APP, "--json"), kind, "127.0.0.1")


@pytest.mark.parametrize("before", [(), (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",)])
def test_a_forged_tls_record_is_tls(run: Run, before: tuple[bytes, ...]) -> None:
    with Server(forging(*before), tls="localhost") as server:
        failed(run("simulate", server.url, "-e", APP, "--insecure", "--json"), "tls", "broke (")


def test_tls_is_verified_unless_told_otherwise(run: Run) -> None:
    with serving(verifying, tls=True) as url:
        refused = run("simulate", url, "-e", APP, "--json")
        trusted = run("simulate", url, "-e", APP, "--json", "--cacert", str(CERTIFICATE))
        unchecked = run("simulate", url, "-e", APP, "--json", "--insecure")
        plain = run("simulate", url.replace("https", "http"), "-e", APP, "--json")
    failed(refused, "tls", "name its CA (cacert), or accept it (insecure)")
    for ran in (trusted, unchecked):
        timings = orjson.loads(ran.out)["timings_ms"]
        assert ran.code == 0
        assert timings["tls"] > 0
        assert timings["connect"] > 0
        assert timings["connect"] + timings["tls"] + timings["first_byte"] <= timings["total"]
    assert plain.code == 1


def test_https_to_a_server_that_speaks_http(run: Run) -> None:
    with serving(verifying) as url:
        ran = run("simulate", url.replace("http", "https"), "-e", APP, "--json")
    failed(ran, "tls", "does that port speak https?")


def test_a_response_cannot_steer_the_terminal(run: Run) -> None:
    with serving(answering(500, body=b"\x1b[31mred\x07\xff")) as url:
        ran = run("simulate", url, "-e", APP)
    assert "\\x1b[31mred\\x07\ufffd" in ran.out
    assert "\x1b" not in ran.out


def test_an_endless_response_is_cut(run: Run) -> None:
    with serving(answering(200, body=b"x" * 3_000_000)) as url:
        shown = orjson.loads(run("simulate", url, "-e", APP, "--json").out)
    assert shown["delivered"] is True
    assert shown["response"]["truncated"] is True
    assert len(shown["response"]["body"]) == 1_000_000


def test_a_payload_file_is_sent_byte_for_byte(run: Run, tmp_path: Path) -> None:
    received = []

    async def keep(request: web.Request) -> web.Response:
        received.append(await request.read())
        return await verifying(request)

    body = b'{ "event" : "custom",\r\n "x": 1.0 }\n'
    (tmp_path / "captured.json").write_bytes(body)
    with serving(keep) as url:
        ran = run("simulate", url, "--payload", "captured.json", "--json")
    assert ran.code == 0
    assert received == [body]
    assert orjson.loads(ran.out)["event"] == "custom"
    assert orjson.loads(ran.out)["seed"] is None


def endpoints(tmp_path: Path, url: str, events: str) -> None:
    (tmp_path / "loadsim.toml").write_text(
        f'[endpoints.staging]\nurl = "{url}"\nevents = {events}\nsecret_env = "STAGING_SECRET"\n'
        '[endpoints.staging.headers]\nX-Team = "env:TEAM"\n'
    )


def test_a_named_endpoint_brings_its_settings_and_its_only_event(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGING_SECRET", SECRET)
    monkeypatch.setenv("TEAM", "blue")
    monkeypatch.delenv(VARIABLE)
    with serving(verifying) as url:
        endpoints(tmp_path, url, f'["{ACTIVITY}"]')
        ran = run("simulate", "staging", "--set", "data.user.userId=u-1", "--json")
    shown = orjson.loads(ran.out)
    assert ran.code == 0
    assert shown["endpoint"] == "staging"
    assert shown["event"] == ACTIVITY
    assert shown["delivery_headers"]["X-Team"] == "***"
    assert orjson.loads(shown["payload"])["data"]["user"] == {"userId": "u-1"}


def test_registered_events_limit_the_choice(run: Run, tmp_path: Path) -> None:
    endpoints(tmp_path, "http://127.0.0.1:1/", f'["{APP}", "{ACTIVITY}"]')
    ran = run("simulate", "staging", "-e", "desktop.screenshot_tracking.captured")
    assert ran.code == 2
    assert f"is not registered for the endpoint staging; registered: {APP}, {ACTIVITY}" in ran.err
    (tmp_path / "shot.json").write_text('{"event": "desktop.screenshot_tracking.captured"}')
    assert "is not registered" in run("simulate", "staging", "--payload", "shot.json").err
    assert run("simulate", "staging").err == f"loadsim: no event type was given: name one with -e: {APP}, {ACTIVITY}\n"


def test_the_secret_can_come_from_a_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    (tmp_path / "secret").write_text(SECRET + "\n")
    with serving(verifying) as url:
        assert run("simulate", url, "-e", APP, "--secret-file", "secret").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-e", APP], f"{VARIABLE} is not set"),
        (["-e", "nope"], "unknown event type 'nope'"),
        ([], f"no event type was given: name one with -e: {', '.join(default_types())}"),
        (["-e", APP, "--set", "x"], "write PATH=VALUE"),
        (["-e", APP, "--set", "x=1"], "the payload has no field 'x'"),
        (["-e", APP, "--scheme", "nope"], "no such signature scheme"),
        (["-e", APP, "--timeout", "5"], "--timeout: '5' has no unit"),
        (["-e", APP, "--timeout", "0s"], "timeout: must be more than 0"),
        (["-e", APP, "-H", "nonsense"], "'Name: value'"),
        (["-e", APP, "-H", "Content-Length: 5"], "is set by the request itself"),
        (["-e", APP, "--image", "buffer:1KB"], "carry no image"),
        (["-e", APP, "--insecure", "--cacert", "x"], "insecure"),
        (["--payload", "missing.json"], "cannot read missing.json: no such file"),
        (["--payload", "bad.json"], "bad.json is not JSON"),
        (["--payload", "good.json", "--live", "--set", "a=1"], "leave out --live, --set"),
        (["--payload", "good.json", "-e", APP], "its event is other, not desktop.app"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.delenv(VARIABLE)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "good.json").write_text('{"event": "other"}')
    ran = run("simulate", "http://127.0.0.1:1/", *arguments)
    assert ran.code == 2
    assert message in ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("target", "message"),
    [("nowhere", 'no endpoint is called "nowhere"'), ("embedded", "embedded is for load runs"), ("ftp://x/", "http")],
)
def test_a_target_that_is_none(run: Run, target: str, message: str) -> None:
    ran = run("simulate", target, "-e", APP)
    assert ran.code == 2
    assert message in ran.err


@pytest.mark.parametrize("file", ["missing.pem", "empty.pem"])
def test_a_ca_that_cannot_be_used(run: Run, tmp_path: Path, file: str) -> None:
    (tmp_path / "empty.pem").touch()
    ran = run("simulate", "https://127.0.0.1:1/", "-e", APP, "--cacert", file)
    assert ran.code == 2
    assert f"{file}: cannot be used as a CA certificate: " in ran.err


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://[::1%25{scope}]:{port}/a%2Fb", "[::1]:{port}", "/a%2Fb"),
        ("http://[::1]:{port}/ü?q=ä%20", "[::1]:{port}", "/%C3%BC?q=%C3%A4%20"),
    ],
)
def test_host_and_path_go_out_as_in_a_load_run(run: Run, url: str, host: str, path: str) -> None:
    requests: list[bytes] = []

    def keep(peer: Peer) -> None:
        requests.append(peer.request())
        peer.send(OK)

    with Server(keep, family=socket.AF_INET6) as server:
        given = url.format(port=server.port, scope=socket.if_nametoindex("lo"))
        ran = run("simulate", given, "-e", APP, "-H", "X-Tag: one", "-H", "x-tag: two ü")
    assert ran.code == 0, ran.err
    line, *lines = requests[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert line == f"POST {path} HTTP/1.1"
    assert f"Host: {host.format(port=server.port)}" in lines
    assert [value for name, _, value in (line.partition(": ") for line in lines) if name.lower() == "x-tag"] == [
        *("one", "two ü"),
    ]
