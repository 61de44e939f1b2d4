"""Options of a receiver with their defaults. Contradictory options are refused before any port is bound."""

from __future__ import annotations

import sys
from typing import Any

from loadsim.model import LARGEST_CAPTURE, NS_PER_S, UsageError
from loadsim.plan.receiver_behaviour import ENGINES, Behaviour, Engine
from loadsim.plan.units import Share, Span

__all__ = ["ANY_PATH", "DEFAULT_PATH", "ENGINES", "Engine", "ReceiverOptions", "Share", "Span"]

ANY_PATH = "any"
DEFAULT_PATH = "/webhooks/trackpilots"
DEFAULT_LEDGER_LIMIT = 4_000_000
LARGEST_LEDGER_LIMIT = 50_000_000


class ReceiverOptions(Behaviour, frozen=True, kw_only=True):
    """All options of a receiver except its secret. Durations in ns, sizes in bytes. Raises UsageError."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 = a free port."""
    path: str = DEFAULT_PATH
    """The path that accepts webhooks, or "any"."""
    scheme: str = "trackpilots"
    custom: dict[str, Any] | None = None
    """The description of the scheme "custom"."""
    public_url: str | None = None
    """The URL that senders use, for schemes that sign it; None = the receiver's own."""
    verify: bool = True
    fetch_certificates: bool = False
    """Fetch the provider's certificates that deliveries name, and take these too."""
    tolerance_s: float | None = None
    """None = that of the scheme; 0 turns the check of the timestamp off."""
    retire_ns: int | None = None
    """How long after the first request the old secret, if there is one, is no longer accepted. None = never."""
    fail_rate: float = 0.0
    """Share of the accepted events that are answered with `fail_status`, in addition to those of `fail`."""
    fail_status: int = 500
    admin: tuple[str, int] | None = ("127.0.0.1", 0)
    """Address that serves the counters and the ledger; None = none."""
    admin_names: tuple[str, ...] = ()
    """Host names that requests to it may use, beside addresses and localhost."""
    ledger_limit: int = DEFAULT_LEDGER_LIMIT
    """The ledger keeps events with indexes below this; 0 = no ledger."""
    effects_db: str | None = None
    """A SQLite file that effects are written to."""
    effects_file: str | None = None
    """A file that effects are appended to as JSON lines."""
    capture: str | None = None
    """The file of rows to which accepted deliveries are appended."""
    capture_size: int = LARGEST_CAPTURE
    """Size of a capture's file in bytes, from which on the next file is begun."""
    capture_keep: int | None = None
    """How many files of a capture are kept, the newest ones; None = all."""
    capture_headers: tuple[str, ...] = ()
    """Headers that are captured in addition to those of the content type and of the event's name."""
    redact: tuple[str, ...] = ()
    """The fields of bodies that are blank in a capture, by path."""
    forward: str | None = None
    """The URL of the local server to which deliveries are passed on, and whose answers are passed back."""
    forward_timeout_ns: int = 30 * NS_PER_S
    """How long its answer may take."""
    verbose: bool = False
    """One line per verified event, on stderr."""
    log_json: bool = False
    """One JSON object per verified event, on stdout."""

    def __post_init__(self) -> None:
        for wrong, text in (
            (bool(self.down) and sys.platform != "linux", "down: works on Linux only"),
            (not 0 <= self.port <= 65535, f"port {self.port}: give 0 (a free one) to 65535"),
            (
                self.path != ANY_PATH and not self.path.startswith("/"),
                f"path '{self.path}': it begins with '/', or is '{ANY_PATH}'",
            ),
            (not 0 <= self.fail_rate <= 1, f"fail-rate {self.fail_rate:g}: give a share from 0% to 100%"),
            (not 400 <= self.fail_status <= 599, f"fail-status {self.fail_status}: give 400 to 599"),
            (
                not 0 <= self.ledger_limit <= LARGEST_LEDGER_LIMIT,
                f"ledger-limit {self.ledger_limit:,}: give 0 (no ledger) to {LARGEST_LEDGER_LIMIT:,}",
            ),
            (
                self.process is None and (self.effects_db or self.effects_file) is not None,
                "effects-db and effects-file have no effect without process",
            ),
            (
                self.process is not None and not self.ledger_limit,
                "process: effects are kept of the runs that the ledger knows, so leave out ledger-limit 0",
            ),
            (
                self.capture is None and self._says_of_capture,
                "redact, capture-header, capture-size and capture-keep have no effect without capture",
            ),
            (
                self.forward is not None and bool(super().longest_ns or self._misbehaves),
                "forward: the local server answers, so leave out delays, failures, outages and process",
            ),
            (self.forward_timeout_ns <= 0, "forward-timeout: give more than 0s"),
            (self.capture_size < 1, "capture-size: give at least 1B"),
            (self.capture_keep is not None and self.capture_keep < 1, "capture-keep: give at least 1"),
            (self.tolerance_s is not None and self.tolerance_s < 0, "tolerance: give 0 (off) or more"),
        ):
            if wrong:
                raise UsageError(text)
        self.check()

    @property
    def longest_ns(self) -> int:
        """As in `Behaviour`, or the longest time of the local server."""
        return super().longest_ns if self.forward is None else self.forward_timeout_ns

    @property
    def _says_of_capture(self) -> bool:
        given = self.redact or self.capture_headers or self.capture_keep
        return bool(given) or self.capture_size != LARGEST_CAPTURE

    @property
    def _misbehaves(self) -> bool:
        return bool(self.failing() or self.reset or self.down or self.stall or self.process)

    def failing(self) -> tuple[Share, ...]:
        """As in `Behaviour`, with `fail_rate`."""
        return (*super().failing(), *((Share(self.fail_status, self.fail_rate),) if self.fail_rate else ()))

    def url(self, port: int) -> str:
        """The URL to POST webhooks to when the receiver listens on `port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}{DEFAULT_PATH if self.path == ANY_PATH else self.path}"

    def slots_of(self, worker: int) -> int | None:
        """The slots of worker number `worker`: slots are shared evenly, and the first workers get the remainder."""
        if self.slots is None:
            return None
        each, rest = divmod(self.slots, self.workers)
        return each + (worker < rest)
