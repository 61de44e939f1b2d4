"""What `loadsim compare --json` prints: all that its report says, for programs."""

from __future__ import annotations

import msgspec

from loadsim import __version__
from loadsim.judge.compare import CompareResult, Direction, GateResult, Outcome, Ratio
from loadsim.measure.result import RunResult, target_url
from loadsim.report.what_limited import limit_lines

SCHEMA = "loadsim.compare/1"


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs."""

    id: str
    name: str
    target: str
    """Redacted."""
    started_at: str
    outcome: str
    """How it was judged: `pass`, `fail`, `invalid` or `none`."""
    sent: int
    rate_completed: float | None
    success_rate: float | None
    limits: tuple[str, ...]
    """What limited it, in words."""


class RatioRow(msgspec.Struct, frozen=True):
    """One percentile of both runs."""

    metric: str
    """`response` or `service`."""
    percentile: str
    """`p99`, `p99_9`."""
    base_ms: float
    """In the base run."""
    new_ms: float
    """In the new run."""
    ratio: float
    """New / base."""
    interval: tuple[float, float] | None
    """95 % of the ratio, from the variation within each run; None: a run is too short for one."""
    needs_s: float | None
    """Without an interval: how long both runs would have to be; None: not known."""
    direction: Direction
    """Whether the runs differ by more than the variation within them; `unsure`: they do not."""


class ComparedGate(msgspec.Struct, frozen=True):
    """How one gate (`--fail`) was judged."""

    text: str
    percentile: str
    """What it compares, in words."""
    effect: float
    """Least increase that fails, a fraction."""
    ratio: float | None
    """New / base; None: not known."""
    passed: bool | None
    """None: it cannot be judged."""
    note: str
    """Why, in words."""


class CompareDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Two stored results, compared."""

    schema: str = SCHEMA
    version: str
    outcome: Outcome
    """`none`: there is no gate."""
    base: ComparedRun
    """What is compared with."""
    new: ComparedRun
    """What is compared."""
    differences: tuple[str, ...]
    """What else differs between the runs and may explain a ratio, in words."""
    ratios: tuple[RatioRow, ...]
    """Every percentile that both have."""
    gates: tuple[ComparedGate, ...]
    """In the order given."""


def compare_document(result: CompareResult) -> CompareDocument:
    """The document of a comparison."""
    return CompareDocument(
        version=__version__,
        outcome=result.outcome,
        base=_run(result.base),
        new=_run(result.new),
        differences=result.differences,
        ratios=tuple(map(_ratio, result.ratios)),
        gates=tuple(map(_gate, result.gates)),
    )


def _run(result: RunResult) -> ComparedRun:
    return ComparedRun(
        id=result.run.id,
        name=result.run.name,
        target=target_url(result),
        started_at=result.run.started_at,
        outcome=result.verdict.outcome,
        sent=result.totals.sent,
        rate_completed=result.totals.rate_completed,
        success_rate=result.totals.success_rate,
        limits=tuple(limit_lines(result)),
    )


def _ratio(row: Ratio) -> RatioRow:
    return RatioRow(row.metric, row.name, row.base_ms, row.new_ms, row.ratio, row.interval, row.needs_s, row.direction)


def _gate(row: GateResult) -> ComparedGate:
    ratio = None if row.ratio is None else row.ratio.ratio
    return ComparedGate(row.gate.text, row.gate.label, row.gate.effect, ratio, row.passed, row.note)
