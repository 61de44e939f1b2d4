"""A local server behind `--forward`: it keeps what came as raw bytes, and answers what it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[bytes, bytes], bytes | None]
"""(head, body) -> the whole answer; None: none at all, for ever."""


class LocalServer:
    """What it got, and where it is."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.port = 0
        self.got: list[tuple[bytes, bytes]] = []
        self.came = asyncio.Event()
        self.free = asyncio.Event()
        """While it is not set, answers wait."""
        self.free.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            body = await reader.readexactly(length)
            self.got.append((head, body))
            self.came.set()
            await self.free.wait()
            answer = self._answer(head, body)
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def local_server(answer: Answer = lambda _head, _body: OK) -> AsyncIterator[LocalServer]:
    """A running one, on a free port."""
    local = LocalServer(answer)
    server = await asyncio.start_server(local.serve, "127.0.0.1", 0)
    local.port = server.sockets[0].getsockname()[1]
    try:
        yield local
    finally:
        server.close()
        await server.wait_closed()
