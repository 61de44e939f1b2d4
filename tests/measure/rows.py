"""Outcome rows for tests: one keyword per column, times in ns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from loadsim.error_kinds import ErrorKind
from loadsim.measure.hdr import Ints
from loadsim.measure.outcome_columns import Column
from loadsim.measure.tally import Tally, TallyDelta
from loadsim.outcome_codes import DROPPED, ERROR_BASE, UNFINISHED

START = 1_000_000_000
"""The start of the run on the rows' clock."""
MS = 1_000_000


def row(**columns: int) -> list[int]:
    """A row with the named columns set, the others 0."""
    assert set(columns) <= set(Column.__members__)
    return [columns.get(name, 0) for name in Column.__members__]


def answered(due: int, service: int, *, stratum: int = 0, code: int = 200, lag: int = 0) -> list[int]:
    """An event due `due` ns after the start, written at once when woken and answered `service` ns later."""
    woken = START + due + lag
    times = {"woken": woken, "slot": woken, "sent": woken, "first_byte": woken + service // 2, "done": woken + service}
    return row(stratum=stratum, code=code, due=START + due, bytes_sent=700, bytes_received=120, **times)


def array(rows: list[list[int]]) -> Ints:
    """Rows as `Tally.fold` takes them."""
    return np.array(rows, dtype=np.int64).reshape(-1, len(Column))


def tallied(
    rows: list[list[int]],
    strata: int = 1,
    ends: list[int] | None = None,
    recording_ends: list[int] | None = None,
    stop: int | None = None,
    deadlines: Sequence[int] = (),
) -> TallyDelta:
    """The delta of one fold of `rows`; `stop`: ns after the start, before the fold."""
    tally = Tally(strata, START, ends or [-1] * strata, recording_ends=recording_ends, deadlines=deadlines)
    if stop is not None:
        tally.stop(START + stop)
    tally.fold(array(rows))
    return tally.drain()


@st.composite
def outcomes(draw: st.DrawFn, strata: int = 6) -> list[int]:
    """Any row that an engine may make."""
    step = st.integers(0, 40 * MS)
    stratum, due = draw(st.integers(0, strata - 1)), START + draw(st.integers(0, 5_000 * MS))
    woken = due + draw(step)
    ends = draw(st.sampled_from(["answer", "error", "unfinished", "dropped", "queued"]))
    if ends == "dropped":
        return row(stratum=stratum, code=DROPPED, due=due, woken=woken, done=woken)
    if ends == "queued":
        return row(stratum=stratum, code=UNFINISHED, due=due, woken=woken, done=woken + draw(step))
    slot = woken + draw(step)
    sent = slot + draw(step) if ends == "answer" or draw(st.booleans()) else 0
    first_byte = sent + draw(step) if ends == "answer" or (sent and draw(st.booleans())) else 0
    done = max(slot, sent, first_byte) + draw(st.one_of(step, st.integers(3_500_000 * MS, 3_700_000 * MS)))
    code = {
        "answer": draw(st.sampled_from([200, 204, 301, 401, 500])),
        "error": ERROR_BASE + draw(st.sampled_from(list(ErrorKind))),
        "unfinished": UNFINISHED,
    }[ends]
    bytes_sent = draw(st.integers(0, 900)) if sent else 0
    return row(
        stratum=stratum, code=code, due=due, woken=woken, slot=slot, sent=sent, first_byte=first_byte, done=done,
        bytes_sent=bytes_sent, bytes_received=draw(st.integers(0, 900)) if first_byte else 0,
    )  # fmt: skip
