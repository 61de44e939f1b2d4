"""Reads a receiver's ledger of a run (over HTTP, of the embedded receiver, or from a user's file) and joins it.

A ledger is final when two readings agree. `measure.reconcile` joins it with the run's outcomes. A ledger that cannot be
read gives a reconciliation with the reason.
"""

from __future__ import annotations

import asyncio
import csv
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
import numpy as np
import orjson

from loadsim.events import id_prefixes
from loadsim.input_files import read_bytes_file
from loadsim.measure.event_ids import EventIds
from loadsim.measure.event_outcomes import FILE as OUTCOMES
from loadsim.measure.event_outcomes import Ending, Outcomes, load_outcomes
from loadsim.measure.ledger_document import MOST_TIMES, Of, RunLedger, decode_ledger
from loadsim.measure.reconcile import reconcile
from loadsim.measure.result import RunResult
from loadsim.measure.result_deliveries import Reconciliation
from loadsim.model import LoadsimError, UsageError, counted
from loadsim.outcome_codes import is_success
from loadsim.plan import Plan, redact_url
from loadsim.plan.redact import conceal, secrets_in

if TYPE_CHECKING:
    from aiohttp import StreamReader

SETTLE_S = 0.2
"""Time between two readings: several times the delay of the companion receiver's ledger."""
PATIENCE_S = 20.0
"""Longest time that a ledger may change after the run."""
READ_TIMEOUT_S = 10.0
LEDGER_SPARE, LEDGER_EVENT = 1 << 26, 14
"""Largest size of a ledger in bytes: for each event its counts and time in base64, and room for the companion
receiver's default limit, since a ledger may have indexes that the run never sent."""
BATCH = 4096
"""Rows of a file that are processed together."""
UNKNOWN = frozenset({404, 405, 501})
"""Statuses of a ledger at which runs need not be registered."""
FORMS = (".ndjson", ".jsonl", ".csv")
ReadLedger = Callable[[], Awaitable[RunLedger | None]]
"""Reads a ledger once; None where it has no entry for the run. Raises LoadsimError, in one line."""


# -- a receiver's ledger --------------------------------------------------------------------------------------------


def ledger_at(url: str, run_id: str, events: int) -> ReadLedger:
    """A function that reads the ledger of a run of `events` events at a URL."""
    from aiohttp import ClientError, ClientSession, ClientTimeout

    whole = f"{url}{'&' if '?' in url else '?'}{urlencode({'run': run_id})}"
    shown = redact_url(url)

    async def read() -> RunLedger | None:
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=READ_TIMEOUT_S)) as session,
                session.get(whole, allow_redirects=False) as answer,
            ):
                if answer.status == 200:
                    return decode_ledger(await whole_body(answer.content, LEDGER_SPARE + LEDGER_EVENT * events), run_id)
                said = conceal(
                    (await answer.content.read(300)).decode("utf-8", "replace").strip(), secrets_in({}, url=url)
                )
        except TimeoutError:
            raise LoadsimError(f"{shown}: no answer within {READ_TIMEOUT_S:g} s") from None
        except (ClientError, OSError) as error:
            raise LoadsimError(f"{shown}: {why_unreadable(error)}") from None
        except ValueError as error:
            raise LoadsimError(f"{shown}: {error}") from None
        raise LoadsimError(f"{shown}: answered {answer.status}" + (f" {said}" if said else ""))

    return read


async def register_at(url: str, run_id: str) -> None:
    """Register a run at the ledger at a URL, as the companion receiver needs it; other ledgers may not know this.

    Raises LoadsimError, in one line, where it fails.
    """
    from aiohttp import ClientError, ClientSession, ClientTimeout

    parts = urlsplit(url)
    whole = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/runs/{run_id}"))
    shown = redact_url(url)
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=READ_TIMEOUT_S)) as session,
            session.put(whole, allow_redirects=False) as answer,
        ):
            status = answer.status
    except TimeoutError:
        raise LoadsimError(f"{shown}: no answer within {READ_TIMEOUT_S:g} s") from None
    except (ClientError, OSError, ValueError) as error:
        raise LoadsimError(f"{shown}: {why_unreadable(error)}") from None
    if status not in UNKNOWN and not is_success(status):
        raise LoadsimError(f"{shown}: answered {status}")


