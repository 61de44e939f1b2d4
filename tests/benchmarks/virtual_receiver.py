"""A receiver's engine in a process of its own, fed in turns: always the same work, however busy the machine is.

    python -m tests.benchmarks.virtual_receiver WAY [--opcodes]

The engine, its handler and its verifier are the receiver's own, on uvloop and on real connections. A second process
sends one request on every connection and says so; then the loop of the receiver turns a fixed number of times, which is
enough to answer all of them, and the next requests follow. So each turn of the loop finds the same. The wall clock
stands still. Run by `receiver_path`, in the tree of any commit, so it needs nothing of the package but what a worker
needs.

What is counted lies between two marks: at both the process calls getppid(2), which nothing else here calls, so that
callgrind can tell (`--dump-before=getppid`). Prints with `--opcodes` the bytecodes executed between them, by function.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import itertools
import json
import os
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

BEGIN_NS = 1_800_000_000 * 10**9
"""Of the wall clock, for good."""
CONNECTIONS = 8
"""Requests that are ready at once."""
TURNS, FIRST_TURNS = 8, 64
"""Of the loop, for each of these: aiohttp's tasks need five. The first time connections are accepted as well."""
FIRST, COUNTED = 40, 128
"""The rounds before the first mark, and those between the marks."""
EVENTS = CONNECTIONS * COUNTED
"""Events that are counted."""
SECRET = "YmVuY2htYXJrLXNlY3JldC1vZi0zMi1ieXRlcy1sZW4="
PATIENCE_S = 20.0


class Way(NamedTuple):
    """What receives, and what comes."""

    engine: str
    scheme: str = "trackpilots"
    verifies: bool = True
    has_ids: bool = False
    """Whether each delivery has its id, as those of a run have, and is entered into the ledger."""


WAYS: Mapping[str, Way] = {
    "bare": Way("bare"),
    "bare, not verifying": Way("bare", verifies=False),
    "bare, with delivery ids": Way("bare", has_ids=True),
    "bare, standard-webhooks": Way("bare", "standard-webhooks"),
    "aiohttp": Way("aiohttp"),
    "aiohttp, not verifying": Way("aiohttp", verifies=False),
    "aiohttp, with delivery ids": Way("aiohttp", has_ids=True),
    "aiohttp, plain application": Way("plain"),
}


