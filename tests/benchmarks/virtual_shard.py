"""A shard with its loop, clock, timer and sockets replaced: always the same work, however busy the machine is.

    python -m tests.benchmarks.virtual_shard WAY [--opcodes] [--step DIRECTORY] [--watched]

Everything between the first message to a shard and its last frame is the shard's own: plan, requests, engine, direct
transport, recorder, tally, heartbeat. Outside it time moves by rule: each reading of the clock takes 50 ns, each answer
that is ready 10 µs, and where nothing is left to do the clock goes to the next thing. The endpoint answers every
request 100 µs after it was sent; as many answers are ready at once as the way says. Run by `hot_path`, in the tree of
any commit, so it needs nothing of the package but what a launcher needs.

What is counted lies between two marks, each made as one of the requests is sent: at both the process calls getppid(2),
which nothing else here calls, so that callgrind can tell (`--dump-before=getppid`). Prints the calls to the system
between the marks as JSON; with `--opcodes` also the bytecodes executed between them, by function.
"""

from __future__ import annotations

import asyncio
import collections
import ctypes
import errno
import functools
import hashlib
import heapq
import importlib.util
import json
import operator
import os
import select
import selectors
import socket
import struct
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

NEVER = 2**62
STEP_NS, EACH_NS, WAKE_NS, ANSWER_NS = 50, 10_000, 5_000, 100_000
"""Of one reading of the clock, of an answer that is handled, of waking up, of the endpoint."""
PAUSE_NS = 50_000_000
"""Longer than a shard may be away."""
BEGIN_NS = 10**14
"""Of the one clock, which is also the wall clock."""
STAMPING = 37
"""SO_TIMESTAMPING."""
HEAD = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\nContent-Type: text/plain\r\n"
TAIL = b"Content-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
TYPE = "desktop.app_tracking.captured"


class Way(NamedTuple):
    """A kind of run."""

    at_once: int
    """Answers that are ready at once, at most."""
    connections: int
    first: int
    """The request at which counting begins: by then the templates of nearly all bodies are compiled."""
    counted: int
    """So many events are counted, which makes whole bites of rows in closed runs and whole frames in open ones."""
    phase: Mapping[str, Any]
    """Long enough for both."""
    tables: Mapping[str, Any] = {}
    """Of the scenario, further ones."""
    varied: bool = False
    """Answers differ: see `VARIED`."""
    paused: int = 0
    """Writing each request of so many takes PAUSE_NS."""
    shards: int = 1
    """Among so many it is the first."""


WAYS: Mapping[str, Way] = {
    "closed": Way(8, 32, 8_192, 4_096, {"connections": 32, "events": 13_000}),
    "traced": Way(8, 32, 8_192, 4_096, {"connections": 32, "events": 13_000}, {"trace": {"sampled": "1%"}}),
    "one of two": Way(8, 32, 8_192, 4_096, {"connections": 64, "events": 26_000}, shards=2),
    "open": Way(1, 256, 8_000, 4_000, {"rate": "4000/s", "duration": "3100ms"}),
}


SMALL_WAYS: Mapping[str, Way] = {
    "small closed": Way(8, 16, 500, 500, {"connections": 16, "events": 1_500}),
    "small traced": Way(8, 16, 500, 500, {"connections": 16, "events": 1_500}, {"trace": {"sampled": "1%"}}),
    "small open": Way(4, 16, 500, 500, {"rate": "2000/s", "duration": "800ms"}),
    "small varied": Way(8, 16, 500, 500, {"connections": 16, "events": 1_500}, varied=True),
    "small varied open": Way(4, 16, 500, 500, {"rate": "2000/s", "duration": "800ms"}, varied=True),
    "small paused": Way(8, 16, 500, 500, {"connections": 16, "events": 1_500}, paused=211),
    "small paused open": Way(4, 16, 500, 500, {"rate": "2000/s", "duration": "800ms"}, paused=211),
    "small busy": Way(4, 4, 500, 500, {"rate": "50000/s", "duration": "40ms"}),
    "small several": Way(
        8,
        16,
        500,
        500,
        {},
        {
            "events": [{"type": TYPE}, {"type": "desktop.screenshot_tracking.captured"}],
            "phases": [
                {"name": "open", "rate": "20000/s", "duration": "50ms"},
                {"name": "closed", "connections": 12, "events": 5_000, "duration": "1s", "record": False},
                {"name": "open again", "rate": "2000/s", "duration": "50ms", "arrivals": "poisson"},
            ],
        },
    ),
}
"""For tests."""
VARIED: Mapping[int, bytes] = {
    7: b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    11: HEAD.replace(b"08:00:00", b"08:00:01") + TAIL,
    13: b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + bytes(600),
    17: b"HTTP/1.1 204 No\r\nConnection: close\r\n\r\n",
    19: b"",
    23: b"no HTTP",
}
"""What comes in place of every n-th answer where answers differ."""


