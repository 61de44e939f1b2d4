"""A loopback server in a thread of its own, for commands that run their own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from aiohttp import web

CERTIFICATE = Path(__file__).parent.parent / "data" / "localhost.pem"
"""Self-signed for localhost and 127.0.0.1, with its key."""

TURNS = 10
"""Of the loop, after which what was cancelled has closed its connection, and that has let go of its socket."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.contextmanager
def _in_thread(start: Callable[[], Awaitable[Callable[[], Awaitable[object]]]]) -> Iterator[None]:
    """Run `start` on a loop in a thread; what it returns stops it again."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def cancel_rest() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def run(step: Callable[[], Awaitable[object]]) -> object:
        return await step()

    try:
        stop = asyncio.run_coroutine_threadsafe(run(start), loop).result(60)
        try:
            yield
        finally:
            assert callable(stop)
            asyncio.run_coroutine_threadsafe(run(stop), loop).result(60)
            asyncio.run_coroutine_threadsafe(cancel_rest(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def serving(handler: Handler, *, tls: bool = False) -> Iterator[str]:
    """The base URL of an aiohttp server that answers everything with `handler`."""
    ports: list[int] = []
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)

    async def start() -> Callable[[], Awaitable[object]]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        ports.append(runner.addresses[0][1])
        return runner.cleanup

    with _in_thread(start):
        yield f"{'https' if tls else 'http'}://127.0.0.1:{ports[0]}"


@contextlib.contextmanager
def serving_raw(connection: Raw) -> Iterator[str]:
    """The base URL of a server that treats each connection as `connection` says."""
    ports: list[int] = []

    async def start() -> Callable[[], Awaitable[object]]:
        server = await asyncio.start_server(connection, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])

        async def stop() -> None:
            server.close()

        return stop

    with _in_thread(start):
        yield f"http://127.0.0.1:{ports[0]}"
