"""Ways to an endpoint: fresh connections, unix sockets, other addresses, proxies, certificates; and each gone wrong."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from loadsim.cli.main import main
from tests.cli.certificates import Authority, authority, encrypted, server_context
from tests.launch.support import SECRET, SECRET_ENV, Done, loadsim, stored

EVENTS = 12


@dataclass
class Seen:
    """An endpoint, and what reached it."""

    port: int = 0
    hosts: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)
    certificates: list[object] = field(default_factory=list)


@contextlib.asynccontextmanager
async def serving(*, tls: ssl.SSLContext | None = None, unix: Path | None = None) -> AsyncIterator[Seen]:
    """An endpoint that answers 200 to everything."""
    seen = Seen()

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        transport = request.transport
        assert transport is not None
        seen.hosts.append(request.headers["Host"])
        seen.paths.append(request.raw_path)
        seen.peers.add(transport.get_extra_info("peername"))
        seen.certificates.append(transport.get_extra_info("peercert"))
        return web.Response()

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0)
    await runner.setup()
    site: web.BaseSite = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    if unix is not None:
        site = web.UnixSite(runner, unix)
    await site.start()
    try:
        if unix is None:
            seen.port = runner.addresses[0][1]
        yield seen
    finally:
        await runner.cleanup()


@dataclass
class Proxy:
    """An HTTP proxy that opens tunnels, or refuses them."""

    port: int = 0
    asked: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def proxying(*, refusal: str = "") -> AsyncIterator[Proxy]:
    """A CONNECT proxy on a free port; `refusal` is the status line's end with which it answers instead."""
    proxy = Proxy()
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(task := asyncio.current_task())  # type: ignore[arg-type]  # there is one
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        proxy.asked.append(head.split("\r\n")[0])
        if refusal:
            writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            writer.close()
            return
        host, _, port = head.split(" ")[1].rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))
        assert task is not None
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"), "authority")


async def fire(cwd: Path, url: str, *arguments: str | Path) -> Done:
    return await loadsim("run", url, "-n", str(EVENTS), "-c", "2", "-q", "--max-lag", "1h", *arguments, cwd=cwd)


def one_line(done: Done) -> str:
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("loadsim: ")
    return done.err


@pytest.mark.slow
async def test_reuse_1_opens_a_connection_per_event_and_shows_what_that_costs(tmp_path: Path) -> None:
    async with serving() as seen:
        done = await fire(tmp_path, f"http://127.0.0.1:{seen.port}/hook", "--reuse", "1")
    assert done.code == 0, done.err
    assert len(seen.peers) == EVENTS
    totals = stored(tmp_path).totals
    assert totals.latency_ms["connect"].count == EVENTS
    assert "connect" in done.out.split("Latency")[1]


@pytest.mark.slow
async def test_kept_connections_are_no_row_of_the_report(tmp_path: Path) -> None:
    async with serving() as seen:
        url = f"http://127.0.0.1:{seen.port}/hook"
        done = await loadsim("run", url, "-n", "400", "-c", "2", "-q", cwd=tmp_path)
    assert len(seen.peers) == 2
    assert "connect " not in done.out.split("Latency")[1].split("By event")[0]


async def test_a_unix_socket(tmp_path: Path) -> None:
    async with serving(unix=tmp_path / "hook.sock") as seen:
        done = await fire(tmp_path, "http://hooks.test/in?a=1", "--unix", tmp_path / "hook.sock")
    assert done.code == 0, done.err
    assert (set(seen.hosts), set(seen.paths), len(seen.hosts)) == ({"hooks.test"}, {"/in?a=1"}, EVENTS)


@pytest.mark.slow
async def test_a_unix_socket_that_is_not_there(tmp_path: Path) -> None:
    done = await fire(tmp_path, "http://hooks.test/", "--unix", tmp_path / "none.sock")
    assert done.code == 1
    assert f"at {tmp_path / 'none.sock'}: No such file" in one_line(done)


async def test_an_address_where_nobody_listens_is_named(tmp_path: Path) -> None:
    done = await fire(tmp_path, "http://hooks.test/", "--connect-to", "127.0.0.1:1")
    assert done.code == 1
    assert (
        "hooks.test: cannot be reached at 127.0.0.1:1: Connection refused: is the server running, is the port right?"
        in one_line(done)
    )


