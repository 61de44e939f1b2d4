"""The process that tests have their commands from, see `commands`: it imports what they need, then forks."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from loadsim.cli.main import COMMANDS, main
from loadsim.launch.shard_process import SHARD
from loadsim.report import packed_text, plotly_script

IMPORTED = (
    *("aiohttp.web", "loadsim.receiver.embedded", "loadsim.report.html_page", "loadsim.run.spec_of_options", "uvloop"),
    *("loadsim.engine.direct_transport", "loadsim.engine.shard", "loadsim.run.run_secrets"),
    *("loadsim.receiver.http_aiohttp", "loadsim.receiver.http_bare"),
)
"""What commands, shards and workers import when they need it, beside the modules of the commands themselves."""
LEFT_OUT = ("dashboard",)
"""Commands that need an extra."""
WORKER = "loadsim.receiver.worker"
LARGEST_ORDER = 1_000_000
MOST_DESCRIPTORS = 64


class Order(msgspec.Struct, frozen=True):
    """What is forked. Its file descriptors come with the order."""

    words: tuple[str, ...]
    """The arguments of `loadsim`; SHARD or WORKER alone."""
    cwd: str
    env: dict[str, str]
    children_from: str = ""
    """The server that it has its shards and workers from in turn; empty: it starts them itself."""
    descriptors: tuple[int, ...] = (0, 1, 2)
    """The numbers that they have in the child."""


def serve(path: str) -> Order | None:
    """Fork a child for every order. Comes back in each child, with its order, and at the end in the server."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno())
    channels: dict[int, socket.socket] = {}  # by process
    gc.collect()
    gc.freeze()  # or the first collection in each child would copy everything
    os.write(1, b"ready\n")
    watched: list[Any] = [listener, woken, 0]
    while True:
        ready, _, _ = select.select(watched, (), ())
        if 0 in ready:
            return None
        if woken in ready:
            woken.recv(4096)
            _bury(channels)
        if listener in ready:
            channel, _ = listener.accept()
            order, given = _received(channel)
            pid = os.fork() if order else 1
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (channel, listener, woken, waker, *channels.values()):
                    each.close()
                assert order is not None
                _put(given, order.descriptors)
                return order
            for descriptor in given:
                os.close(descriptor)
            if order:
                channels[pid] = channel
                _say(channel, pid)
            else:
                channel.close()


def _bury(channels: dict[int, socket.socket]) -> None:
    """Say of every child that has ended how it did."""
    with contextlib.suppress(ChildProcessError):
        while pid := (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with channels.pop(pid) as channel:
                _say(channel, os.waitstatus_to_exitcode(ended[1]))


def _say(channel: socket.socket, number: int) -> None:
    with contextlib.suppress(ConnectionError):  # who ordered it is gone
        channel.sendall(b"%d\n" % number)


def _received(channel: socket.socket) -> tuple[Order | None, list[int]]:
    """An order and its descriptors; None where the channel ended before it was whole."""
    data, given, _, _ = socket.recv_fds(channel, LARGEST_ORDER, MOST_DESCRIPTORS)
    while not data.endswith(b"\n"):
        more = channel.recv(LARGEST_ORDER)
        if not more:
            return None, given
        data += more
    return msgspec.json.decode(data, type=Order), given


def _put(given: Sequence[int], numbers: Sequence[int]) -> None:
    """Give file descriptors their numbers, whatever numbers they have now."""
    above = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, max(numbers) + 1) for descriptor in given]
    for descriptor in given:
        os.close(descriptor)
    for descriptor, number in zip(above, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


def become(order: Order) -> NoReturn:
    """Be what was ordered, as a new interpreter would be it."""
    os.chdir(order.cwd)
    os.environ.clear()  # noqa: TID251 - a process's own surroundings
    os.environ.update(order.env)  # noqa: TID251
    time.tzset()
    if order.children_from:
        from tests.commands import take_children_from

        take_children_from(lambda: order.children_from)
    if order.words in ((SHARD,), (WORKER,)):
        os.setsid()
        importlib.import_module(order.words[0]).main()
        sys.exit()
    sys.path.insert(0, order.cwd)
    sys.argv = ["loadsim", *order.words]
    main()
    sys.exit()


if __name__ == "__main__":
    for module in (*(f"loadsim.cli.{name}" for name, _ in COMMANDS.values() if name not in LEFT_OUT), *IMPORTED):
        importlib.import_module(module)
    if library := plotly_script.library():
        packed_text.packed_library(library)  # which takes longer than all else that a small run does
    wanted = serve(sys.argv[1])
    if wanted is not None:
        become(wanted)