def why_unreadable(error: Exception) -> str:
    """The error in one line; for a failed connection, the system's reason."""
    of_system = getattr(error, "os_error", None)
    if isinstance(of_system, ssl.SSLError):
        reason = getattr(of_system, "verify_message", "") or of_system.reason or "no reason given"
        return f"cannot be reached: TLS failed: {reason.replace('_', ' ').lower()}"
    if isinstance(of_system, OSError):
        code = of_system.errno or 0
        return f"cannot be reached: {os.strerror(code).lower() if code > 0 else of_system.strerror or of_system}"
    return str(error) or type(error).__name__


async def whole_body(content: StreamReader, most: int, why: str = "a run of this size needs") -> bytes:
    """The body. Raises ValueError where it has more bytes than `most`, and than `why`."""
    pieces, size = [], 0
    async for piece in content.iter_chunked(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise ValueError(f"it is larger than {most >> 20:,} MiB, which is more than {why}")
    return b"".join(pieces)


async def settled(read: ReadLedger) -> RunLedger | None:
    """The ledger once two readings agree. Raises LoadsimError, in one line, where it cannot be read, or they never
    do."""
    deadline = time.monotonic() + PATIENCE_S
    before = await read()
    while time.monotonic() < deadline:
        await asyncio.sleep(SETTLE_S)
        now = await read()
        if (before is None and now is None) or (before is not None and now is not None and before.same(now)):
            return now
        before = now
    raise LoadsimError(f"it still changed {PATIENCE_S:g} s after the run")


async def reconciled(read: ReadLedger, outcomes: Outcomes, plan: Plan, source: str, shards: int) -> Reconciliation:
    """The run's outcomes joined with a ledger, or the reason why it cannot be read."""
    try:
        ledger = await settled(read)
    except LoadsimError as error:
        return Reconciliation(source=source, problem=str(error))
    if ledger is None:
        if (outcomes.ending == Ending.succeeded).any():
            return Reconciliation(
                source=source, problem="it has no entry for this run, although events were answered 2xx"
            )
        nothing = np.zeros(0, dtype=np.uint8)
        ledger = RunLedger("deliveries", nothing, nothing)
    if ledger.incomplete:
        return Reconciliation(source=source, problem=f"it is not complete: {ledger.incomplete}")
    return await asyncio.to_thread(reconcile, outcomes, ledger, source, ordered=in_order(plan, shards))


def in_order(plan: Plan, shards: int) -> bool:
    """Whether events were due in the order of their indexes: not for a closed run of several shards, and not where a
    run has open and closed phases, since the indexes of open phases come first."""
    models = [phase.model for phase in plan.phases]
    return set(models) == {"open"} or (set(models) == {"closed"} and shards == 1)


# -- a file of the user's own ---------------------------------------------------------------------------------------


@dataclass
class Rows:
    """The content of a user's file, as a ledger. Places are in the order of the rows."""

    ledger: RunLedger
    by_body: bool
    """Events were identified by their own ids, and not by X-Loadsim-Id."""
    rows: int = 0
    others: int = 0
    """Number of rows of other runs, or with an id that no event of a run has."""
    beyond: int = 0
    """Number of rows with an index above those of this run."""
    example: str = field(default="")
    """The first of those ids."""


def read_rows(path: Path, id_field: str, *, run: str, seed: int, types: Iterable[str], events: int, of: Of) -> Rows:
    """The ledger in an NDJSON or CSV file, with a row for each delivery or effect of a run of `events` events.

    Raises UsageError, in one line, for a file that cannot be read or without a row of this run.
    """
    if path.suffix.lower() not in FORMS:
        raise UsageError(f"{path}: its name must end in one of {', '.join(FORMS)}")
    count = _Count(ids_of_run(run, seed, types), events)
    try:
        ids = _csv_ids(path, id_field) if path.suffix.lower() == ".csv" else _json_ids(path, id_field)
        batch: list[bytes] = []
        for text in ids:
            batch.append(text)
            if len(batch) == BATCH:
                count.add(batch)
                batch = []
        count.add(batch)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    if not count.known and count.rows:
        seen = f'; the first is "{count.ids.example}"' if count.ids.example else ""
        raise UsageError(f"{path}: none of {counted(count.rows, 'row')} has an id of the run {run} in {id_field}{seen}")
    ledger = RunLedger(of, count.times, count.times, count.place)
    others = count.rows - count.known
    return Rows(ledger, count.ids.by_body, count.rows, others, count.beyond, count.ids.example)


def ids_of_run(run: str, seed: int, types: Iterable[str]) -> EventIds:
    """The ids that name events of a run: `types` of events, with its seed."""
    return EventIds(run.encode(), {prefix.encode() for name in types for prefix in id_prefixes(name, seed)})


class _Count:
    """Counts how often each index occurs in a file, and where first."""

    def __init__(self, ids: EventIds, events: int) -> None:
        self.ids = ids
        self.times = np.zeros(events, dtype=np.uint8)
        self.place = np.zeros(events, dtype=np.float64)
        self.rows = self.known = self.beyond = 0

    def add(self, ids: list[bytes]) -> None:
        """More rows, in order."""
        start = self.rows
        self.rows += len(ids)
        found = self.ids.indexes(ids)
        self.known += int(np.count_nonzero(found >= 0))
        self.beyond += int(np.count_nonzero(found >= len(self.times)))
        where = np.flatnonzero((found >= 0) & (found < len(self.times)))
        index, first, times = np.unique(found[where], return_index=True, return_counts=True)
        new = self.times[index] == 0
        self.place[index[new]] = start + 1 + where[first[new]]
        self.times[index] = np.minimum(self.times[index].astype(np.int64) + times, MOST_TIMES)


def _json_ids(path: Path, id_field: str) -> Iterator[bytes]:
    steps = id_field.split(".")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise UsageError(f"{path}: line {number}: not JSON: {error}") from None
            yield _text_at(row, id_field, steps, f"{path}: line {number}")


def _text_at(row: Any, id_field: str, steps: list[str], where: str) -> bytes:
    node: Any = row.get(id_field) if isinstance(row, dict) else None
    for step in steps if node is None else ():
        row = _inside(row, step)
        if row is None:
            raise UsageError(f"{where}: it has no {id_field}")
        node = row
    if not isinstance(node, str):
        raise UsageError(f"{where}: {id_field} is not a string")
    return node.encode("utf-8", "replace")


def _inside(node: Any, step: str) -> Any:
    """The value of an object or list at a key or index; None where there is none."""
    if isinstance(node, dict):
        return node.get(step)
    if isinstance(node, list) and step.isdecimal() and int(step[:9]) < len(node):
        return node[int(step[:9])]
    return None


def _csv_ids(path: Path, id_field: str) -> Iterator[bytes]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(file)
        try:
            header = next(rows, [])
            if id_field not in header:
                known = f"only {', '.join(header)}" if header else "and no header line"
                raise UsageError(f"{path}: it has no column {id_field}, {known}")
            column = header.index(id_field)
            for row in rows:
                if row:
                    if len(row) <= column:
                        raise UsageError(f"{path}: line {rows.line_num}: it has no {id_field}")
                    yield row[column].encode("utf-8", "replace")
        except csv.Error as error:
            raise UsageError(f"{path}: line {rows.line_num}: {error}") from None


def reconciled_with_file(
    result: RunResult, directory: Path, received: Path, id_field: str, *, of: Of
) -> tuple[Reconciliation, list[str]]:
    """A stored run joined with a user's file, and notes about the file.

    Raises UsageError where the run's outcomes were not saved, or the file cannot be used.
    """
    run = result.run
    kept = directory / OUTCOMES
    if not kept.exists():
        raise UsageError(f"{directory}: it has no {OUTCOMES}: reconciling needs a run that was made with --outcomes")
    try:
        outcomes = load_outcomes(read_bytes_file(kept), run.id)
    except ValueError as error:
        raise UsageError(f"{kept}: {error}") from None
    events = len(outcomes.endings)
    rows = read_rows(received, id_field, run=run.id, seed=run.seed, types=result.by_event, events=events, of=of)
    ordered = run.model == "open" or run.workers == 1
    joined = reconcile(outcomes, rows.ledger, received.name, ordered=ordered, by_body=rows.by_body)
    joined = msgspec.structs.replace(joined, never_sent=(joined.never_sent or 0) + rows.beyond)
    notes = []
    if rows.others:
        notes.append(f"{rows.others:,} of {rows.rows:,} rows belong to no event of this run; the first: {rows.example}")
    if any(shard.lost for shard in result.shards):
        notes.append("a generator process was lost in this run: its last events count as never sent")
    return joined, notes