class Ticks:
    """A clock that a call in C reads, as it does the system's."""

    def __init__(self) -> None:
        self._iterator: Any = iter(range(BEGIN_NS, NEVER, STEP_NS))
        self._size = operator.length_hint(self._iterator)
        self.read: Callable[[], int] = functools.partial(next, self._iterator)
        self.readings = self._set_to = 0

    @property
    def now(self) -> int:
        """The next reading, which this is not."""
        return BEGIN_NS + STEP_NS * (self._size - operator.length_hint(self._iterator))

    def add(self, ns: int) -> None:
        """Let time pass."""
        place = self._size - operator.length_hint(self._iterator)
        self.readings += place - self._set_to
        self._set_to = place + ns // STEP_NS
        # From Python 3.12 on an iterator of a range is set relative to where it is.
        self._iterator.__setstate__(self._set_to - place if sys.version_info >= (3, 12) else self._set_to)


class World:
    """What is outside the shard. `ready` has what will be ready, in order: instant, descriptor, mask."""

    def __init__(self, way: Way, on_mark: Callable[[], object], *, watched: bool = False) -> None:
        """`on_mark` is called at both marks, after getppid; `watched`: what is sent is hashed."""
        self.watched = watched
        self.at_once = way.at_once
        self.sends_to_mark = way.first
        self.way, self.on_mark = way, on_mark
        self.clock = Ticks()
        self.ready: collections.deque[tuple[int, int, int]] = collections.deque()
        self.calls: collections.Counter[str] = collections.Counter()
        self.wake_ns = NEVER
        self.on_wake: Callable[[], object] = int
        self.on_ready: Callable[[], object] = int
        self.sent, self.rows = hashlib.sha256(), hashlib.sha256()

    def answer(self) -> bytes:
        """What is read."""
        if self.way.varied:
            number = self.calls["recv"] + self.calls["recvmsg"]
            return next((answer for every, answer in VARIED.items() if number % every == 0), HEAD + TAIL)
        return HEAD + TAIL

    def mark(self) -> None:
        """A mark is reached."""
        self.sends_to_mark = self.way.counted
        os.getppid()
        self.on_mark()

    def go_on(self, timers: list[Any]) -> None:
        """Nothing is left to do: go to the next thing, and do what is due then."""
        ready, now = self.ready, self.clock.now
        due = self.wake_ns
        if ready and ready[0][0] < due:
            due = ready[0][0]
        if timers and timers[0].when() * 1e9 < due:
            due = int(timers[0].when() * 1e9)
        if due == NEVER:
            raise RuntimeError("nothing is left that could happen")
        later = max(0, due - now) + WAKE_NS
        self.clock.add(later)
        now += later
        while timers and timers[0].when() * 1e9 <= now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer.cancelled():
                timer._run()
        if self.wake_ns <= now:
            self.wake_ns = NEVER
            self.on_wake()
        if ready and ready[0][0] <= now:
            self.on_ready()


class Loop(asyncio.SelectorEventLoop):
    """Runs what is scheduled as every loop does, and asks the world where it would wait."""

    def __init__(self, world: World) -> None:
        self.world = world
        super().__init__(_NeverReady())

    def time(self) -> float:
        """See asyncio."""
        return self.world.clock.now / 1e9

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        """The one of the transport."""
        self.world.on_ready = callback

    def remove_reader(self, fd: Any) -> bool:
        """See asyncio."""
        self.world.on_ready = int
        return True

    def _run_once(self) -> None:
        if self._ready:  # type: ignore[attr-defined]
            super()._run_once()  # type: ignore[misc]
        else:
            self.world.go_on(self._scheduled)  # type: ignore[attr-defined]


