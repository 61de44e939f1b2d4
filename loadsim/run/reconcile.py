"""The receiver's side of a run's books: its ledger over HTTP or of the embedded receiver, or a file of the user's own.

Decides when a ledger is settled (two readings agree), and which column of a file says which event a row is of. What
cannot be read becomes a reason in words; what was counted is joined by `measure.reconcile`.
"""

from __future__ import annotations

import asyncio
import csv
import os
import re
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
from loadsim.measure.delivery_ids import DELIVERY_ID, indexes_of
from loadsim.measure.ledger import MOST_TIMES, Of, RunLedger, decode_ledger
from loadsim.measure.outcomes import FILE as OUTCOMES
from loadsim.measure.outcomes import Ending, Outcomes, load_outcomes
from loadsim.measure.reconcile import reconcile
from loadsim.measure.result import Reconciliation, RunResult
from loadsim.model import LoadsimError, UsageError, is_success
from loadsim.plan import Plan, redact_url
from loadsim.plan.redact import conceal, secrets_in
from loadsim.settings import read_bytes_file

if TYPE_CHECKING:
    from aiohttp import StreamReader

SETTLE_S = 0.2
"""Between two readings: several times what the companion receiver may be behind."""
PATIENCE_S = 20.0
"""How long a ledger may go on changing after the run."""
READ_TIMEOUT_S = 10.0
LEDGER_SPARE, LEDGER_EVENT = 1 << 26, 14
"""Bytes that a ledger may have: for each event of the run its counts and its time in base64, and as many more as the
companion receiver keeps unless told otherwise, since indexes that the run never sent belong there too."""
BATCH = 4096
"""Rows of a file that are looked at together."""
UNKNOWN = frozenset({404, 405, 501})
"""What a ledger answers that is not told of runs before they begin."""
FORMS = (".ndjson", ".jsonl", ".csv")
_DIGITS = 12
"""Hex digits of the index at the end of an event's own id."""
ReadLedger = Callable[[], Awaitable[RunLedger | None]]
"""Reads a ledger once; None where it knows nothing of the run. Raises LoadsimError, in one line."""


# -- a receiver's ledger --------------------------------------------------------------------------------------------


def ledger_at(url: str, run_id: str, events: int) -> ReadLedger:
    """Reads the ledger of a run of so many events that is served at a URL."""
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
                    return decode_ledger(await _whole(answer.content, LEDGER_SPARE + LEDGER_EVENT * events), run_id)
                said = conceal(
                    (await answer.content.read(300)).decode("utf-8", "replace").strip(), secrets_in({}, url=url)
                )
        except TimeoutError:
            raise LoadsimError(f"{shown}: no answer within {READ_TIMEOUT_S:g} s") from None
        except (ClientError, OSError) as error:
            raise LoadsimError(f"{shown}: {_why(error)}") from None
        except ValueError as error:
            raise LoadsimError(f"{shown}: {error}") from None
        raise LoadsimError(f"{shown}: answered {answer.status}" + (f" {said}" if said else ""))

    return read


async def register_at(url: str, run_id: str) -> None:
    """Tell the ledger at a URL that a run begins, as the companion receiver wants it; one that does not know this need
    not. Raises LoadsimError, in one line, where it cannot be told."""
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
        raise LoadsimError(f"{shown}: {_why(error)}") from None
    if status not in UNKNOWN and not is_success(status):
        raise LoadsimError(f"{shown}: answered {status}")


def _why(error: Exception) -> str:
    """What went wrong, in a line; of a connection that was not made, what the system says."""
    of_system = getattr(error, "os_error", None)
    if isinstance(of_system, OSError):
        code = of_system.errno or 0
        return f"cannot be reached: {os.strerror(code).lower() if code > 0 else of_system.strerror or of_system}"
    return str(error) or type(error).__name__


