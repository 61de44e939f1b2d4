"""The measured receivers: ours on both engines, with and without verification, and the user's.

Starts each on its core, and checks first that it accepts genuine events and refuses forged ones.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from loadsim.engine.tls_settings import Trust
from loadsim.events import EventSource
from loadsim.model import NS_PER_S, LoadsimError, Secret, SignedRequest, UsageError
from loadsim.outcome_codes import is_success
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.hosted_application import OPTION, AppOrder
from loadsim.receiver.options import DEFAULT_PATH, Engine, ReceiverOptions
from loadsim.receiver.supervisor import listen
from loadsim.receiver.worker_process import WorkerProcess
from loadsim.signing import scheme
from loadsim.single.result import Response
from loadsim.single.timed_exchange import exchange
from loadsim.studies.bench_verify.deliveries import Maker
from loadsim.studies.bench_verify.verifiers import CheckDelivery
from loadsim.studies.cpu_timer import one_core

HOST = "127.0.0.1"
OWN = "own"
STOP_S = 15.0
_ANSWER_S = 10.0


@dataclass(frozen=True)
class Subject:
    """One receiver; `engine` None is the user's own."""

    key: str
    name: str
    engine: Engine | None
    verifies: bool


OURS = (
    Subject("bare-open", "loadsim, bare engine, without verification", "bare", verifies=False),
    Subject("bare", "loadsim, bare engine", "bare", verifies=True),
    Subject("aiohttp-open", "loadsim, aiohttp engine, without verification", "aiohttp", verifies=False),
    Subject("aiohttp", "loadsim, aiohttp engine", "aiohttp", verifies=True),
)


@dataclass(frozen=True)
class Setting:
    """The settings of all subjects. `app` is the user's `package.module:name`, `core` the core of the receivers."""

    secret: Secret
    scheme: str = "trackpilots"
    custom: dict[str, Any] | None = None
    public_url: str | None = None
    """The signed URL, for schemes that sign it."""
    app: str | None = None
    path: str = DEFAULT_PATH
    """Of the user's application."""
    events: tuple[str, ...] = ()
    core: int | None = None

    def subjects(self) -> list[Subject]:
        """Ours, then the user's."""
        own = [] if self.app is None else [Subject(OWN, self.app, None, verifies=True)]
        return [*OURS, *own]


@dataclass(frozen=True)
class Running:
    """A running subject."""

    subject: Subject
    url: str
    pid: int


@contextlib.asynccontextmanager
async def running(subject: Subject, setting: Setting) -> AsyncIterator[Running]:
    """Context in which the subject runs on its core. Raises LoadsimError in one line."""
    context = _hosted(subject, setting) if subject.engine is None else _companion(subject, subject.engine, setting)
    async with contextlib.AsyncExitStack() as stack:
        with contextlib.nullcontext() if setting.core is None else one_core(setting.core):
            started = await stack.enter_async_context(context)
        yield started


@contextlib.asynccontextmanager
async def _companion(subject: Subject, engine: Engine, setting: Setting) -> AsyncIterator[Running]:
    options = ReceiverOptions(
        engine=engine,
        verify=subject.verifies,
        scheme=setting.scheme,
        custom=setting.custom,
        public_url=setting.public_url,
        admin=None,
    )
    async with await start_receiver(options, setting.secret) as receiver:
        (worker,) = receiver.stats().per_worker
        yield Running(subject, receiver.url, worker.pid)


@contextlib.asynccontextmanager
async def _hosted(subject: Subject, setting: Setting) -> AsyncIterator[Running]:
    listener = listen(HOST, 0, 1)[0]
    with listener:
        process = await WorkerProcess.spawn(AppOrder(subject.name, listener.fileno()))
        if not process.ready:
            said = process.said or f"{OPTION} {subject.name}: its process {await process.gone()} at its start"
            raise UsageError(said)
        try:
            yield Running(subject, f"http://{HOST}:{listener.getsockname()[1]}{setting.path}", process.pid)
        finally:
            await process.stop(STOP_S)


async def faults(started: Running, setting: Setting) -> list[str]:
    """The wrong answers, in words: genuine events must get 2xx, forged ones 400 to 499."""
    found = []
    for question in _questions(started, setting):
        lines = "".join(f"{name}: {value}\r\n" for name, value in question.headers.items())
        request = SignedRequest(lines.encode(), question.body)
        seen = await exchange(started.url, request, headers={}, timeout_s=_ANSWER_S, trust=Trust())
        if not isinstance(seen.outcome, Response):
            raise LoadsimError(f"{started.subject.name} does not answer: {seen.outcome.text}")
        status = seen.outcome.status
        if not (is_success(status) if question.genuine else status in range(400, 500)):
            found.append(f"answers {question.words} with {status}")
    return found


def _questions(started: Running, setting: Setting) -> Sequence[CheckDelivery]:
    source = EventSource(setting.events[0], 1)
    described = scheme(setting.scheme, setting.custom)
    url = setting.public_url or started.url

    def body(_: int, now_ms: int, number: int) -> bytes:
        return source.body(number, now_ms * 10**6)

    maker = Maker(described, setting.secret, url, body)
    stranger = Maker(described, Secret("ff" * 24), url, body)
    now_ns = time.time_ns() // NS_PER_S * NS_PER_S
    return maker.questions(0, now_ns, stranger)
