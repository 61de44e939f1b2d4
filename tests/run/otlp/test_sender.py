"""The thread that sends: nobody waits for it, the latest figures win, and all that is lost is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from loadsim.measure.hdr import Ints
from loadsim.run.otlp.sender import MOST_ROWS, Sender

PATIENCE_S = 60


class Taken:
    """A collector that keeps what it gets. Its answers wait for `gate`."""

    def __init__(self, why: str = "") -> None:
        self.why = why
        self.figures: list[int] = []
        self.rows: list[int] = []
        self.failed: list[str] = []
        self.begun, self.gate, self.ended = (threading.Event() for _ in range(3))
        self.gate.set()

    def take_figures(self, figures: int) -> str:
        self.begun.set()
        assert self.gate.wait(PATIENCE_S)
        self.figures.append(figures)
        return self.why

    def take_rows(self, rows: Ints) -> str:
        self.rows += rows.tolist()
        return self.why

    def sender(self) -> Sender[int]:
        made = Sender(self.take_figures, self.take_rows, self.failed.append, self.ended.set)
        made.start()
        return made


def rows(*numbers: int) -> Ints:
    return np.array(numbers, dtype=np.int64)


def test_everything_is_sent_before_the_end() -> None:
    taken = Taken()
    sender = taken.sender()
    sender.add(rows(1, 2))
    sender.add(rows(3))
    sender.offer(7)
    sender.close()
    assert taken.ended.wait(PATIENCE_S)
    assert (taken.figures, taken.rows, taken.failed) == ([7], [1, 2, 3], [])
    assert (sender.sent, sender.failures, sender.unsent_rows, sender.why) == (3, 0, 0, "")


def test_a_slow_collector_gets_the_latest_figures_and_costs_the_rest() -> None:
    taken = Taken()
    taken.gate.clear()
    sender = taken.sender()
    sender.offer(0)
    assert taken.begun.wait(PATIENCE_S)
    most = MOST_ROWS // 2
    for number in range(1, most + 3):  # nobody waits for it
        sender.offer(number)
        sender.add(rows(number, number))
    assert sender.unsent_rows == 2 * (most + 2)
    taken.gate.set()
    sender.close()
    assert taken.ended.wait(PATIENCE_S)
    assert taken.figures == [0, most + 2]
    assert taken.rows == [number for number in range(1, most + 1) for _ in range(2)]
    assert sender.unsent_rows == 2 * 2


def _raises(_: object) -> str:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("fails", "why"), [(lambda _: "it answered 503", "it answered 503"), (_raises, "input/output error")]
)
def test_failures_are_said_once_and_counted(fails: Callable[[object], str], why: str) -> None:
    said: list[str] = []
    ended = threading.Event()
    sender: Sender[int] = Sender(fails, fails, said.append, ended.set)
    sender.start()
    sender.offer(1)
    sender.add(rows(1, 2, 3))
    sender.add(rows(4))
    sender.close()
    assert ended.wait(PATIENCE_S)
    assert said == [why]
    assert (sender.sent, sender.failures, sender.unsent_rows, sender.why) == (0, 3, 4, why)
