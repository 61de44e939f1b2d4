"""One shard process: plan in on stdin, frames out on stdout.

File descriptor 1 is used for frames only (other prints go to stderr). The parent sends `stop`; the end of stdin means
that it is gone. A full pipe never blocks the load loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import math
import os
import select
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, TypedDict

import msgspec
import numpy as np

from loadsim import __version__
from loadsim.cases import REUSING, request_maker
from loadsim.compiled_step import step
from loadsim.engine.acknowledgements import Acknowledgements
from loadsim.engine.delivery_headers import delivery_headers
from loadsim.engine.descriptor_limit import raise_descriptor_limit
from loadsim.engine.engine import Engine
from loadsim.engine.messages import (
    Assignment,
    Failed,
    Frame,
    FromShard,
    Last,
    Ready,
    Start,
    Stop,
    ToShard,
    encode,
    read_message,
    spec_of,
    to_shard,
)
from loadsim.engine.outcome_notes import OutcomeNotes
from loadsim.engine.pacer import best_pacer, monotonic_ns
from loadsim.engine.policies_of_plan import policies_of
from loadsim.engine.raw_log_rows import RawRows
from loadsim.engine.recorder import Recorder
from loadsim.engine.resolved_endpoint import resolve
from loadsim.engine.sampled_rows import MOST_A_SECOND, SampledRows
from loadsim.engine.silence_clock import LOOK_NS
from loadsim.engine.transport_choice import direct_transport, make_transport
from loadsim.events import catalogue
from loadsim.exit_codes import Exit
from loadsim.measure.effect_book import Flag
from loadsim.measure.event_outcomes import flags_of
from loadsim.measure.hdr import Ints
from loadsim.measure.named_events import NamedEvents
from loadsim.measure.pauses import Pauses
from loadsim.measure.result_events import SampleRow
from loadsim.measure.tally import Tally
from loadsim.measure.window_counts import recording_ends
from loadsim.measure.without_generator_tally import LatenessTally
from loadsim.model import NS_PER_S, LoadsimError, UsageError
from loadsim.plan import Plan, RunSpec
from loadsim.plan.providers import DEADLINES_NS
from loadsim.plan.redact import conceal, secrets_in
from loadsim.signing import scheme_names


class _Share(TypedDict):
    """Which part of the plan the shard has, and what its events are dated by."""

    shard: int
    shards: int
    epoch_ns: int | None


WithKeys = Callable[[RunSpec], RunSpec]
"""Adds the secrets of a run from the shard's host. Raises UsageError that explains what to set there."""


def prepare() -> None:
    """Read and import, before the plan is known, what nearly every plan needs."""
    catalogue()
    scheme_names()
    importlib.import_module("numpy.random")
    if hasattr(select, "epoll"):
        with contextlib.suppress(UsageError):  # it is said when the plan is known
            direct_transport()


def run_shard(with_keys: WithKeys) -> int:
    """Run one shard over this process's stdin and stdout; the exit code is 0 unless it failed.

    `with_keys` is asked where the run brings no secret.
    """
    frames = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    if sys.platform == "win32":
        return asyncio.run(_serve(frames, with_keys))
    import uvloop

    return uvloop.run(_serve(frames, with_keys))


async def _serve(frames: BinaryIO, with_keys: WithKeys) -> int:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, frames)

    def say(message: FromShard) -> None:
        if not writer.is_closing():
            writer.write(encode(message))

    try:
        data = await read_message(reader)
        if data is None:
            return Exit.ok
        message = to_shard.decode(data)
        if not isinstance(message, Assignment):
            raise LoadsimError("the first message must be the plan")
        await ShardRun(message, reader, say, with_keys).run()
    except LoadsimError as error:
        say(Failed(str(error), error.exit_code))
        return Exit.error
    finally:
        await _flush(writer)
    return Exit.ok


async def _flush(writer: asyncio.WriteTransport) -> None:
    """Let what is buffered go out, as long as anyone reads."""
    while writer.get_write_buffer_size() and not writer.is_closing():  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.001)
    writer.close()


