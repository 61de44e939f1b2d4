"""The shards of one host of a cluster: their processes, and messages in and out of them.

Each shard is a process of its own beside the cluster's worker, with threads that may block. All shards end when no
message comes from the launcher any more.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO, Any

from loadsim.child_processes import generator_environment, own_command
from loadsim.engine.messages import MAX_MESSAGE, Alive, encode
from loadsim.engine.silence_clock import Listening
from loadsim.launch.liveness import BEAT_S, LEASE_S, START_LEASE_S
from loadsim.launch.shard_process import SHARD
from loadsim.model import NS_PER_S

KILL_S = 2.0
"""Time for a shard to end after it was asked to."""

Say = Callable[[dict[str, Any]], None]
"""Takes `{host}`, a sign of life; `{host, shard, data}`, a shard's message; `{host, shard, code}`, its end."""


class Sealed:
    """Bytes that never appear in a log, since a plan may hold secrets."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return "Sealed('***')"

    def __reduce__(self) -> tuple[type[Sealed], tuple[bytes]]:
        return Sealed, (self.data,)


class HostShards:
    """The shard processes that one host runs for one launcher."""

    def __init__(
        self, host: int, shards: Sequence[int], variables: Sequence[str], say: Say, connected: Callable[[], bool]
    ) -> None:
        """`variables`: the environment variables of this host with secrets for the shards."""
        self._host = host
        self._say = say
        self._connected = connected
        self._shards: dict[int, _Process] = {}
        self._ended = threading.Event()
        self._renewed = False
        self._spoke = 0.0
        self._lock = threading.Lock()
        self._numbers = shards
        self._variables = variables
        self._left = len(shards)

    def serve(self) -> None:
        """Start every shard and stay until all have ended. Ends them when no message comes from the launcher."""
        listening, until_ns = Listening(), int(START_LEASE_S * NS_PER_S)
        try:
            for number in self._numbers:
                self._shards[number] = _Process(self._variables, partial(self._out, number), partial(self._end, number))
            while not self._ended.is_set():
                if time.monotonic() - self._spoke >= BEAT_S:
                    self._say({"host": self._host})
                now_ns = listening.at(time.monotonic_ns())
                if self._renewed:
                    self._renewed, until_ns = False, now_ns + int(LEASE_S * NS_PER_S)
                if now_ns > until_ns or not self._connected():
                    self.end(self._numbers)
                self._ended.wait(BEAT_S)
        finally:
            self.end(self._numbers)

    def take(self, messages: Mapping[int, Sealed]) -> None:
        """Messages for some shards, some of them perhaps on other hosts."""
        self._renewed = True
        for number, message in messages.items():
            if number in self._shards:
                self._shards[number].write(message.data)

    def renew(self) -> None:
        """Record a sign of life of the launcher."""
        self._renewed = True
        for process in self._shards.values():
            process.write(encode(Alive()))

    def end(self, numbers: Sequence[int]) -> None:
        """Let these shards stop at once, and kill those that do not."""
        for number in numbers:
            if number in self._shards:
                self._shards[number].end()

    def _out(self, number: int, data: bytes) -> None:
        self._spoke = time.monotonic()
        self._say({"host": self._host, "shard": number, "data": data})

    def _end(self, number: int, code: int) -> None:
        self._say({"host": self._host, "shard": number, "code": code})
        with self._lock:
            self._left -= 1
        if not self._left:
            self._ended.set()


class _Process:
    """One shard: a process and the two threads that write to it and read from it."""

    def __init__(self, variables: Sequence[str], out: Callable[[bytes], None], ended: Callable[[int], None]) -> None:
        self._process = subprocess.Popen(
            own_command(SHARD),
            env=generator_environment(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._ending = False
        self._out, self._on_end = out, ended
        for work in (self._write, self._read):
            threading.Thread(target=work, daemon=True).start()

    def write(self, data: bytes) -> None:
        """Queue a message for the shard; never blocks."""
        self._queue.put(data)

    def end(self) -> None:
        """Close the shard's stdin, which means stop at once."""
        if not self._ending:
            self._ending = True
            self._queue.put(None)
            threading.Thread(target=self._kill_if_needed, daemon=True).start()

    def _kill_if_needed(self) -> None:
        try:
            self._process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - asked for as a pipe
        # A pipe breaks when the process has ended; the reader reports that.
        with contextlib.suppress(OSError, ValueError):
            while (data := self._queue.get()) is not None:
                stdin.write(data)
                stdin.flush()
        with contextlib.suppress(OSError):
            stdin.close()

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - asked for as a pipe
        while (data := _message(stdout)) is not None:
            self._out(data)
        code = self._process.wait()
        self._queue.put(None)
        stdout.close()
        self._on_end(code)


def _message(pipe: IO[bytes]) -> bytes | None:
    """The next message without its length, or None at the end (see `messages.read_message`)."""
    size = int.from_bytes(head, "big") if len(head := pipe.read(4)) == 4 else MAX_MESSAGE + 1
    if size > MAX_MESSAGE:
        return None
    data = pipe.read(size)
    return data if len(data) == size else None
