"""A user's application in a process of ours: which kinds are served, and what is said of those that are not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loadsim.model import UsageError
from loadsim.receiver.hosted_application import AppOrder, find_app, is_asgi, is_wsgi
from loadsim.receiver.supervisor import listen
from loadsim.receiver.worker_process import WorkerProcess
from tests.conftest import slow_but

from .raw_client import PATIENCE_S, exchange, request

SHOP = """
from aiohttp import web

async def hook(request):
    print("not for the parent")
    return web.json_response({"got": len(await request.read())})

def make():
    app = web.Application()
    app.router.add_post("/hook", hook)
    return app

async def make_later():
    return make()

made = make()

class Bare:
    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

bare = Bare()
number = 7

def broken():
    raise RuntimeError("no\\ndatabase")

def needs(settings):
    return make()

def wsgi(environ, start_response):
    raise AssertionError("it must not be called")

class Wsgi:
    def __call__(self, environ, start_response):
        raise AssertionError("it must not be called")

instance = Wsgi()

def make_wsgi():
    return instance
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosted_shop.py").write_text(SHOP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", slow_but(["make"], ["make", "make_later", "made", "bare"]))
async def test_it_serves_what_it_is_named_until_it_is_told_to_stop(name: str) -> None:
    if name == "bare":
        pytest.importorskip("uvicorn", reason="needs uvicorn: install the extra `interop`")
    with listen("127.0.0.1", 0, 1)[0] as listener:
        process = await WorkerProcess.spawn(AppOrder(f"hosted_shop:{name}", listener.fileno()))
        assert process.ready, process.said
        reply = await exchange(listener.getsockname()[1], request(b"12345", target="/hook", headers=b""))
        assert (reply.status, reply.body) == (200, b"ok" if name == "bare" else b'{"got": 5}')
        async with asyncio.timeout(PATIENCE_S):
            await process.stop(10)
        assert await process.gone() == "ended with code 0"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            "hosted_shop:number",
            "--app hosted_shop:number: is neither an aiohttp web.Application nor",
        ),
        ("hosted_shop:broken", "--app hosted_shop:broken: calling it raised RuntimeError: no database"),
        ("hosted_shop:needs", "--app hosted_shop:needs: calling it raised TypeError"),
        ("hosted_shop:nothing", "--app hosted_shop:nothing: hosted_shop has no nothing"),
    ],
)
async def test_what_cannot_be_served_is_said_in_one_line(spec: str, said: str) -> None:
    with listen("127.0.0.1", 0, 1)[0] as listener:
        process = await WorkerProcess.spawn(AppOrder(spec, listener.fileno()))
        assert not process.ready
        assert process.said.startswith(said)
        assert "\n" not in process.said


async def test_asgi_is_known_by_its_three_arguments() -> None:
    async def two(scope: object, receive: object) -> None: ...
    async def three(scope: object, receive: object, send: object) -> None: ...
    def plain(scope: object, receive: object, send: object) -> None: ...

    assert [is_asgi(call) for call in (two, three, plain)] == [False, True, False]
    assert is_asgi(await find_app("hosted_shop:bare"))


@pytest.mark.parametrize("name", ["wsgi", "instance", "make_wsgi", "Wsgi"])
async def test_a_wsgi_application_is_refused_with_how_to_wrap_it(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        await find_app(f"hosted_shop:{name}")
    said = str(refused.value)
    assert said.startswith(f"--app hosted_shop:{name}: is a WSGI application")
    assert "asgiref.wsgi.WsgiToAsgi(app)" in said
    assert "\n" not in said


def test_the_applications_of_flask_and_django_are_known() -> None:
    flask = pytest.importorskip("flask")
    handlers = pytest.importorskip("django.core.handlers.wsgi")
    assert is_wsgi(flask.Flask("shop"))
    assert is_wsgi(object.__new__(handlers.WSGIHandler))
    assert not is_wsgi(print)
    assert not is_wsgi(7)