class ShardRun:
    """The shard between its plan and its last frame."""

    def __init__(
        self, message: Assignment, reader: asyncio.StreamReader, say: Callable[[FromShard], None], with_keys: WithKeys
    ) -> None:
        self._message = message
        self._with_keys = with_keys
        self._reader = reader
        self._call = say
        self._seq = 0
        self._start_ns = 0

    async def run(self) -> None:
        """Get ready, wait for the start, fire, report."""
        spec, message = spec_of(self._message), self._message
        if spec.secret is None:
            spec = self._with_keys(spec)
        loop = asyncio.get_running_loop()
        self._frame_s = spec.frame_s
        self._plan = plan = spec.plan()
        target = plan.scenario.target
        keys = (spec.secret, spec.old_secret, spec.key_password)
        self._secrets = secrets_in(target.headers, spec.hidden, url=target.url, keys=keys)
        connections = max([target.connections, *(p.connections or 0 for p in plan.phases)])
        allowed = raise_descriptor_limit(-(-connections // message.shards))
        maker = request_maker(spec)
        wire = resolve(target, key_password=spec.key_password)
        headers = delivery_headers(spec, message.shards)
        self._transport = transport = make_transport(loop, target, wire, headers, message.shard)
        self._call(Ready(socket.gethostname(), os.getpid(), __version__, allowed, step is not None))
        begin = await self._next_start()
        if begin is None:
            return
        self._start_ns = begin.at_ns + begin.ahead_ns + _clock_offset_ns()
        ends = [plan.phases[plan.unpack(stratum)[0]].end_ns for stratum in range(plan.strata)]
        paced = any(phase.model == "open" for phase in plan.phases)
        recording = recording_ends([(phase.start_ns, phase.end_ns, phase.record) for phase in plan.phases])
        tally = Tally(
            plan.strata,
            self._start_ns,
            [-1 if end is None else end for end in ends],
            recording_ends=[-1 if (end := recording[plan.unpack(s)[0]]) is None else end for s in range(plan.strata)],
            paced=paced,
            deadlines=DEADLINES_NS,
        )
        self._raw = RawRows(begin.at_ns - self._start_ns) if spec.raw else None
        self._notes = OutcomeNotes(outcome_flags(plan)) if spec.noted else None
        self._deliveries = None
        if spec.watches_effects:
            self._deliveries = Acknowledgements(effect_flags(plan), begin.at_ns - self._start_ns)
        self._named = named_events(plan, self._start_ns)
        self._spans = None
        if spec.sends_spans and headers.traces is not None:
            most = math.ceil(MOST_A_SECOND * spec.frame_s / message.shards)
            self._spans = SampledRows(headers.traces, plan.copied, begin.at_ns - self._start_ns, most)
        optional = (self._raw, self._notes, self._deliveries, self._spans)
        logs = [self._named, *(log for log in optional if log is not None)]
        self._pauses = Pauses(plan.scenario.validity.lag)
        self._lateness = LatenessTally(self._start_ns, target.timeout, self._pauses.disturbed)
        self._recorder = Recorder(tally, logs, self._lateness)
        share: _Share = {"shard": message.shard, "shards": message.shards, "epoch_ns": spec.epoch_ns}
        self._policies = policies = policies_of(plan, maker, best_pacer(loop), **share)
        self._engine = Engine(
            plan,
            maker,
            transport,
            self._recorder,
            policies.pacer,
            policies=policies.all,
            gatherer=policies.volleys,
            pauses=self._pauses,
            **share,
        )
        await self._fire(loop)

    async def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        gc.collect()
        gc.freeze()
        if not self._transport.makes_cycles:
            gc.disable()  # there is nothing for the cyclic collector to find, so it would only cost pauses
        offset = max(0, monotonic_ns() - self._start_ns)
        tasks = [loop.create_task(self._listen()), loop.create_task(self._tick())]
        for task in tasks:
            task.add_done_callback(self._engine.fail_with)
        loop.set_exception_handler(self._on_unhandled)
        try:
            await self._engine.run(self._start_ns)
        finally:
            loop.set_exception_handler(None)
            for task in tasks:
                task.cancel()
            _, of_frames = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(of_frames, Exception):  # what that frame had counted is gone
            raise of_frames
        self._call(Last(self._frame(), offset, self._engine.stopped_ns))

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What the loop calls for an unhandled error. One that passed through our code, in a callback or a task, ends
        the run: it may be that of the timer, which nothing would arm again. From others a library goes on, and the loop
        reports them."""
        error = context.get("exception")
        if error is None or not _is_ours(error) or not self._engine.fail(error):
            loop.default_exception_handler(context)

    async def _next_start(self) -> Start | None:
        while (message := await self._hear()) is not None:
            if isinstance(message, Start):
                return message
            if isinstance(message, Stop):
                return None
        return None

    async def _listen(self) -> None:
        while (message := await self._hear()) is not None:
            if isinstance(message, Stop):
                self._engine.stop(drain=message.drain)
        self._engine.stop(drain=False)  # the parent is gone: the load must stop

    async def _hear(self) -> ToShard | None:
        """The parent's next message; None when the pipe has ended, or no message came during the lease."""
        word = asyncio.create_task(read_message(self._reader))
        try:
            look_s = LOOK_NS / NS_PER_S
            for _ in range(math.ceil(self._message.lease_s / look_s)):  # by looks: see `Listening`
                if (await asyncio.wait([word], timeout=look_s))[0]:
                    break
            data = await word if word.done() or not self._message.lease_s else None
        finally:
            word.cancel()
        return None if data is None else to_shard.decode(data)

    async def _tick(self) -> None:
        beat = self._start_ns
        while True:
            beat += int(self._frame_s * 1e9)
            await asyncio.sleep(max(0.0, (beat - monotonic_ns()) / 1e9))
            await self._recorder.fold_in_steps()
            self._call(self._frame())

    def _frame(self) -> Frame:
        engine, recorder = self._engine, self._recorder
        volleys, retries = self._policies.volleys, self._policies.retries
        recorder.fold()
        self._seq += 1
        now = monotonic_ns()
        counts = engine.connection_counts
        return Frame(
            seq=self._seq,
            elapsed_ns=now - self._start_ns,
            planned=list(engine.planned),
            ended=recorder.ended,
            in_flight=engine.in_flight,
            queued=engine.queued,
            connections=counts.open_count,
            connections_peak=counts.open_peak,
            opened=counts.opened,
            connection_rows=engine.connection_rows(),
            saturated_ns=engine.saturated_ns(),
            limit_reached=engine.shortage,
            cpu_s=time.process_time(),
            rss_bytes=_rss_bytes(),
            away_ns=self._pauses.away_ns,
            queued_ns=_queued_ns(),
            tally=recorder.tally.drain(),
            lateness=self._lateness.drain(*self._pauses.take(now)),
            samples=[self._sample(sample) for sample in engine.take_samples()],
            addresses=engine.addresses(),
            raw=self._raw.take() if self._raw is not None else b"",
            outcomes=self._notes.take() if self._notes is not None else b"",
            deliveries=self._deliveries.take() if self._deliveries is not None else b"",
            spans=self._spans.take() if self._spans is not None else b"",
            named=self._named.take(),
            volleys=volleys.counts if volleys is not None else None,
            retries=retries.counts if retries is not None else None,
        )

    def _sample(self, of: SampleRow) -> SampleRow:
        """An answer with our secrets masked, should it repeat them."""
        headers = [(name, conceal(value, self._secrets)) for name, value in of.headers]
        body, error = conceal(of.body, self._secrets), conceal(of.error, self._secrets)
        return msgspec.structs.replace(of, headers=headers, body=body, error=error)


def outcome_flags(plan: Plan) -> Ints:
    """What reconciliation must know of each stratum: whether a refusal is due, and whether the body is its own."""
    cases = [(False, False), *((case.expect != "accept", case.kind in REUSING) for case in plan.scenario.cases)]
    return flags_of([cases[plan.unpack(stratum)[2]] for stratum in range(plan.strata)])


def named_events(plan: Plan, start_ns: int) -> NamedEvents:
    """What finds the events that the result names."""
    expected = [False, *(case.expect != "accept" for case in plan.scenario.cases)]
    strata = [plan.unpack(stratum) for stratum in range(plan.strata)]
    recorded = [plan.phases[phase].record for phase, _, _ in strata]
    return NamedEvents(start_ns, recorded, [expected[case] for _, _, case in strata], len(plan.cases))


def effect_flags(plan: Plan) -> Ints:
    """What a book of effects must know of each stratum: whether a refusal is due, and whether its phase counts."""
    cases = [0, *(Flag.refusal_due * (case.expect != "accept") for case in plan.scenario.cases)]
    strata = [plan.unpack(stratum) for stratum in range(plan.strata)]
    return np.array([cases[case] | Flag.recorded * plan.phases[phase].record for phase, _, case in strata])


def _is_ours(error: BaseException) -> bool:
    """Whether it passed through our code."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(frame.f_globals.get("__name__", "").startswith("loadsim.") for frame in frames)


def _clock_offset_ns() -> int:
    """Monotonic minus wall clock, from the tightest of a few readings: a process may lose its core between two."""
    pairs = []
    for _ in range(8):
        before, wall, after = monotonic_ns(), time.time_ns(), monotonic_ns()
        pairs.append((after - before, (before + after) // 2 - wall))
    return min(pairs)[1]


def _rss_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - read every second: the short way
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _queued_ns() -> int | None:
    """How long this process was ready to run and had no core (Linux: sched-stats.rst, /proc/PID/schedstat)."""
    try:
        with open("/proc/self/schedstat", "rb") as file:  # noqa: PTH123 - as above
            return int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None
