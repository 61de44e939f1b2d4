"""What receiver tests send and read: signed requests as bytes, and answers off a raw socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import orjson

from loadsim.model import NS_PER_S, Secret
from loadsim.signing import scheme

SECRET = Secret("whsec_test")
PATH = "/webhooks/trackpilots"
BODY = b'{"event":"desktop.app_tracking.captured","simulation":true,"data":[]}'
PATIENCE_S = 60.0
"""Longer than anything here takes on a busy machine: beyond it, something hangs."""


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(orjson.loads(self.body)["error"])


def signature(body: bytes = BODY, *, secret: Secret = SECRET, age_s: int = 0) -> bytes:
    """The signature's header lines for a body signed `age_s` ago."""
    return scheme("trackpilots").signer(secret).headers(body, time.time_ns() - age_s * NS_PER_S, "event")


def request(
    body: bytes = BODY,
    *,
    method: str = "POST",
    target: str = PATH,
    headers: bytes | None = None,
    extra: bytes = b"",
    version: str = "1.1",
    length: bool = True,
) -> bytes:
    """A whole request, signed unless `headers` says otherwise."""
    head = f"{method} {target} HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
    if length:
        head += f"Content-Length: {len(body)}\r\n".encode()
    return head + (signature(body) if headers is None else headers) + extra + b"\r\n" + body


class RawClient:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> Reply:
        """The next answer."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            status = int(first.split()[1])
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(status, headers, body)

    async def ended(self) -> bool:
        """True when the other side closes without another byte."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


async def until(condition: Callable[[], bool]) -> None:
    """Return when something that another process does has come true."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0)


async def connect(port: int) -> RawClient:
    return RawClient(*await asyncio.open_connection("127.0.0.1", port))


async def exchange(port: int, data: bytes) -> Reply:
    """One request on a connection of its own."""
    client = await connect(port)
    try:
        await client.send(data)
        return await client.reply()
    finally:
        await client.close()