async def _whole(content: StreamReader, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in content.iter_chunked(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise ValueError(f"it is larger than {most >> 20:,} MiB, which no run of this size can need")
    return b"".join(pieces)


async def settled(read: ReadLedger) -> RunLedger | None:
    """The books once two readings agree. Raises LoadsimError, in one line, when they cannot be read or never do."""
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
    """The run's outcomes joined with a ledger; where that cannot be read, why."""
    try:
        books = await settled(read)
    except LoadsimError as error:
        return Reconciliation(source=source, problem=str(error))
    if books is None:
        if (outcomes.ending == Ending.succeeded).any():
            return Reconciliation(
                source=source, problem="it knows nothing of this run, of which events were answered 2xx"
            )
        nothing = np.zeros(0, dtype=np.uint8)
        books = RunLedger("deliveries", nothing, nothing)
    if books.incomplete:
        return Reconciliation(source=source, problem=f"it is not whole: {books.incomplete}")
    return await asyncio.to_thread(reconcile, outcomes, books, source, ordered=in_order(plan, shards))


def in_order(plan: Plan, shards: int) -> bool:
    """Whether events were due in the order of their indexes: not where several shards each go at their own pace, and
    not where indexes of open phases, which come first, lie behind a closed one."""
    models = [phase.model for phase in plan.phases]
    return set(models) == {"open"} or (set(models) == {"closed"} and shards == 1)


# -- a file of the user's own ---------------------------------------------------------------------------------------


@dataclass
class Rows:
    """What a file of the user's own says. Indexes are in the order of the rows."""

    books: RunLedger
    by_body: bool
    """Events were known by their own ids, and not by the trace header."""
    rows: int = 0
    others: int = 0
    """Rows of other runs, or whose id is of no form that a run's events have."""
    beyond: int = 0
    """Rows of events that this run cannot have sent: it had not so many."""
    example: str = field(default="")
    """The first of those ids."""


def read_rows(path: Path, id_field: str, *, run: str, seed: int, types: Iterable[str], events: int, of: Of) -> Rows:
    """The books in an NDJSON or CSV file, a row for each delivery or effect of a run of so many events.

    Raises UsageError, in one line, for a file that cannot be read or in which no row is of this run.
    """
    if path.suffix.lower() not in FORMS:
        raise UsageError(f"{path}: its name ends in none of {', '.join(FORMS)}")
    prefixes = {prefix.encode() for name in types for prefix in id_prefixes(name, seed)}
    count = _Count(run.encode(), prefixes, events)
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
        seen = f'; the first is "{count.example}"' if count.example else ""
        raise UsageError(f"{path}: none of its {count.rows:,} rows has an id of run {run} in {id_field}{seen}")
    books = RunLedger(of, count.times, count.times, count.place)
    others = count.rows - count.known
    return Rows(books, count.by_body, count.rows, others, count.beyond, count.example)


class _Count:
    """How often each index stands in a file, and where first."""

    def __init__(self, run: bytes, prefixes: set[bytes], events: int) -> None:
        self._run, self._prefixes = run, prefixes
        self.times = np.zeros(events, dtype=np.uint8)
        self.place = np.zeros(events, dtype=np.float64)
        self.rows = self.known = self.beyond = 0
        self.by_body = False
        self.example = ""

    def add(self, ids: list[bytes]) -> None:
        """More rows, in order."""
        start = self.rows
        self.rows += len(ids)
        found = indexes_of(ids, self._run)
        if found is None:
            found = np.array([self._index(text) for text in ids], dtype=np.int64)
        self.known += int(np.count_nonzero(found >= 0))
        self.beyond += int(np.count_nonzero(found >= len(self.times)))
        where = np.flatnonzero((found >= 0) & (found < len(self.times)))
        index, first, times = np.unique(found[where], return_index=True, return_counts=True)
        new = self.times[index] == 0
        self.place[index[new]] = start + 1 + where[first[new]]
        self.times[index] = np.minimum(self.times[index].astype(np.int64) + times, MOST_TIMES)

    def _index(self, text: bytes) -> int:
        if text[:-_DIGITS] in self._prefixes and _HEX.fullmatch(text, len(text) - _DIGITS):
            self.by_body = True
            return int(text[-_DIGITS:], 16)
        delivery_id = DELIVERY_ID.fullmatch(text)
        if delivery_id is not None and delivery_id[1] == self._run:
            return int(delivery_id[2])
        self.example = self.example or text.decode("utf-8", "replace")[:80]
        return -1


_HEX = re.compile(rb"[0-9a-f]{12}")


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
        raise UsageError(f"{where}: {id_field} is no text")
    return node.encode("utf-8", "replace")


def _inside(node: Any, step: str) -> Any:
    """What an object or a list holds under a name or a number; None where it holds nothing there."""
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
    """A stored run joined with a file of the user's own, and what a reader should know of the file.

    Raises UsageError where the run's outcomes were not kept, or the file cannot be used.
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
    joined = reconcile(outcomes, rows.books, received.name, ordered=ordered, by_body=rows.by_body)
    joined = msgspec.structs.replace(joined, never_sent=(joined.never_sent or 0) + rows.beyond)
    notes = []
    if rows.others:
        notes.append(f"{rows.others:,} of {rows.rows:,} rows are of no event of this run; the first: {rows.example}")
    if any(shard.lost for shard in result.shards):
        notes.append("a generator process was lost in this run: what it sent last stands as never sent")
    return joined, notes
