"""The thread that sends what a run has to say to its collector: whoever hands something over never waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from loadsim.measure.hdr import Ints
from loadsim.model import own_fault

Figures = TypeVar("Figures")
Batch = TypeVar("Batch")
MOST_ROWS = 2_000
"""Rows that wait, at most: of ten seconds and more. What comes beyond them is lost."""


class Sender(Generic[Figures]):
    """Sends the latest figures, and rows in the batches in which they came.

    `take_figures` and `take_rows` send one batch; they return why it was not taken, else "". `failed` is called from
    the thread with the reason of the first failure. Figures are cumulative: where the collector is slow, only the
    latest are sent.
    """

    def __init__(
        self,
        take_figures: Callable[[Figures], str],
        take_rows: Callable[[Ints], str],
        failed: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        """`ended` is called from the thread when, after `close`, nothing is left to send."""
        self._take_figures, self._take_rows = take_figures, take_rows
        self._failed, self._ended = failed, ended
        self._changed = threading.Condition()
        self._figures: Figures | None = None
        self._batches: list[Ints] = []
        self._closing = False
        self.lost_rows = 0
        self.sent = self.failures = 0
        """Batches of any kind."""
        self.why = ""
        """Why the latest figures were not taken; empty where they were."""

    def start(self) -> None:
        """Begin to send. The thread does not keep the process from ending."""
        threading.Thread(target=self._send_on, name="otlp", daemon=True).start()

    def offer(self, figures: Figures) -> None:
        """Send these figures, in place of earlier ones that still wait."""
        with self._changed:
            self._figures = figures
            self._changed.notify()

    def add(self, rows: Ints) -> None:
        """Send these rows too."""
        with self._changed:
            if sum(map(len, self._batches)) + len(rows) <= MOST_ROWS:
                self._batches.append(rows)
                self._changed.notify()
            else:
                self.lost_rows += len(rows)

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    @property
    def unsent_rows(self) -> int:
        """Rows that the collector did not get, or has not got yet."""
        with self._changed:
            return self.lost_rows + sum(map(len, self._batches))

    def _send_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._batches or self._figures is not None)
                figures, self._figures = self._figures, None
                rows = self._batches[0] if self._batches else None
            if figures is None and rows is None:
                break
            if figures is not None:
                self.why = self._sent(self._take_figures, figures)
            if rows is not None:
                lost = bool(self._sent(self._take_rows, rows))
                with self._changed:
                    self._batches.pop(0)
                    self.lost_rows += lost * len(rows)
        self._ended()

    def _sent(self, take: Callable[[Batch], str], batch: Batch) -> str:
        try:
            why = take(batch)
        except Exception as error:  # noqa: BLE001 - whatever happens here, the run goes on
            why = own_fault(error)
        if not why:
            self.sent += 1
            return ""
        self.failures += 1
        if self.failures == 1:
            self._failed(why)
        return why
