"""What a sitting of the comparison amounts to: medians, spreads, ratios of the same round, targets, and the page.

Decides how figures are put together and shown. Refuses to know how they were taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from loadsim.measure.timing_statistics import Spread, spread
from tests.benchmarks import common
from tests.benchmarks.nginx import CIPHER
from tests.benchmarks.peer_tools import COMPILED, CONNECTIONS, Tool
from tests.benchmarks.witness import Testimony

REFERENCES = ("loadsim", "loadsim-h2")
"""The row of each scheme that targets are about."""
STATIC = "wrk-static"
"""What makes no event: where it fills nginx's core, no generator can send it more."""
HTTP1_OF = {"http": "http", "https": "https", "h2c": "http", "h2": "https"}
FULL = 0.97
"""From this share of its core on, nginx and not the generator was the limit."""


class Sample(NamedTuple):
    """One window: events per second, the generator's CPU time per event and share of its core, nginx's share, noise."""

    rate: float
    cpu_us: float
    cpu_share: float
    target_share: float
    noise: float
    connections: int


@dataclass
class Row:
    """One tool over one scheme, as it goes on. `samples` by round: None where the tool failed."""

    tool: Tool
    scheme: str
    missing: str = ""
    """Why the tool could not run; empty when it could."""
    refused: str = ""
    checked: Testimony | None = None
    samples: dict[int, Sample] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def asked(self) -> str:
        """The scheme that the tool is pointed at: rows of HTTP/1.1 stand beside those of HTTP/2 for comparison."""
        return HTTP1_OF[self.scheme] if self.tool.http1 else self.scheme


@dataclass(frozen=True)
class Sitting:
    """All rows of one sitting, those of tools that were not there among them (`missing`)."""

    rows: Sequence[Row]
    rounds: int
    seconds: float


def ratios(over: Row | None, under: Row | None) -> Spread | None:
    """Rates of `over` to those of `under`, round by round; None where they share no round."""
    if over is None or under is None:
        return None
    common_rounds = sorted(over.samples.keys() & under.samples.keys())
    return spread([over.samples[n].rate / under.samples[n].rate for n in common_rounds]) if common_rounds else None


def document(sitting: Sitting) -> dict[str, Any]:
    """Everything, for JSON."""
    noises = [sample.noise for row in sitting.rows for sample in row.samples.values()]
    return {
        "environment": common.environment(),
        "method": {
            "rounds": sitting.rounds,
            "window_s": sitting.seconds,
            "connections": CONNECTIONS,
            "event": common.EVENT,
            "target": "nginx, return 200, on its own core; events counted by stub_status",
            "tls": CIPHER,
        },
        "noise": common.noise_note(noises),
        "missing": {row.tool.name: row.missing for row in sitting.rows if row.missing},
        "rows": [_row(row, sitting.rows) for row in sitting.rows],
    }