@pytest.mark.slow
async def test_connect_to_keeps_the_name_for_the_host_header_and_for_tls(tmp_path: Path, ca: Authority) -> None:
    async with serving(tls=server_context(ca.issue("there"))) as seen:
        url = "https://localhost:4443/hook"
        to = f"127.0.0.1:{seen.port}"
        done = await fire(tmp_path, url, "--connect-to", to, "--cacert", ca.certificate)
        elsewhere = await fire(tmp_path, "https://other.test/", "--connect-to", to, "--cacert", ca.certificate)
    assert done.code == 0, done.err
    assert set(seen.hosts) == {"localhost:4443"}
    assert elsewhere.code == 1
    assert "other.test" in one_line(elsewhere)
    assert "certificate" in elsewhere.err


@pytest.mark.slow
async def test_the_host_header_can_be_another(tmp_path: Path) -> None:
    async with serving() as seen:
        done = await fire(tmp_path, f"http://127.0.0.1:{seen.port}/", "-H", "Host: tenant.example.test")
    assert done.code == 0, done.err
    assert set(seen.hosts) == {"tenant.example.test"}


async def test_tls_by_the_right_authority_is_measured(tmp_path: Path, ca: Authority) -> None:
    async with serving(tls=server_context(ca.issue("good"))) as seen:
        url = f"https://127.0.0.1:{seen.port}/"
        done = await fire(tmp_path, url, "--cacert", ca.certificate, "--reuse", "1")
    assert done.code == 0, done.err
    assert stored(tmp_path).totals.latency_ms["tls"].count == EVENTS
    assert "TLS handshake" in done.out


@pytest.mark.slow
async def test_an_expired_certificate_is_said_before_the_run(tmp_path: Path, ca: Authority) -> None:
    async with serving(tls=server_context(ca.issue("expired", expired=True))) as seen:
        url = f"https://localhost:{seen.port}/"
        done = await fire(tmp_path, url, "--cacert", ca.certificate)
        insecure = await fire(tmp_path, url, "--insecure")
    assert done.code == 1
    assert "expired" in one_line(done)
    assert "--cacert" not in done.err  # it would not help
    assert insecure.code == 0, insecure.err


async def test_a_wrong_authority_is_said_before_the_run(tmp_path: Path, ca: Authority) -> None:
    other = authority(tmp_path, "other")
    async with serving(tls=server_context(ca.issue("good"))) as seen:
        done = await fire(tmp_path, f"https://localhost:{seen.port}/", "--cacert", other.certificate)
    assert done.code == 1
    assert "--cacert" in one_line(done)


@pytest.mark.slow
async def test_without_the_preflight_a_wrong_authority_is_a_kept_result(tmp_path: Path, ca: Authority) -> None:
    async with serving(tls=server_context(ca.issue("good"))) as seen:
        (tmp_path / "s.toml").write_text(
            f'name = "s"\n[target]\nurl = "https://localhost:{seen.port}/"\npreflight = false\n'
            '[[phases]]\nname = "load"\nconnections = 2\nevents = 12\n',
            encoding="utf-8",
        )
        done = await loadsim("run", "s.toml", "-q", cwd=tmp_path)
    assert done.code == 99, done.err
    result = stored(tmp_path)
    assert result.totals.errors == {"tls": EVENTS}
    assert "certificate verify failed" in result.samples[0].error


async def test_a_client_certificate(tmp_path: Path, ca: Authority) -> None:
    context = server_context(ca.issue("server"), clients=ca.certificate)
    client = ca.issue("client", usage="clientAuth")
    async with serving(tls=context) as seen:
        url = f"https://localhost:{seen.port}/"
        done = await fire(tmp_path, url, "--cacert", ca.certificate, "--cert", client)
        assert done.code == 0, done.err
        assert all(seen.certificates)
        without = await fire(tmp_path / "..", url, "--cacert", ca.certificate, "--out", tmp_path / "without")
    assert without.code in (1, 99), without.out
    assert "Traceback" not in without.err


