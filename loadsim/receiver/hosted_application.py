"""Serves a user's own application (aiohttp or ASGI) in one process, to measure it beside the companion receiver.

It is served with uvloop, without access log, on an inherited socket. Like a worker, the process reads its order and
then "stop" from stdin; it says in one line why it cannot serve.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from loadsim.extras import install
from loadsim.model import LoadsimError, UsageError
from loadsim.receiver.worker import CONTROL, DRAIN_S, READY, STOP, read_order
from loadsim.signals import left_to_the_parent
from loadsim.user_code import load_object

OPTION = "--app"
Stop = Callable[[], Awaitable[None]]
_ASGI_PARAMETERS = 3
_WSGI_PARAMETERS = 2
_POLL_S = 0.01


class AppOrder(msgspec.Struct, frozen=True):
    """The order of the parent: `package.module:name`, and the inherited socket."""

    app: str
    listen_fd: int

    @property
    def module(self) -> str:
        """The module to run."""
        return "loadsim.receiver.hosted_application"

    @property
    def whole_environment(self) -> bool:
        """The application may read its secret, or anything else, from the environment."""
        return True

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors that the process inherits."""
        return (self.listen_fd,)


async def find_app(spec: str) -> Any:
    """The application that `spec` names; a factory is called. Raises UsageError in one line."""
    found = load_object(spec, OPTION)
    if not isinstance(found, web.Application) and callable(found) and not is_asgi(found):
        _refuse_wsgi(spec, found)
        try:
            found = found()
            if inspect.isawaitable(found):
                found = await found
        except Exception as error:  # noqa: BLE001 - a user's factory may raise anything
            text = " ".join(str(error).split())[:200]
            raise UsageError(f"{OPTION} {spec}: calling it raised {type(error).__name__}: {text}") from None
    if isinstance(found, web.Application) or is_asgi(found):
        return found
    _refuse_wsgi(spec, found)
    kind = type(found).__name__
    raise UsageError(f"{OPTION} {spec}: is neither an aiohttp web.Application nor an ASGI application, but {kind}")


def is_asgi(found: Any) -> bool:
    """Whether it is an ASGI 3 application: callable as (scope, receive, send)."""
    return _is_called_with(_ASGI_PARAMETERS, found, coroutine=True)


def is_wsgi(found: Any) -> bool:
    """Whether it is a WSGI application, as those of Flask and of Django's wsgi.py are: callable as (environ,
    start_response)."""
    return _is_called_with(_WSGI_PARAMETERS, found, coroutine=False)


def _is_called_with(number: int, found: Any, *, coroutine: bool) -> bool:
    """Whether it needs so many positional arguments when it is called."""
    call = found if inspect.isroutine(found) else getattr(found, "__call__", None)  # noqa: B004 - its own, not its type's
    if inspect.isclass(found) or call is None or inspect.iscoroutinefunction(call) is not coroutine:
        return False
    try:
        parameters = inspect.signature(call).parameters.values()
    except ValueError:  # it has no signature in Python
        return False
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [each for each in parameters if each.default is each.empty and each.kind not in variable]
    return len(needed) == number


def _refuse_wsgi(spec: str, found: Any) -> None:
    """Raises UsageError, which says how a WSGI application is wrapped, where it is one."""
    if is_wsgi(found):
        raise UsageError(
            f"{OPTION} {spec}: is a WSGI application (Flask, Django's wsgi.py), and only ASGI and aiohttp are served "
            "here: name asgiref.wsgi.WsgiToAsgi(app) or a2wsgi.WSGIMiddleware(app) instead"
        )


async def serve(app: Any, listener: socket.socket) -> Stop:
    """Serve; returns a function that stops. Raises LoadsimError when a needed package is not installed."""
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
        raise LoadsimError(f"{OPTION}: an ASGI application is served by uvicorn: {install('asgi')}") from None
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=int(DRAIN_S))
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(_POLL_S)
    if task.done():
        raise LoadsimError(f"{OPTION}: uvicorn did not start it: its lifespan failed")

    async def stop() -> None:
        server.should_exit = True
        await task

    return stop


async def host(order: AppOrder, answer: int) -> None:
    """Serve until the parent says stop. READY, or the reason why not, is written to the descriptor `answer`."""
    try:
        stop = await serve(await find_app(order.app), socket.socket(fileno=order.listen_fd))
    except LoadsimError as error:
        os.write(answer, f"{error}\n".encode())
        return
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(CONTROL, _control, stopping)
    os.write(answer, READY)
    await stopping.wait()
    asyncio.get_running_loop().remove_reader(CONTROL)
    await stop()


def _control(stopping: asyncio.Event) -> None:
    if os.read(CONTROL, len(STOP)) != STOP:
        os._exit(0)  # the parent has ended
    stopping.set()


def main() -> None:
    """Run one application; started as `python -m loadsim.receiver.hosted_application`."""
    left_to_the_parent()
    answer = os.dup(1)
    os.dup2(2, 1)  # the application's output must not mix with READY
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
