"""One judged load run, kept on disk: the receiver beside it if asked for, the run, the verdict, the files.

Decides the order in which things are made safe: the result is written before anybody judges it or draws from it. What
takes the processor or the disk for long runs in a thread: a page may be served beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from loadsim.cases import needs_old_secret, retirement_ns
from loadsim.engine.messages import FRAME_S
from loadsim.events import RecordedEvent
from loadsim.judge import GateMode, evaluate
from loadsim.launch.cluster import Cluster, launcher_for
from loadsim.launch.local import LocalShards
from loadsim.launch.raw import RawLog
from loadsim.launch.run import BrokenRunError, Run, RunSpec
from loadsim.launch.store import run_directory, slug, write_whole
from loadsim.measure.ledger import RunLedger
from loadsim.measure.outcomes import FILE as OUTCOMES
from loadsim.measure.outcomes import OutcomeCollector, dump_outcomes
from loadsim.measure.result import RunResult, dump_result
from loadsim.model import LoadsimError, Objective, Secret, own_fault
from loadsim.plan import EMBEDDED, Headers, Plan, Scenario, redact_url, redacted
from loadsim.plan.redact import from_environment
from loadsim.report.formats import run_files
from loadsim.run.calibration import known_floor
from loadsim.run.reconcile import ReadLedger, ledger_at, reconciled, register_at

if TYPE_CHECKING:
    from loadsim.receiver.embedded import RunningReceiver

RESULT = "result.json"
EMBEDDED_SECRET = Secret("00" * 24)
"""Stands for the embedded receiver's secret before there is one; good in every form that a key can have."""
Watch = Callable[[Run], AbstractAsyncContextManager[None]]
"""What stands beside a run while it goes on: a live view, a signal handler."""


@dataclass(frozen=True)
class LoadRequest:
    """One run as the user asked for it."""

    scenario: Scenario
    seed: int
    objectives: tuple[Objective, ...]
    secret: Secret | None
    """None where the embedded receiver is the target, which gets a random one, and where a cluster's hosts read it."""
    headers: Headers
    """The target's headers with what the environment said put in; as they stand where a cluster's hosts do that."""
    out: Path
    workers: int = 1
    cluster: Cluster | None = None
    """Where the shards run, if not in `workers` processes of this machine."""
    epoch_ns: int | None = None
    old_secret: Secret | None = None
    key_password: Secret | None = None
    """Of the client key."""
    """The one that is rotated out; None where none is, or the embedded receiver is the target."""
    raw: bool = False
    """Keep one line for every event."""
    recorded: Mapping[str, Sequence[RecordedEvent]] = field(default_factory=dict)
    """The captures of event types that are sent from one."""
    pace: Sequence[int] = ()
    """When the rows of the capture were recorded, where arrivals are as recorded."""
    gate: GateMode = "point"
    outcomes: bool = False
    """Keep what became of every event, to be reconciled later."""
    drawn: bool = True
    """Also write what is drawn from the result; a study of many runs keeps the results alone."""
    frame_s: float = FRAME_S
    """How often a live view learns something new."""


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
    collector = OutcomeCollector() if scenario.has_ledger or request.outcomes else None
    async with receiving(scenario, secret, old_secret) as (url, receiver):
        target = msgspec.structs.replace(scenario.target, url=url, headers=request.headers)
        fired = msgspec.structs.replace(scenario, target=target, receiver=None)  # it has its orders
        plan = Plan(fired, request.seed, request.pace)
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
                    key_password=request.key_password,
                    recorded=request.recorded,
                    pace=request.pace,
                    document=redacted(scenario.document()),
                    objectives=request.objectives,
                    on_raw=log.add if log is not None else None,
                    on_outcomes=collector.add if collector is not None else None,
                    hidden=from_environment(scenario.target.headers),
                    frame_s=request.frame_s,
                )
            )
            async with watch(run):
                await _register(scenario, receiver, run)
                try:
                    result, broken = await run.execute(), None
                except BrokenRunError as error:
                    result, broken = error.result, error
                directory = await asyncio.to_thread(keep, result, request)
                with _kept_in(directory):
                    files, unwritten = await asyncio.to_thread(_keep_events, collector, log, request, run_id, directory)
                    result = await _joined(result, scenario, run, receiver, collector)
                    outcome = await asyncio.to_thread(conclude, result, request, directory)
                    if (problem := broken or unwritten) is not None:
                        raise problem
            return replace(outcome, files=(*outcome.files, *files))