def _row(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    beside = {other.tool.key: other for other in rows if other.scheme == row.scheme}
    to_wrk, over_it = ratios(row, beside.get("wrk")), ratios(_reference(beside), row)
    compiled = ratios(beside.get(COMPILED), row)
    at_most = ratios(_filling(beside.get(STATIC)), row)
    target = row.tool.target_over(row.scheme)
    samples = [row.samples[number] for number in sorted(row.samples)]
    checked = None if row.checked is None else msgspec.to_builtins(row.checked)
    if checked is not None:
        del checked["offset_ns"]
    return {
        "tool": row.tool.name,
        "key": row.tool.key,
        "version": "" if row.missing else row.tool.version(),
        "scheme": row.scheme,
        "signs_each_event": row.tool.signs,
        "checked": checked,
        "missing": row.missing or None,
        "refused": row.refused or None,
        "failures": row.failures,
        "events_per_s": _over(samples, lambda sample: sample.rate, 1),
        "cpu_us_per_event": _over(samples, lambda sample: sample.cpu_us, 3),
        "cpu_share": _over(samples, lambda sample: sample.cpu_share, 3),
        "target_cpu_share": _over(samples, lambda sample: sample.target_share, 3),
        "asked_connections": row.tool.connections,
        "connections": sorted({sample.connections for sample in samples}),
        "ratio_to_wrk_signing": None if to_wrk is None else to_wrk.document(),
        "loadsim_ratio_to_it": None if over_it is None else over_it.document(),
        "compiled_ratio_to_it": None if compiled is None or row.tool.key == COMPILED else compiled.document(),
        "static_ratio_to_it": None if at_most is None or row.tool.key == STATIC else at_most.document(),
        "loadsim_target": target,
        "loadsim_target_met": None if target is None or over_it is None else over_it.median >= target,
        "rounds": [{name: round(value, 4) for name, value in sample._asdict().items()} for sample in samples],
    }


def _filling(row: Row | None) -> Row | None:
    """The row with those rounds alone in which nginx's core was full."""
    if row is None:
        return None
    full = {number: sample for number, sample in row.samples.items() if sample.target_share >= FULL}
    return replace(row, samples=full)


def _reference(beside: Mapping[str, Row]) -> Row | None:
    return next((beside[key] for key in REFERENCES if key in beside), None)


def _over(samples: Sequence[Sample], figure: Callable[[Sample], float], digits: int) -> dict[str, float | int] | None:
    return spread([figure(sample) for sample in samples]).document(digits) if samples else None


# -- the page -------------------------------------------------------------------------------------------------------


def markdown(found: Mapping[str, Any]) -> str:
    """The page of a document as `document` gives it."""
    method = found["method"]
    parts = [
        "# loadsim beside other load generators\n",
        f"{common.environment_note(found['environment'])} {found['noise']}\n",
        (
            f"Work: `{method['event']}`, unique, built and signed when sent, over {method['connections']} kept "
            "connections. "
            f"Target: {method['target']}. Generator: one core with all its processes. {method['rounds']} interleaved "
            f"rounds, windows of {method['window_s']:g} s after start-up. https: {method['tls']}. Ratios are of the "
            "same round. wrk's static request makes no event; its ratio is of rounds in which it filled nginx's core, "
            "so that no generator could have sent more. h2c and h2: HTTP/2 without and with TLS, 64 events in flight. "
            "How each figure is taken is described in `tests/benchmarks/peers.py`.\n"
        ),
    ]
    for scheme in dict.fromkeys(row["scheme"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["scheme"] == scheme]
        parts += [f"## {scheme}\n", _rates(rows), _targets(rows)]
    parts += _remarks(found)
    return "\n".join(part for part in parts if part)


def _rates(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ("tool", "events/s", "quartiles", "min to max", "CPU µs/event", "× wrk signing", "nginx's core")
    lines = []
    for row in rows:
        rate = row["events_per_s"]
        name = f"{row['tool']} {row['version']}".rstrip()
        if rate is None:
            why = next((why for why in ("missing", "refused") if row[why]), "failed")
            lines.append((name, why, *[""] * 5))
            continue
        ratio = row["ratio_to_wrk_signing"]
        lines.append(
            (
                name,
                f"{rate['median']:,.0f}",
                f"{rate['q1']:,.0f} to {rate['q3']:,.0f}",
                f"{rate['low']:,.0f} to {rate['high']:,.0f}",
                f"{row['cpu_us_per_event']['median']:.2f}",
                f"{ratio['median']:.2f}" if ratio else "",
                f"{row['target_cpu_share']['median']:.0%}",
            )
        )
    return common.table(head, lines)


def _targets(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for row in rows:
        ratio = row["loadsim_ratio_to_it"]
        compiled = row.get("compiled_ratio_to_it")
        if row["key"] in REFERENCES or ratio is None or (row["loadsim_target"] is None and compiled is None):
            continue
        shown = (*_middle(ratio), *_middle(compiled))
        target = row["loadsim_target"]
        aim = ("",) * 3 if target is None else (f"{target:g}", _met(ratio, target), _met(compiled, target))
        lines.append((row["tool"], *shown, *aim, _middle(row.get("static_ratio_to_it"))[0]))
    head = (
        "loadsim's rate over that of",
        "median",
        "quartiles",
        "with the compiled step",
        "quartiles",
        "target",
        "met",
        "met with the step",
        "wrk's static request over it",
    )
    return common.table(head, lines) if lines else ""


def _met(ratio: Mapping[str, Any] | None, target: float) -> str:
    return "" if ratio is None else "yes" if ratio["median"] >= target else "no"


def _middle(ratio: Mapping[str, Any] | None) -> tuple[str, str]:
    return ("", "") if ratio is None else common.shown(ratio)


def _remarks(found: Mapping[str, Any]) -> list[str]:
    lines = [f"- Missing: {name}: {why}." for name, why in found["missing"].items()]
    for row in found["rows"]:
        name = f"{row['tool']} over {row['scheme']}"
        if row["refused"]:
            lines.append(f"- Refused: {name}: {row['refused']}.")
        lines += [f"- Failed: {name}, {failure}." for failure in row["failures"]]
        share = row["target_cpu_share"]
        if share is not None and share["median"] >= FULL:
            lines.append(
                f"- {name}: nginx's core was full, so the rate is nginx's; the CPU time per event is the tool's."
            )
        if row["connections"] and row["connections"] != [row["asked_connections"]]:
            held = ", ".join(map(str, row["connections"]))
            lines.append(f"- {name}: held {held} connections, not {row['asked_connections']}.")
    return ["## Remarks\n", "\n".join(lines) + "\n"] if lines else []
