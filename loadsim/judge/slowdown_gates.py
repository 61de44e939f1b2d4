"""Gates on a slowdown, such as `p99:5%`: a figure of a result, and the least effect that counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loadsim.measure.hdr import PERCENTILES
from loadsim.measure.result import RunResult
from loadsim.model import UsageError
from loadsim.spelling import did_you_mean

DEFAULT_GATE = "p99:5%"

METRICS = ("response", "service")

FIGURES = (*PERCENTILES, "mean", "max")

_GATE = re.compile(r"(?:(?P<metric>[a-z_]+)\.)?(?P<figure>[a-z]+[0-9.]*)\s*:\s*(?P<percent>[0-9]+(?:\.[0-9]+)?)\s*%")


@dataclass(frozen=True, slots=True)
class Gate:
    """`p99:5%`: fails when this figure of B is significantly above that of A, by the least effect (a fraction) or
    more."""

    text: str
    metric: str
    figure: str
    effect: float

    def of(self, result: RunResult) -> float | None:
        """The figure in a result, ms; None when it has too few samples."""
        stats = result.totals.latency_ms.get(self.metric)
        value: float | None = None if stats is None else getattr(stats, self.figure)
        return value or None

    @property
    def label(self) -> str:
        """`p99`, `service p99.9`."""
        figure = self.figure.replace("_", ".")
        return figure if self.metric == "response" else f"{self.metric} {figure}"


def parse_gate(text: str) -> Gate:
    """Parse a gate, `[service.]FIGURE:PERCENT%`, such as `p99:5%`. Raises UsageError, in one line."""
    match = _GATE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--fail {text!r}: write a figure and a least effect, such as p99:5% or service.p50:10%")
    metric = match["metric"] or "response"
    figure = {"med": "p50", "avg": "mean"}.get(match["figure"], match["figure"]).replace(".", "_")
    if metric not in METRICS:
        hint = did_you_mean(metric, METRICS, ", ")
        raise UsageError(f"--fail {text!r}: unknown metric {metric!r}{hint} (known: {', '.join(METRICS)})")
    if figure not in FIGURES:
        known = [name.replace("_", ".") for name in FIGURES]
        hint = did_you_mean(match["figure"], known, ", ")
        raise UsageError(f"--fail {text!r}: unknown figure {match['figure']!r}{hint} (known: {', '.join(known)})")
    effect = float(match["percent"]) / 100
    if effect > 10:
        raise UsageError(f"--fail {text!r}: a least effect above 1000 % would never be reached")
    return Gate(text.strip(), metric, figure, effect)


def parse_gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """Parse gates; each figure may occur once. Raises UsageError."""
    gates: dict[tuple[str, str], Gate] = {}
    for text in texts or (DEFAULT_GATE,):
        gate = parse_gate(text)
        if (gate.metric, gate.figure) in gates:
            raise UsageError(f"--fail {text!r}: {gate.label} has a gate already")
        gates[gate.metric, gate.figure] = gate
    return tuple(gates.values())
