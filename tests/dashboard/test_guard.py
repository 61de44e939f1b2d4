"""Who is accepted: the token, the names that are ours, the sites that are not; and what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dashboard.support import COOKIE, TOKEN, Client, page


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with page(tmp_path) as client:
        yield client


async def test_the_token_becomes_a_cookie_and_leaves_the_address(client: Client) -> None:
    url = f"{client.base}/?token={TOKEN}"
    async with client.session.get(url, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        cookie = response.headers["Set-Cookie"]
    assert cookie == f"{COOKIE}={TOKEN}; HttpOnly; Path=/; SameSite=Strict"
    assert (await client.get("/"))[0] == 200


async def test_who_comes_from_elsewhere_is_led_on_by_a_page_of_ours(client: Client) -> None:
    """A strict cookie would not travel with a redirect that another site, or a file, began."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with client.session.get(f"{client.base}/?token={TOKEN}", headers=headers, allow_redirects=False) as response:
        assert response.status == 200
        assert 'http-equiv="refresh" content="0;url=/"' in await response.text()
        assert "SameSite=Strict" in response.headers["Set-Cookie"]


@pytest.mark.parametrize("path", ["/", "/load", "/runs", "/static/page.css", "/load/stream", "/samples/x"])
@pytest.mark.parametrize("cookie", ["", "wrong", TOKEN[:-1], "ünlich"])
async def test_nothing_is_served_without_the_token(client: Client, path: str, cookie: str) -> None:
    status, text = await client.get(path, Cookie=f"{COOKIE}={cookie}")
    assert status == 403
    assert "Open the address that" in text
    assert TOKEN not in text


async def test_a_wrong_token_gives_no_cookie(client: Client) -> None:
    async with client.session.get(f"{client.base}/?token=guess", allow_redirects=False) as response:
        assert response.status == 403
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost:9000", 200),
        ("[::1]:8765", 200),
        ("10.0.0.7", 200),
        ("OURS.example", 200),
        ("evil.example", 403),
        ("evil.example:8765", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("[::1", 403),
        ("", 403),
        ("someone@localhost", 403),
        ("localhost@evil.example", 403),
    ],
)
async def test_only_names_that_are_ours_are_answered(client: Client, host: str, status: int) -> None:
    """DNS rebinding: a foreign name that leads here, with the cookie even."""
    assert (await client.get("/", Host=host))[0] == status


async def first_line(client: Client, head: bytes) -> bytes:
    """How the page answers to a request that no client library would send."""
    reader, writer = await asyncio.open_connection(*client.host.split(":"))
    writer.write(head + b"Connection: close\r\n\r\n")
    line = await reader.readline()
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return line


async def test_a_name_that_only_the_header_says_is_checked_too(client: Client) -> None:
    head = f"GET {client.base}/runs HTTP/1.1\r\nHost: evil.example\r\nCookie: {COOKIE}={TOKEN}\r\n"
    assert b" 403 " in await first_line(client, head.encode())
    assert b" 200 " in await first_line(client, head.replace("evil.example", client.host).encode())


async def test_a_cookie_of_any_bytes_is_refused_and_no_failure(client: Client) -> None:
    head = f"GET /runs HTTP/1.1\r\nHost: {client.host}\r\nCookie: {COOKIE}="
    assert b" 403 " in await first_line(client, head.encode() + b"\xff\xfe\r\n")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1", ""])
async def test_a_post_from_another_site_is_refused(client: Client, origin: str) -> None:
    body = {"target": "http://127.0.0.1:1/", "event": "desktop.app_tracking.captured", "payload": "{}"}
    for path in ("/simulations", "/simulations/1/again", "/load", "/load/plan", "/load/stop"):
        status, told = await client.post(path, body, Origin=origin)
        assert (status, told) == (403, {"error": "This came from another site and was refused."})
    assert client.slot.run is None


async def test_a_post_without_an_origin_is_refused(client: Client) -> None:
    headers = {"Cookie": f"{COOKIE}={TOKEN}"}
    async with client.session.post(f"{client.base}/load/stop", json={}, headers=headers) as response:
        assert response.status == 403


async def test_a_form_of_another_site_could_not_even_be_read(client: Client) -> None:
    headers = {"Cookie": f"{COOKIE}={TOKEN}", "Origin": client.base}
    url = f"{client.base}/load/stop"
    async with client.session.post(url, data=b"{}", headers=headers | {"Content-Type": "text/plain"}) as response:
        assert response.status == 415


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/page.js", "/?token=wrong"])
async def test_every_answer_carries_the_policy(client: Client, path: str) -> None:
    async with client.session.get(client.base + path, headers={"Cookie": f"{COOKIE}={TOKEN}"}) as response:
        policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert policy["frame-ancestors"] == "'none'"