class _NeverReady(selectors.SelectSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return []


class WorldPacer:
    """See Pacer."""

    def __init__(self, world: World) -> None:
        self._world = world

    def start(self, on_wake: Callable[[], None]) -> None:
        """See Pacer."""
        self._world.on_wake = on_wake

    def arm(self, due_ns: int, following_ns: int = 0) -> None:
        """See Pacer."""
        self._world.calls["timerfd_settime"] += 1
        self._world.wake_ns = due_ns

    def close(self) -> None:
        """See Pacer."""
        self._world.wake_ns = NEVER


class Epoll:
    """See select.epoll: what is ready comes from the world."""

    world: ClassVar[World]

    def fileno(self) -> int:
        """No descriptor of this process."""
        return NEVER

    def register(self, fd: int, mask: int) -> None:
        """A socket that connects is connected at once."""
        if mask & select.EPOLLOUT:
            self.world.ready.append((self.world.clock.now, fd, select.EPOLLOUT))

    def modify(self, fd: int, mask: int) -> None:
        """See select.epoll."""

    def unregister(self, fd: int) -> None:
        """See select.epoll."""

    def close(self) -> None:
        """See select.epoll."""

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        """See select.epoll."""
        world = self.world
        world.calls["epoll_wait"] += 1
        ready, now = world.ready, world.clock.now
        found: list[tuple[int, int]] = []
        while ready and ready[0][0] <= now and len(found) < world.at_once:
            _, fd, mask = ready.popleft()
            found.append((fd, mask))
        if found:
            world.clock.add(EACH_NS * len(found))
        return found


class Socket(socket.socket):
    """A socket to the endpoint."""

    world: ClassVar[World]
    by_descriptor: ClassVar[dict[int, Any]] = {}

    def connect_ex(self, address: Any) -> int:
        """See socket."""
        self.by_descriptor[self.fileno()] = self
        return errno.EINPROGRESS

    def send(self, data: Any, flags: int = 0) -> int:
        """The whole request; its answer comes."""
        world = self.world
        world.calls["send"] += 1
        if world.watched:
            world.sent.update(data)
        if world.way.paused and world.calls["send"] % world.way.paused == 0:
            world.clock.add(PAUSE_NS)
        world.sends_to_mark -= 1
        if not world.sends_to_mark:
            world.mark()
        world.ready.append((world.clock.now + ANSWER_NS, self.fileno(), select.EPOLLIN))
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """The answer, which is never longer than what is asked for at first."""
        self.world.calls["recv"] += 1
        return self.world.answer()[:size]

    def recvmsg(self, size: int, room: int = 0, flags: int = 0) -> Any:
        """The answer, and its stamp."""
        self.world.calls["recvmsg"] += 1
        stamp = struct.pack("@6l", *divmod(self.world.clock.now - WAKE_NS, 10**9), 0, 0, 0, 0)
        return self.world.answer()[:size], [(socket.SOL_SOCKET, STAMPING, stamp)], 0, None


def replace_system(world: World) -> None:
    """To be called before anything of the package is imported."""
    Epoll.world = Socket.world = world
    time.monotonic_ns = time.time_ns = world.clock.read
    select.epoll = Epoll  # type: ignore[misc, assignment]
    socket.socket = Socket  # type: ignore[misc]


def compiled_step(directory: Path) -> ModuleType:
    """The compiled step, whose calls to the system go to the virtual one. To be called before anything of the package
    but `replace_system`; it is built in `directory` where it is not there yet."""
    library = directory / "_hot.so"
    if not library.exists():
        sources = sorted(Path(__file__).parents[2].joinpath("compiled").glob("*.c"))
        virtual = [f"-D{name}=virtual_{name}" for name in ("clock_gettime", "recv", "recvmsg", "send")]
        gcc = ["gcc", "-O2", "-fPIC", "-I", sysconfig.get_path("include")]
        parts = [str(directory / f"{source.stem}.o") for source in sources]
        for source, part in zip(sources, parts, strict=True):
            subprocess.run([*gcc, *virtual, "-fvisibility=hidden", "-c", str(source), "-o", part], check=True)
        ours = str(Path(__file__).with_name("virtual_system.c"))
        subprocess.run([*gcc, "-shared", *parts, ours, "-o", str(library)], check=True)
    spec = importlib.util.spec_from_file_location("loadsim._hot", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    world = Socket.world
    sockets = Socket.by_descriptor

    def stamped(fd: int, size: int) -> tuple[bytes, bytes]:
        data, extra, _, _ = sockets[fd].recvmsg(size)
        return data, extra[0][2]

    system = ctypes.PyDLL(str(library)).virtual_system
    system.argtypes = [ctypes.py_object] * 4
    system.restype = None
    system(
        world.clock.read,
        lambda fd, size: sockets[fd].recv(size),
        stamped,
        lambda fd, data: sockets[fd].send(data),
    )
    sys.modules["loadsim._hot"] = module
    return module


def scenario(way: Way) -> dict[str, Any]:
    """Its plan."""
    return {
        "name": "cost",
        "target": {"url": "http://127.0.0.1:9/", "connections": way.connections},
        "events": [{"type": TYPE}],
        "phases": [{"name": "load", **way.phase}],
        **way.tables,
    }


def assignment(document: dict[str, Any], shards: int = 1) -> Any:
    """The first message to the first of so many shards."""
    from loadsim.engine.messages import assignments
    from loadsim.model import Secret
    from loadsim.plan import RunSpec, from_document

    spec = RunSpec(scenario=from_document(document, "cost"), seed=7, run_id="run-1", secret=Secret("a secret"))
    return assignments(spec, shards)[0]


def run(
    way: Way,
    opcodes: collections.Counter[str],
    message_of: Callable[[dict[str, Any], int], Any] = assignment,
    step: Path | None = None,
    *,
    watched: bool = False,
) -> dict[str, Any]:
    """Run one shard from its first message to its last frame. Returns what happened between the marks: calls to the
    system, and `opcodes` (which is counted elsewhere). `step`: the directory of the compiled step, which is used then.
    With `watched` also hashes of all that was sent, and of all rows."""
    at_marks: list[tuple[collections.Counter[str], collections.Counter[str]]] = []

    def note() -> None:
        world.clock.add(0)
        readings = collections.Counter({"clock": world.clock.readings})
        at_marks.append((world.calls + readings, opcodes.copy()))

    world = World(way, note, watched=watched)
    replace_system(world)
    if step is not None:
        import loadsim

        loadsim._hot = compiled_step(step)
        from loadsim.compiled_step import why_not

        if why_not:
            sys.exit(f"the compiled step is not used: {why_not}")
    import loadsim.engine.pacer

    if watched:
        import loadsim.engine.recorder as recorder

        def watching(rows: list[bytes]) -> Any:
            for row in rows:
                world.rows.update(row)
            return table_of(rows)

        table_of, recorder.table_of = recorder.table_of, watching  # type: ignore[attr-defined]
    loadsim.engine.pacer.best_pacer = lambda loop: WorldPacer(world)  # noqa: ARG005
    from loadsim.engine.messages import Last, Start, encode
    from loadsim.engine.shard import ShardRun

    heard: list[Any] = []
    loop = Loop(world)
    asyncio.set_event_loop(loop)

    async def serve() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(encode(Start(world.clock.now + 10**6)))
        await ShardRun(message_of(scenario(way), way.shards), reader, heard.append, lambda spec: spec).run()

    loop.run_until_complete(serve())
    last = heard[-1]
    answered = isinstance(last, Last) and last.frame.ended == world.calls["send"] and not last.frame.samples
    if not (answered or way.varied):
        sys.exit(f"not every event was answered: {last}")
    (calls, executed), (all_calls, all_executed) = at_marks[:2]
    found: dict[str, Any] = {"calls": dict(all_calls - calls), "opcodes": dict(all_executed - executed)}
    if watched:
        found |= {"sent": world.sent.hexdigest(), "rows": world.rows.hexdigest(), "ended": last.frame.ended}
    return found


def counting_opcodes(counts: collections.Counter[str]) -> None:
    """Count every bytecode of the package's functions from now on."""

    def on_call(frame: Any, event: str, _: Any) -> Any:
        code = frame.f_code
        place = code.co_filename.rpartition("loadsim/")
        if not place[1] or "importlib" in place[2]:
            return None
        name = f"{place[2]}:{code.co_qualname}"
        frame.f_trace_opcodes, frame.f_trace_lines = True, False

        def on_opcode(_: Any, event: str, __: Any) -> Any:
            if event == "opcode":
                counts[name] += 1
            return on_opcode

        return on_opcode

    sys.settrace(on_call)


def main() -> None:
    """Run one."""
    opcodes: collections.Counter[str] = collections.Counter()
    if "--opcodes" in sys.argv:
        counting_opcodes(opcodes)
    step = Path(sys.argv[sys.argv.index("--step") + 1]) if "--step" in sys.argv else None
    ways = {**WAYS, **SMALL_WAYS}
    print(json.dumps(run(ways[sys.argv[1]], opcodes, step=step, watched="--watched" in sys.argv)))


if __name__ == "__main__":
    main()