def requests(way: Way) -> list[bytes]:
    """All requests of the run."""
    from loadsim.events import EventSource
    from loadsim.model import Secret
    from loadsim.signing import scheme

    source, signer = EventSource("desktop.app_tracking.captured", 1), scheme(way.scheme).signer(Secret(SECRET))
    found = []
    for index in range(CONNECTIONS * (FIRST + COUNTED + 1)):
        body = source.body(index, BEGIN_NS)
        head = b"POST /webhooks/trackpilots HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        head += signer.headers(body, BEGIN_NS, source.event_id(index))
        if way.has_ids:
            head += b"X-Loadsim-Id: run-1/%d/1\r\n" % index
        found.append(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return found


class Receiver:
    """One engine in this process, and the process that sends to it."""

    def __init__(self, name: str, opcodes: collections.Counter[str]) -> None:
        self._name, self._way = name, WAYS[name]
        self._opcodes = opcodes
        self._at_marks: list[collections.Counter[str]] = []
        self._round, self._turns = 0, 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ledger: Any = None

    async def serve(self) -> dict[str, int]:
        """Serve all rounds; returns the bytecodes between the marks, by function."""
        listener = socket.create_server(("127.0.0.1", 0))
        await (self._plain(listener) if self._way.engine == "plain" else self._own(listener))
        port = listener.getsockname()[1]
        command = [sys.executable, "-P", "-m", "tests.benchmarks.virtual_receiver", self._name, "--send", str(port)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe) as sender:  # noqa: ASYNC220 - the loop has to wait
            to, back = sender.stdin, sender.stdout
            if to is None or back is None:
                raise RuntimeError("pipes were asked for and not given")
            back.readline()  # ready
            asyncio.get_running_loop().call_soon(self._turn, to, back)
            await self._done
            to.close()
        first, last = self._at_marks
        return dict(last - first)

    def _turn(self, to: IO[bytes], back: IO[bytes]) -> None:
        """One turn of the loop. After the last one of a round the sender reads the answers, and sends again."""
        self._turns += 1
        if self._turns >= (FIRST_TURNS if self._round == 1 else TURNS):
            self._turns = 0
            if self._ledger is not None:
                self._ledger.enter()
            if self._round in {FIRST, FIRST + COUNTED}:
                os.getppid()
                self._at_marks.append(self._opcodes.copy())
            self._round += 1
            os.write(to.fileno(), b"\n")
            if os.read(back.fileno(), 1) != b".":
                self._done.set_exception(RuntimeError("not every event was answered"))
                return
            if self._round > FIRST + COUNTED:
                self._done.set_result(None)
                return
        asyncio.get_running_loop().call_soon(self._turn, to, back)

    async def _own(self, listener: socket.socket) -> None:
        from loadsim.model import Secret
        from loadsim.receiver.answer_choice import Rules
        from loadsim.receiver.counters import SharedCounters
        from loadsim.receiver.fault_plan import fault_plan
        from loadsim.receiver.handler import WebhookHandler
        from loadsim.receiver.http_aiohttp import AiohttpEngine
        from loadsim.receiver.http_bare import BareEngine
        from loadsim.receiver.ledger import LedgerMemory
        from loadsim.receiver.options import ReceiverOptions
        from loadsim.signing import scheme

        way = self._way
        options = ReceiverOptions(engine="bare" if way.engine == "bare" else "aiohttp")
        memory = LedgerMemory.create(1, options.ledger_limit)
        memory.register("run-1")
        self._ledger = memory.part(0)
        counters = SharedCounters.create(1)
        verifier = scheme(way.scheme).verifier(Secret(SECRET), options.tolerance_s) if way.verifies else None
        rules = Rules(options.path, verifier, turns=counters.cost(0).turns)
        row = counters.row(0)
        handler = WebhookHandler(options, rules, row, fault_plan(options, 0), ledger=self._ledger)
        kind = BareEngine if way.engine == "bare" else AiohttpEngine
        await kind(options, handler, None).serve(listener)

    async def _plain(self, listener: socket.socket) -> None:
        os.environ["BENCH_SECRET"] = SECRET  # noqa: TID251 - what the plain application reads
        sys.argv[1:3] = ["0", self._way.scheme]
        from aiohttp import web

        program = runpy.run_path(str(Path(__file__).with_name("peers") / "plain_receiver.py"))
        application = web.Application()
        application.router.add_post("/webhooks/trackpilots", program["receive"])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()


def send(way: Way, port: int) -> None:
    """The sender: gets a line for each round. Answers are read before the next requests go."""
    todo = iter(requests(way))
    connections = [socket.create_connection(("127.0.0.1", port), PATIENCE_S) for _ in range(CONNECTIONS)]
    print("ready", flush=True)
    waiting = False
    while sys.stdin.buffer.readline():
        for connection in connections if waiting else ():
            answer = b""
            while b"}" not in answer:
                answer += connection.recv(65536) or sys.exit("a connection was closed")
            if not answer.startswith(b"HTTP/1.1 200") or not answer.replace(b" ", b"").endswith(b'{"received":true}'):
                sys.exit(f"not accepted: {answer!r}")
        waiting = True
        for connection, request in zip(connections, itertools.islice(todo, CONNECTIONS), strict=False):
            connection.sendall(request)
        sys.stdout.buffer.write(b".")
        sys.stdout.buffer.flush()


def main() -> None:
    """Run one."""
    name, opcodes = sys.argv[1], collections.Counter[str]()
    if "--send" in sys.argv:
        send(WAYS[name], int(sys.argv[-1]))
        return
    time.time = functools.partial(next, itertools.repeat(BEGIN_NS / 1e9))
    import uvloop

    if "--opcodes" in sys.argv:
        from tests.benchmarks.virtual_shard import counting_opcodes

        counting_opcodes(opcodes)

    async def serve() -> dict[str, int]:
        return await Receiver(name, opcodes).serve()

    print(json.dumps(uvloop.run(serve())))


if __name__ == "__main__":
    main()
