"""Runs one load run with its embedded receiver, if any, stores the result, judges it and writes the reports.

The result is written before it is judged. Long work of processor or disk is done in a thread, because the dashboard may
be served in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from loadsim.cases import needs_old_secret, retirement_ns
from loadsim.judge import evaluate
from loadsim.launch.collect import PerEvent
from loadsim.launch.raw_log_lines import RawLog
from loadsim.launch.result_files import run_directory, write_whole
from loadsim.launch.run_lifecycle import BrokenRunError, Run
from loadsim.measure.event_outcomes import FILE as OUTCOMES
from loadsim.measure.event_outcomes import OutcomeCollector, dump_outcomes
from loadsim.measure.ledger_document import RunLedger
from loadsim.measure.result import RESULT_FILE, RunResult, dump_result
from loadsim.model import LoadsimError, own_fault
from loadsim.plan import EMBEDDED, RunSpec, redact_url
from loadsim.run.calibration import known_limits
from loadsim.run.effects.of_run import looking, watch_of, with_effects
from loadsim.run.otlp.of_run import export_of, exporting
from loadsim.run.reconcile import ReadLedger, ledger_at, reconciled, register_at
from loadsim.run.run_ids import new_id
from loadsim.run.watch.of_run import watched, watching_of, with_watches
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme

if TYPE_CHECKING:
    from loadsim.launch.launcher import Launcher
    from loadsim.receiver.embedded import RunningReceiver
    from loadsim.report.blocks import Report

Watch = Callable[[Run], AbstractAsyncContextManager[None]]
"""A context around a run in progress, such as a live view or a signal handler."""


@dataclass(frozen=True)
class LoadOutcome:
    """A judged run and its directory."""

    result: RunResult
    directory: Path
    files: tuple[Path, ...]
    report: Report | None = None
    """Of the result, where it was made for the files."""


async def run_load(spec: RunSpec, watch: Watch, launcher: Launcher | None = None) -> LoadOutcome:
    """Run, store, judge, report. Raises LoadsimError; after the first event, only once the result is stored.

    `launcher`: see `Run`.
    """
    noted = spec.outcomes or spec.scenario.has_ledger
    has_effects = spec.scenario.effects is not None
    spec = msgspec.structs.replace(spec, run_id=new_id(spec.scenario.name), noted=noted, watches_effects=has_effects)
    collector = OutcomeCollector() if noted else None
    async with receiving(spec) as (spec, receiver):
        with _raw_log(spec) as log:
            effects, export = await watch_of(spec, receiver), export_of(spec)
            watching = await asyncio.to_thread(watching_of, spec.scenario.watch)
            run = Run(
                spec,
                launcher,
                per_event=PerEvent(
                    raw=log.add if log is not None else None,
                    outcomes=collector.add if collector is not None else None,
                    deliveries=effects.add_deliveries if effects is not None else None,
                    spans=export.add_spans if export is not None else None,
                ),
                on_cells=export.add_cells if export is not None else None,
            )
            async with watch(run), looking(effects, run), exporting(export, run), watched(watching, run):
                await _register(receiver, run)
                try:
                    result, broken = await run.execute(), None
                except BrokenRunError as error:
                    result, broken = error.result, error
                directory = await asyncio.to_thread(keep, result, spec)
                with _kept_in(directory):
                    files, unwritten = await asyncio.to_thread(_keep_events, collector, log, spec, directory)
                    result = await _joined(result, run, receiver, collector)
                    result = await with_effects(result, effects, run, wait=broken is None and not run.interrupted)
                    result = await with_watches(_counted(result, receiver), watching, run)
                    outcome = await asyncio.to_thread(conclude, result, spec, directory)
                    if (problem := broken or unwritten) is not None:
                        raise problem
            return replace(outcome, files=(*outcome.files, *files))


@contextlib.contextmanager
def _kept_in(directory: Path) -> Iterator[None]:
    """Context in which an error names the directory of the stored result. Raises LoadsimError in one line."""
    try:
        yield
    except Exception as error:
        located = LoadsimError(f"{own_fault(error)}; the measurements so far are saved in {directory}/")
        located.exit_code = error.exit_code if isinstance(error, LoadsimError) else located.exit_code
        raise located from error


async def _joined(
    result: RunResult, run: Run, receiver: RunningReceiver | None, collector: OutcomeCollector | None
) -> RunResult:
    """The result with the generator's limits and the reconciliation added."""
    result = msgspec.structs.replace(result, generator_limits=known_limits(result.environment))
    if collector is None or not run.spec.scenario.has_ledger:
        return result
    noted = await asyncio.to_thread(collector.outcomes)
    read = _ledger(run.spec, receiver, len(noted.endings))
    if read is None:
        return result
    source = redact_url(run.spec.scenario.target.ledger or "the embedded receiver")
    joined = await reconciled(read, noted, run.plan, source, run.shards)
    return msgspec.structs.replace(result, reconciliation=joined)


