"""Which delivery of an event is made again, with the times that it bore, as far as the raw log and the plan tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from loadsim.error_kinds import ErrorKind
from loadsim.model import NS_PER_MS, UsageError, counted
from loadsim.outcome_codes import ERROR_BASE
from loadsim.plan import RunSpec

Row = dict[str, Any]
"""A line of the raw log."""
Basis = Literal["epoch", "sent", "due", "start"]
"""What the time of a request is: exactly by `--epoch`, or when it was sent, due, or the run began."""


class SignedAt(NamedTuple):
    """The time of a request, ns since 1970, and what it is."""

    wall_ns: int
    basis: Basis
    bytes_out: int | None = None
    """The size that was sent, where that is known."""
    earlier_ns: int | None = None
    """By how much earlier it was made, at most; None where that is not known."""


class Retried(NamedTuple):
    """What an event under a retry profile bears beside the time of its signature."""

    born_ns: int
    """The time in its body, ns since 1970: when it was due, in every attempt alike."""
    code_before: int
    """The outcome code of the attempt before; 0: there was none, or it is not known."""
    known: bool
    """Whether the raw log has the attempt."""


class Chosen(NamedTuple):
    """One delivery of an event. `retried`: None where the run retries no such event."""

    attempt: int
    at: SignedAt
    retried: Retried | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is known of an event's deliveries. `due_ns`: by plan, since the start of the run; None in a closed phase.
    `started_ns`: since 1970. `rows`: of the raw log. `retries`: whether the run delivers such events again."""

    index: int
    due_ns: int | None
    started_ns: int
    rows: Sequence[Row]
    retries: bool


def chosen(spec: RunSpec, event: Delivered, attempt: int) -> Chosen:
    """The delivery number `attempt` of an event. Raises UsageError where it is known that there was none."""
    _check(event, attempt)
    rows = {row["attempt"]: row for row in event.rows if row["attempt"]}
    at = _signed_at(spec, event, attempt, rows)
    if not event.retries or event.due_ns is None:
        return Chosen(attempt, at)
    born_ns = _started_ns(event, rows) + event.due_ns if spec.epoch_ns is None else spec.epoch_ns + event.due_ns
    return Chosen(attempt, at, Retried(born_ns, _code(rows.get(attempt - 1)), attempt in rows))


def _check(event: Delivered, attempt: int) -> None:
    if attempt > 1 and not event.retries:
        raise UsageError(
            f"event {event.index:,} has no attempt {attempt:,}: the run does not deliver such events again"
        )
    made = max((row["attempt"] for row in event.rows), default=attempt)
    if attempt > max(1, made):
        raise UsageError(
            f"event {event.index:,} has no attempt {attempt:,}: the raw log has {counted(made, 'attempt')} of it"
        )


def _signed_at(spec: RunSpec, event: Delivered, attempt: int, rows: dict[int, Row]) -> SignedAt:
    row = rows.get(attempt)
    due_ns = event.due_ns
    if spec.epoch_ns is not None:  # see Arrivals.planned_time
        if due_ns is None:
            return SignedAt(spec.epoch_ns + event.index * NS_PER_MS, "epoch")
        if attempt == 1:
            return SignedAt(spec.epoch_ns + due_ns, "epoch")
        if row is not None:
            return SignedAt(spec.epoch_ns + row["due_ns"] - _started_ns(event, rows), "epoch")
        return SignedAt(spec.epoch_ns + due_ns, "due")
    if row is not None and row["sent_ns"]:
        return SignedAt(row["sent_ns"], "sent", row["bytes_out"], _earlier_ns(row))
    if row is not None and attempt > 1:
        return SignedAt(row["due_ns"], "due")
    return SignedAt(event.started_ns, "start") if due_ns is None else SignedAt(event.started_ns + due_ns, "due")


def _earlier_ns(row: Row) -> int | None:
    """A request is made once its connection is ready."""
    ready = row.get("ready_ns") or row.get("slot_ns")
    return row["sent_ns"] - ready if ready else None


def _started_ns(event: Delivered, rows: dict[int, Row]) -> int:
    """The start of the run: exactly by the first attempt, since the result has it in milliseconds."""
    first = rows.get(1)
    return event.started_ns if first is None or event.due_ns is None else first["due_ns"] - event.due_ns


def _code(row: Row | None) -> int:
    """The outcome code of an attempt, by its line."""
    if row is None:
        return 0
    if row["code"]:
        return int(row["code"])
    return ERROR_BASE + ErrorKind[row["error"]] if row["error"] in ErrorKind.__members__ else 0
