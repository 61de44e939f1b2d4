"""A user's own application served by one process, for measuring it beside ours: aiohttp, or any ASGI application.

Decides which of the two it is and how it is served (uvloop, no access log, the listening socket inherited). Listens to
the same words as a worker: the order, then "stop" or the end of stdin; says in one line why it cannot serve.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from loadsim.imports import load_object
from loadsim.model import LoadsimError, UsageError
from loadsim.receiver.worker import CONTROL, DRAIN_S, READY, STOP, read_order

OPTION = "--app"
Stop = Callable[[], Awaitable[None]]
_ASGI_PARAMETERS = 3
_POLL_S = 0.01


class AppOrder(msgspec.Struct, frozen=True):
    """What the parent tells: `package.module:name`, and the socket that is inherited."""

    app: str
    listen_fd: int

    @property
    def module(self) -> str:
        """What is to be run."""
        return "loadsim.receiver.hosted"

    @property
    def whole_environment(self) -> bool:
        """The application's secret stands there, and whatever else it needs."""
        return True

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What is to be inherited."""
        return (self.listen_fd,)


async def find_app(spec: str) -> Any:
    """The application that `spec` names, made by it where it names a factory. Raises UsageError in one line."""
    found = load_object(spec, OPTION)
    if not isinstance(found, web.Application) and callable(found) and not is_asgi(found):
        try:
            found = found()
            if inspect.isawaitable(found):
                found = await found
        except Exception as error:  # noqa: BLE001 - a user's factory may raise anything
            text = " ".join(str(error).split())[:200]
            raise UsageError(f"{OPTION} {spec}: calling it raised {type(error).__name__}: {text}") from None
    if isinstance(found, web.Application) or is_asgi(found):
        return found
    kind = type(found).__name__
    raise UsageError(f"{OPTION} {spec}: is neither an aiohttp web.Application nor an ASGI application, but {kind}")


def is_asgi(found: Any) -> bool:
    """Whether it can be called as (scope, receive, send), as ASGI 3 has it."""
    call = found if inspect.isroutine(found) else getattr(found, "__call__", None)  # noqa: B004 - its own, not its type's
    if inspect.isclass(found) or call is None or not inspect.iscoroutinefunction(call):
        return False
    parameters = inspect.signature(call).parameters.values()
    needed = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    return len(needed) == _ASGI_PARAMETERS


async def serve(app: Any, listener: socket.socket) -> Stop:
    """Serve and return what stops it. Raises LoadsimError where what it takes is not installed."""
    return await (_serve_aiohttp if isinstance(app, web.Application) else _serve_asgi)(app, listener)


async def _serve_aiohttp(app: web.Application, listener: socket.socket) -> Stop:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner.cleanup


async def _serve_asgi(app: Any, listener: socket.socket) -> Stop:
    try:
        import uvicorn  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise LoadsimError(f"{OPTION}: an ASGI application is served by uvicorn: pip install 'loadsim[asgi]'") from None
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=int(DRAIN_S))
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn tells in no other way
        await asyncio.sleep(_POLL_S)
    if task.done():
        raise LoadsimError(f"{OPTION}: uvicorn did not start it: its lifespan failed")

    async def stop() -> None:
        server.should_exit = True
        await task

    return stop


async def host(order: AppOrder, answer: int) -> None:
    """Serve until told to stop; `answer` is the descriptor that READY, or why not, is written to."""
    try:
        stop = await serve(await find_app(order.app), socket.socket(fileno=order.listen_fd))
    except LoadsimError as error:
        os.write(answer, f"{error}\n".encode())
        return
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(CONTROL, _control, told)
    os.write(answer, READY)
    await told.wait()
    asyncio.get_running_loop().remove_reader(CONTROL)
    await stop()


def _control(told: asyncio.Event) -> None:
    if os.read(CONTROL, len(STOP)) != STOP:
        os._exit(0)  # the parent is gone
    told.set()


def main() -> None:
    """Run one application; started as `python -m loadsim.receiver.hosted`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    answer = os.dup(1)
    os.dup2(2, 1)  # what the application prints is not ours to read
    order = read_order(AppOrder)
    if order is None:
        return
    if sys.platform == "win32":
        asyncio.run(host(order, answer))
    else:
        import uvloop

        uvloop.run(host(order, answer))


if __name__ == "__main__":
    main()