def _counted(result: RunResult, receiver: RunningReceiver | None) -> RunResult:
    """The result with the embedded receiver's counts, as they are after the wait for its effects."""
    if receiver is None:
        return result
    stats = receiver.stats()
    counts: dict[str, Any] = msgspec.to_builtins(stats.total)
    if stats.work is not None:
        counts["work"] = msgspec.to_builtins(stats.work)
    if stats.verify is not None:
        counts["verify"] = msgspec.to_builtins(stats.verify)
    return msgspec.structs.replace(result, receiver=counts)


def _keep_events(
    collector: OutcomeCollector | None, log: RawLog | None, spec: RunSpec, directory: Path
) -> tuple[tuple[Path, ...], LoadsimError | None]:
    """The requested files with every event, and the error of the first that could not be written."""
    files, problem = [], None
    try:
        if log is not None:
            files.append(log.keep(directory))
    except LoadsimError as error:
        problem = error
    try:
        if collector is not None and spec.outcomes:
            write_whole(directory / OUTCOMES, dump_outcomes(collector.outcomes(), spec.run_id))
            files.append(directory / OUTCOMES)
    except LoadsimError as error:
        problem = error
    return tuple(files), problem


async def _register(receiver: RunningReceiver | None, run: Run) -> None:
    """Register the run at the ledger before its first event. A failure shows again when the ledger is read."""
    scenario = run.spec.scenario
    try:
        if scenario.target.ledger is not None:
            await register_at(scenario.target.ledger, run.spec.run_id)
        elif receiver is not None and scenario.has_ledger:
            receiver.register(run.spec.run_id)
    except LoadsimError as error:
        run.tell(f"the run could not be registered at the ledger: {error}")


def _ledger(spec: RunSpec, receiver: RunningReceiver | None, events: int) -> ReadLedger | None:
    """A function that reads the receiver's ledger of this run; None without a ledger."""
    scenario = spec.scenario
    if scenario.target.ledger is not None:
        return ledger_at(scenario.target.ledger, spec.run_id, events)
    if receiver is None or not scenario.has_ledger:
        return None

    async def read() -> RunLedger | None:
        return await receiver.ledger_of(spec.run_id)

    return read


@contextlib.contextmanager
def _raw_log(spec: RunSpec) -> Iterator[RawLog | None]:
    """The raw log, if requested, in a temporary place until the run's directory exists; removed on failure."""
    if not spec.raw:
        yield None
        return
    log = RawLog(spec.out / f".{spec.run_id}.raw", spec.plan(), spec.run_id)
    try:
        yield log
    finally:
        log.discard()


def keep(result: RunResult, spec: RunSpec) -> Path:
    """Write the result into a new directory before it is judged."""
    directory = run_directory(spec.out, result.run.id)
    write_whole(directory / RESULT_FILE, dump_result(result))
    return directory


def conclude(result: RunResult, spec: RunSpec, directory: Path) -> LoadOutcome:
    """Judge the result, write it again with the verdict, then its reports."""
    path = directory / RESULT_FILE
    judged = evaluate(result, spec.objectives, spec.scenario.validity, gate=spec.gate, defaults=spec.defaults)
    write_whole(path, dump_result(judged))
    if not spec.drawn:
        return LoadOutcome(judged, directory, (path,))
    # what draws is not imported before the load, which it would delay
    from loadsim.report.report_formats import run_files
    from loadsim.report.run_report import run_report

    report = run_report(judged)
    written = {directory / name: data for name, data in run_files(judged, report).items() if name != RESULT_FILE}
    for place, data in written.items():
        write_whole(place, data)
    return LoadOutcome(judged, directory, (path, *written), report)


@contextlib.asynccontextmanager
async def receiving(spec: RunSpec) -> AsyncIterator[tuple[RunSpec, RunningReceiver | None]]:
    """The run with the URL of its target, and the embedded receiver where that is the target.

    The receiver runs as long as the context. It shares random secrets with the run.
    """
    scenario = spec.scenario
    target = scenario.target
    if target.url != EMBEDDED:
        yield spec, None
        return
    from loadsim.receiver.embedded import start_receiver  # aiohttp's import would delay every other run
    from loadsim.receiver.options import ReceiverOptions

    described = scheme(target.scheme, target.custom)
    secret, old_secret = new_secret(described), new_secret(described) if needs_old_secret(scenario) else None
    behaviour = msgspec.structs.asdict(scenario.receiver) if scenario.receiver is not None else {}
    options = ReceiverOptions(
        **behaviour,
        port=0,
        scheme=target.scheme,
        custom=target.custom,
        public_url=target.public_url,
        retire_ns=retirement_ns(scenario),
    )
    async with await start_receiver(options, secret, old_secret=old_secret) as receiver:
        yield msgspec.structs.replace(spec, secret=secret, old_secret=old_secret, url=receiver.url), receiver


def free_directory(out: Path) -> None:
    """Check before the run that results can be written. Raises LoadsimError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".loadsim-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LoadsimError(f"{out}: no result can be written here: {error.strerror}") from None
