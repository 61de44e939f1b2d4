"""One judged load run, kept on disk: the receiver beside it if asked for, the run, the verdict, the files.

Decides the order in which things are made safe: the result is written before anybody judges it or draws from it.
"""

from __future__ import annotations

import contextlib
import datetime
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from loadsim.cases import needs_old_secret, retirement_ns
from loadsim.events import RecordedEvent
from loadsim.judge import Reading, evaluate
from loadsim.launch.cluster import Cluster, launcher_for
from loadsim.launch.local import LocalShards
from loadsim.launch.raw import RawLog
from loadsim.launch.run import Run, RunSpec
from loadsim.launch.store import run_directory, slug, write_whole
from loadsim.measure.result import RunResult, dump_result
from loadsim.model import LoadsimError, Objective, Secret
from loadsim.plan import EMBEDDED, Plan, Scenario, redacted
from loadsim.report.formats import run_files
from loadsim.studies.floor import known_floor

RESULT = "result.json"
EMBEDDED_SECRET = Secret("00" * 24)
"""Stands for the embedded receiver's secret before there is one; good in every form that a key can have."""
Watch = Callable[[Run], AbstractAsyncContextManager[None]]
"""What stands beside a run while it goes on: a live view, a signal handler."""
Counts = Callable[[], dict[str, Any] | None]


@dataclass(frozen=True)
class LoadRequest:
    """One run as the user asked for it."""

    scenario: Scenario
    seed: int
    objectives: tuple[Objective, ...]
    secret: Secret | None
    """None where the embedded receiver is the target, which gets a random one, and where a cluster's hosts read it."""
    headers: dict[str, str]
    """The target's headers with what the environment said put in; as they stand where a cluster's hosts do that."""
    out: Path
    workers: int = 1
    cluster: Cluster | None = None
    """Where the shards run, if not in `workers` processes of this machine."""
    epoch_ns: int | None = None
    old_secret: Secret | None = None
    """The one that is rotated out; None where none is, or the embedded receiver is the target."""
    raw: bool = False
    """Keep one line for every event."""
    recorded: Mapping[str, Sequence[RecordedEvent]] = field(default_factory=dict)
    """The captures of event types that are sent from one."""
    pace: Sequence[int] = ()
    """When the rows of the capture were recorded, where arrivals are as recorded."""
    reading: Reading = "point"
    drawn: bool = True
    """Also write what is drawn from the result; a study of many runs keeps the results alone."""


@dataclass(frozen=True)
class LoadOutcome:
    """A judged run and where it is kept."""

    result: RunResult
    directory: Path
    files: tuple[Path, ...]


async def run_load(request: LoadRequest, watch: Watch) -> LoadOutcome:
    """Run, keep, judge, report. Raises LoadsimError; once events were fired their result is on disk first."""
    scenario = request.scenario
    secret, old_secret = _keys(request)
    cluster = request.cluster
    launcher = LocalShards(request.workers) if cluster is None else launcher_for(cluster)
    async with receiving(scenario, secret, old_secret) as (url, counts):
        target = msgspec.structs.replace(scenario.target, url=url, headers=request.headers)
        plan = Plan(msgspec.structs.replace(scenario, target=target), request.seed, request.pace)
        run_id = new_id(scenario.name)
        with _raw_log(request, plan, run_id) as log:
            run = Run(
                RunSpec(
                    plan=plan,
                    secret=secret,
                    run_id=run_id,
                    launcher=launcher,
                    allow_lost=0 if cluster is None else cluster.allow_lost,
                    epoch_ns=request.epoch_ns,
                    old_secret=old_secret,
                    recorded=request.recorded,
                    pace=request.pace,
                    document=redacted(scenario.document()),
                    on_raw=log.add if log is not None else None,
                )
            )
            async with watch(run):
                result = await run.execute()
                result = msgspec.structs.replace(result, receiver=counts(), floor=known_floor(result.environment))
                outcome = keep(result, request)
            if log is None:
                return outcome
            return replace(outcome, files=(*outcome.files, log.keep(outcome.directory)))


def _keys(request: LoadRequest) -> tuple[Secret | None, Secret | None]:
    """The secret and the old one: as given, random for the embedded receiver, none where the hosts have them."""
    if request.scenario.target.url != EMBEDDED:
        return request.secret, request.old_secret
    return _random_secret(), _random_secret() if needs_old_secret(request.scenario) else None


@contextlib.contextmanager
def _raw_log(request: LoadRequest, plan: Plan, run_id: str) -> Iterator[RawLog | None]:
    """The raw log that was asked for, beside the run's directory until that exists; nothing of it stays on failure."""
    if not request.raw:
        yield None
        return
    log = RawLog(request.out / f".{run_id}.raw", plan, run_id)
    try:
        yield log
    finally:
        log.discard()


def keep(result: RunResult, request: LoadRequest) -> LoadOutcome:
    """Write the result, judge it, write it again with the verdict, then everything that is drawn from it."""
    directory = run_directory(request.out, result.run.id)
    path = directory / RESULT
    write_whole(path, dump_result(result))
    judged = evaluate(result, request.objectives, request.scenario.validity, reading=request.reading)
    write_whole(path, dump_result(judged))
    files = [path]
    for name, data in run_files(judged).items() if request.drawn else ():
        if name != RESULT:
            write_whole(directory / name, data)
            files.append(directory / name)
    return LoadOutcome(judged, directory, tuple(files))


@contextlib.asynccontextmanager
async def receiving(
    scenario: Scenario, secret: Secret | None, old_secret: Secret | None = None
) -> AsyncIterator[tuple[str, Counts]]:
    """The URL to fire at, and what the embedded receiver counted; it lives as long as the context."""
    if scenario.target.url != EMBEDDED:
        yield scenario.target.url, lambda: None
        return
    target = scenario.target
    from loadsim.receiver.embedded import start_receiver  # aiohttp's import would delay every other run
    from loadsim.receiver.options import ReceiverOptions

    options = ReceiverOptions(
        port=0,
        scheme=target.scheme,
        custom=target.custom,
        public_url=target.public_url,
        retire_ns=retirement_ns(scenario),
    )
    async with await start_receiver(options, secret, old_secret=old_secret) as receiver:
        yield receiver.url, lambda: msgspec.to_builtins(receiver.stats().total)


def _random_secret() -> Secret:
    return Secret(secrets.token_hex(24))


def new_id(name: str) -> str:
    """A name for a run or a study: when, what, and something that no other has."""
    moment = datetime.datetime.now(datetime.UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{slug(name)[:40]}-{secrets.token_hex(2)}"


def free_directory(out: Path) -> None:
    """Fail before the run, not after it, where no result could be written. Raises LoadsimError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".loadsim-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LoadsimError(f"{out}: no result could be written here: {error.strerror}") from None