@contextlib.contextmanager
def _kept_in(directory: Path) -> Iterator[None]:
    """A failure that says where the result is, which is on disk by now. Raises LoadsimError in one line."""
    try:
        yield
    except Exception as error:
        kept = LoadsimError(f"{own_fault(error)}; what was measured is kept in {directory}/")
        kept.exit_code = error.exit_code if isinstance(error, LoadsimError) else kept.exit_code
        raise kept from error


async def _joined(
    result: RunResult,
    scenario: Scenario,
    run: Run,
    receiver: RunningReceiver | None,
    collector: OutcomeCollector | None,
) -> RunResult:
    """The result with what is known beside it: the generator's floor, the receiver's counts and its ledger."""
    floor = known_floor(result.environment)
    result = msgspec.structs.replace(result, receiver=_counted(receiver), generator_limits=floor)
    if collector is None or not scenario.has_ledger:
        return result
    noted = await asyncio.to_thread(collector.outcomes)
    read = _ledger(scenario, receiver, run.spec.run_id, len(noted.endings))
    if read is None:
        return result
    source = redact_url(scenario.target.ledger or "the embedded receiver")
    joined = await reconciled(read, noted, run.spec.plan, source, run.shards)
    return msgspec.structs.replace(result, reconciliation=joined)


def _counted(receiver: RunningReceiver | None) -> dict[str, Any] | None:
    return None if receiver is None else msgspec.to_builtins(receiver.stats().total)


def _keep_events(
    collector: OutcomeCollector | None, log: RawLog | None, request: LoadRequest, run_id: str, directory: Path
) -> tuple[tuple[Path, ...], LoadsimError | None]:
    """The files that hold every event, where they were asked for, and the first that could not be written."""
    files, problem = [], None
    try:
        if log is not None:
            files.append(log.keep(directory))
    except LoadsimError as error:
        problem = error
    try:
        if collector is not None and request.outcomes:
            write_whole(directory / OUTCOMES, dump_outcomes(collector.outcomes(), run_id))
            files.append(directory / OUTCOMES)
    except LoadsimError as error:
        problem = error
    return tuple(files), problem


async def _register(scenario: Scenario, receiver: RunningReceiver | None, run: Run) -> None:
    """Tell the ledger of the run before its first event. One that cannot be told shows when it is read."""
    try:
        if scenario.target.ledger is not None:
            await register_at(scenario.target.ledger, run.spec.run_id)
        elif receiver is not None and scenario.has_ledger:
            receiver.register(run.spec.run_id)
    except LoadsimError as error:
        run.tell(f"the ledger could not be told of this run: {error}")


def _ledger(scenario: Scenario, receiver: RunningReceiver | None, run_id: str, events: int) -> ReadLedger | None:
    """How the receiver's books of this run are read; None where there are none."""
    if scenario.target.ledger is not None:
        return ledger_at(scenario.target.ledger, run_id, events)
    if receiver is None or not scenario.has_ledger:
        return None

    async def read() -> RunLedger | None:
        return await receiver.ledger_of(run_id)

    return read


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


def keep(result: RunResult, request: LoadRequest) -> Path:
    """Write the result, not yet judged, into a directory of its own, before anything can go wrong."""
    directory = run_directory(request.out, result.run.id)
    write_whole(directory / RESULT, dump_result(result))
    return directory


def conclude(result: RunResult, request: LoadRequest, directory: Path) -> LoadOutcome:
    """Judge the result, write it again with the verdict, then everything that is drawn from it."""
    path = directory / RESULT
    judged = evaluate(result, request.objectives, request.scenario.validity, gate=request.gate)
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
) -> AsyncIterator[tuple[str, RunningReceiver | None]]:
    """The URL to fire at, and the embedded receiver where that is the target; it lives as long as the context."""
    if scenario.target.url != EMBEDDED:
        yield scenario.target.url, None
        return
    target = scenario.target
    from loadsim.receiver.embedded import start_receiver  # aiohttp's import would delay every other run
    from loadsim.receiver.options import ReceiverOptions

    conduct = msgspec.structs.asdict(scenario.receiver) if scenario.receiver is not None else {}
    options = ReceiverOptions(
        **conduct,
        port=0,
        scheme=target.scheme,
        custom=target.custom,
        public_url=target.public_url,
        retire_ns=retirement_ns(scenario),
    )
    async with await start_receiver(options, secret, old_secret=old_secret) as receiver:
        yield receiver.url, receiver


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