@pytest.mark.slow
async def test_an_encrypted_client_key_is_opened_by_the_shards_too(
    tmp_path: Path, ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = server_context(ca.issue("server"), clients=ca.certificate)
    client, locked = ca.issue("locked", usage="clientAuth"), tmp_path / "locked.key"
    encrypted("open sesame", client, locked)
    identity = ("--cert", client, "--key", locked, "--cacert", ca.certificate)
    async with serving(tls=context) as seen:
        url = f"https://localhost:{seen.port}/"
        without = await fire(tmp_path, url, *identity)
        monkeypatch.setenv("PASS_PHRASE", "open sesame")
        done = await fire(tmp_path, url, *identity, "--key-password-env", "PASS_PHRASE")
        monkeypatch.setenv("PASS_PHRASE", "wrong")
        wrong = await fire(tmp_path, url, *identity, "--key-password-env", "PASS_PHRASE")
    assert without.code == 2
    assert f"{locked}: the client key is encrypted" in one_line(without)
    assert "--key-password-env NAME" in without.err
    assert done.code == 0, done.err
    assert all(seen.certificates)
    assert not any(b"sesame" in file.read_bytes() for file in (tmp_path / "reports").rglob("*.*"))
    assert wrong.code == 2
    assert f"{locked}: the pass phrase does not open the client key" in one_line(wrong)


async def test_a_key_log_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "nowhere" / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    done = await fire(tmp_path, "https://127.0.0.1:9/")
    assert done.code == 2
    assert f"SSLKEYLOGFILE: cannot write {log}: no such file" in one_line(done)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    alone = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadsim", "simulate", "https://127.0.0.1:9/", "-e", "desktop.app_tracking.captured"),
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await alone.communicate()
    line = f"loadsim: SSLKEYLOGFILE: cannot write {log}: no such file or directory\n"
    assert (alone.returncode, err.decode()) == (2, line)


async def test_plain_http_goes_through_a_proxy(tmp_path: Path) -> None:
    async with serving() as proxy:
        url = "http://endpoint.invalid/hook"
        done = await fire(tmp_path, url, "--proxy", f"http://user:hidden@127.0.0.1:{proxy.port}")
    assert done.code == 0, done.err
    assert set(proxy.paths) == {url}
    assert stored(tmp_path).run.scenario["target"]["proxy"] == f"http://***@127.0.0.1:{proxy.port}"
    assert "hidden" not in done.out + done.err


@pytest.mark.slow
async def test_https_goes_through_a_tunnel(tmp_path: Path, ca: Authority) -> None:
    async with serving(tls=server_context(ca.issue("good"))) as seen, proxying() as proxy:
        url = f"https://localhost:{seen.port}/hook"
        done = await fire(tmp_path, url, "--proxy", f"http://127.0.0.1:{proxy.port}", "--cacert", ca.certificate)
    assert done.code == 0, done.err
    assert set(proxy.asked) == {f"CONNECT localhost:{seen.port} HTTP/1.1"}
    assert len(proxy.asked) == 3  # the look before the run, and two connections
    assert stored(tmp_path).totals.succeeded == EVENTS


async def test_a_proxy_that_refuses_the_tunnel(tmp_path: Path) -> None:
    async with proxying(refusal="403 Not\x1b[2J here") as proxy:
        done = await fire(tmp_path, "https://endpoint.invalid/", "--proxy", f"http://127.0.0.1:{proxy.port}")
    assert done.code == 1
    assert "refused the tunnel: 403 Not" in one_line(done)
    assert "\x1b" not in done.err


@pytest.mark.slow
async def test_a_proxy_that_refuses_during_the_run_is_a_kept_result(tmp_path: Path) -> None:
    async with proxying(refusal="407 Proxy Authentication Required") as proxy:
        (tmp_path / "s.toml").write_text(
            'name = "s"\n[target]\nurl = "https://endpoint.invalid/"\npreflight = false\n'
            f'proxy = "http://127.0.0.1:{proxy.port}"\n'
            '[[phases]]\nname = "load"\nconnections = 2\nevents = 12\n',
            encoding="utf-8",
        )
        done = await loadsim("run", "s.toml", "-q", cwd=tmp_path)
    assert done.code == 99, done.err
    result = stored(tmp_path)
    assert result.totals.errors == {"connect_error": EVENTS}
    assert result.samples[0].error == "the proxy refused the tunnel: 407"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--unix", "a.sock", "--proxy", "http://127.0.0.1:1"], "keep one of them"),
        (["--proxy", "https://127.0.0.1:1"], "unencrypted HTTP"),
        (["--connect-to", "somewhere"], "HOST:PORT"),
        (["--connect-to", "127.0.0.1:99999"], "HOST:PORT"),
        (["--unix", "a.sock", "--transport", "aiohttp"], "direct transport"),
        (["--unix", "x" * 200], "107 bytes"),
        (["-c", str(10**23)], "target.connections: must be at most 1,000,000"),
        (["-c", "2", "-n", str(10**23)], "events: must be at most"),
        (["--reuse", str(10**23)], "target.reuse: must be at most"),
        (["--timeout", "9999999999h"], "target.timeout: must be more than 0 and at most a year"),
    ],
)
def test_ways_that_exclude_each_other_are_refused(
    arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["loadsim", "run", "http://127.0.0.1:9/", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    err = capsys.readouterr().err
    assert (ended.value.code, err.count("\n")) == (2, 1)
    assert expected in err
