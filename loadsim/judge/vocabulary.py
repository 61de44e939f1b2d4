"""The vocabulary of objectives: metrics, aggregations, k6's names, and the tags that a scenario can produce.

Objectives are checked against it before the first event; an error names the known words. Measured figures are read in
`objective_figures.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from loadsim.measure.cells import SLICE_NS
from loadsim.measure.result import RunResult
from loadsim.measure.window_counts import Grid, Stretch, stretches_of
from loadsim.model import Capture, Objective, UsageError, case_kind
from loadsim.plan.event_kinds import NOTHING_RECORDED, event_kinds
from loadsim.plan.plan import GENUINE
from loadsim.plan.scenario import Scenario
from loadsim.plan.units import format_duration
from loadsim.plan.watches import series_names
from loadsim.spelling import did_you_mean

MetricKind = Literal["trend", "rate", "counter", "gauge", "duration", "series"]

METRICS: dict[str, MetricKind] = {
    "response": "trend",
    "service": "trend",
    "lag": "trend",
    "wait": "trend",
    "connect": "trend",
    "first_byte": "trend",
    "receipt": "trend",
    "success": "rate",
    "sent": "counter",
    "events": "counter",
    "errors": "counter",
    "forged_accepted": "counter",
    "refused_badly": "counter",
    "lost": "counter",
    "duplicated": "counter",
    "dropped": "counter",
    "attempts": "counter",
    "given_up": "counter",
    "effect": "trend",
    "ack_to_effect": "trend",
    "backlog": "gauge",
    "drained": "duration",
    "undone": "counter",
    "effects_repeated": "counter",
    "effect_before_ack": "counter",
    "watch": "series",
}
"""`sent` counts events taken on, also those without an answer, `events` complete, valid answers of any status, `errors`
events without a 2xx answer. `attempts` counts deliveries: a retry profile may make several for one event. `given_up`
counts events that the provider then never delivered. `refused_badly` counts wrong refusals: neither 2xx nor 4xx, or no
answer. The next seven need a source of effects: the time from an event's due time, or from its 2xx answer, until the
endpoint had done its work; how many events were answered and not done; how long that lasted after the load; and how
many were never done, done more than once, or done before they were answered. `watch` is a figure of the endpoint's own:
that of the `[[watch]]` which its tag names."""

AGGREGATIONS: dict[MetricKind, tuple[str, ...]] = {
    "trend": ("p(N)", "med", "min", "max", "avg"),
    "rate": ("rate",),
    "counter": ("count", "rate"),
    "gauge": ("max", "last", "avg"),
    "duration": ("value",),
    "series": ("max", "min", "avg", "last"),
}

K6_METRICS: dict[str, str] = {
    "http_req_duration": "service",
    "http_req_waiting": "first_byte",
    "http_req_failed": "success",
    "http_reqs": "sent",
    "dropped_iterations": "dropped",
}
"""k6's names with k6's meaning; `http_req_failed` is 1 − success."""
K6_EXPECTED = ("expected_response", "true")
"""k6's tag of successful answers, read as `status:2xx`."""
K6_DIFFERENCE = "k6 takes 200-399 as expected, loadsim 2xx"

TAGS = ("event", "case", "phase", "status")
LEDGER_METRICS = ("lost", "duplicated")
RETRY_METRICS = ("given_up",)
EFFECT_METRICS = ("effect", "ack_to_effect", "backlog", "drained", "undone", "effects_repeated", "effect_before_ack")
WATCH = "watch"
SERIES_TAG = "name"
"""The tag that names the series of a watch."""
WHOLE_RUN_METRICS = (*LEDGER_METRICS, *RETRY_METRICS, *EFFECT_METRICS, WATCH, "attempts")
"""Known only for the whole run, after its end: not for windows, and not during the run."""
CASE_METRICS = ("forged_accepted", "refused_badly")
MOST_WINDOWS = 2_000
"""Most windows of one objective: each keeps a histogram until the run has ended."""
NAMES_SUCCESS = ("success", "errors")
"""Metrics about failures. When an objective names one of them, the default objective is not added."""


def unknown(text: str, what: str, word: str, known: Iterable[str], meant: Iterable[str] = ()) -> UsageError:
    """The error, in one line, for a word that is not known. `meant`: correct words that are not in the list."""
    names = list(known)
    hint = did_you_mean(word, (*meant, *names), ", ")
    return UsageError(f"objective {text!r}: unknown {what} {word!r}{hint} (known: {', '.join(names)})")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the objectives of a scenario, or of a stored result, can name."""

    events: tuple[str, ...]
    phases: tuple[str, ...]
    """Recorded phases only."""
    cases: tuple[str, ...] = (GENUINE,)
    unrecorded: tuple[str, ...] = ()
    """Phases that are not recorded (warm-up): no objective can cover them."""
    has_ledger: bool = False
    """A receiver's ledger is read: `lost` and `duplicated` can be known."""
    has_retries: bool = False
    """A retry profile is in force: `given_up` can be known."""
    has_effects: bool = False
    """A source of effects is read."""
    watches: tuple[str, ...] = ()
    """The series of the endpoint's own figures that are read."""
    has_cases: bool = False
    """Some case expects a refusal: `forged_accepted` and `refused_badly` can be known."""
    stretches: Mapping[str, tuple[Stretch, ...]] = field(default_factory=dict)
    """Recorded time by phase, and under "" that of all phases. Empty for a stored result, whose times are known."""

    def check(self, objective: Objective) -> None:
        """Raise UsageError when the objective names something that this scenario cannot produce."""
        text, metric = objective.text, objective.metric
        if metric in LEDGER_METRICS and not self.has_ledger:
            raise UsageError(
                f"objective {text!r}: {metric!r} needs a receiver's ledger, and none is configured (ledger, under "
                "[target] or on the command line)"
            )
        if metric in RETRY_METRICS and not self.has_retries:
            raise UsageError(
                f"objective {text!r}: {metric!r} needs a retry profile, and the scenario has none ([retry])"
            )
        if metric in EFFECT_METRICS and not self.has_effects:
            raise UsageError(
                f"objective {text!r}: {metric!r} needs a source of effects, and none is configured ([effects], or "
                "--effects on the command line)"
            )
        if metric in CASE_METRICS and not self.has_cases:
            raise UsageError(
                f"objective {text!r}: {metric!r} needs forged cases in the mix, and the scenario has none ([[cases]])"
            )
        if metric == WATCH:
            self._check_watch(text, dict(objective.tags)[SERIES_TAG])
        for tag, value in objective.tags:
            self._check_tag(text, tag, value)
        if objective.window_ns is not None and self.stretches:
            self._check_window(text, objective.window_ns, dict(objective.tags).get("phase", ""))

    def _check_watch(self, text: str, name: str) -> None:
        if not self.watches:
            raise UsageError(
                f"objective {text!r}: 'watch' needs a figure of the endpoint's own, and none is read ([[watch]])"
            )
        if name not in self.watches:
            raise unknown(text, "watch", name, self.watches)

    def _check_window(self, text: str, width_ns: int, phase: str) -> None:
        count = Grid(self.stretches[phase], width_ns).count
        width = format_duration(width_ns)
        if count == 0:
            where = f"phase {phase!r}" if phase else "the recorded time"
            raise UsageError(f"objective {text!r}: {where} holds no whole window of {width}")
        if count is not None and count > MOST_WINDOWS:
            least = -(-width_ns * count // MOST_WINDOWS // SLICE_NS) * SLICE_NS
            raise UsageError(
                f"objective {text!r}: {count:,} windows of {width} are too many ({MOST_WINDOWS:,} at most): "
                f"take {format_duration(least)} or wider ones"
            )

    def _check_tag(self, text: str, tag: str, value: str) -> None:
        known = {"event": self.events, "phase": self.phases, "case": self.cases}.get(tag)
        if known is None:  # the status tag: it was checked when it was parsed
            return
        if tag == "phase" and value in self.unrecorded:
            raise UsageError(
                f"objective {text!r}: phase {value!r} is not recorded (record = false), so it cannot be judged"
            )
        if value not in known:
            raise unknown(text, tag, value, known)


def vocabulary_of_scenario(scenario: Scenario, recorded: Mapping[str, Capture] = NOTHING_RECORDED) -> Vocabulary:
    """What objectives of this scenario can name. `recorded`: its captures, by the type of their `[[events]]`."""
    return Vocabulary(
        events=tuple(kind.name for kind in event_kinds(scenario.events, recorded) if kind.weight > 0),
        phases=tuple(phase.name for phase in scenario.phases if phase.record),
        cases=(GENUINE, *dict.fromkeys(case_kind(case.kind) for case in scenario.cases)),
        unrecorded=tuple(phase.name for phase in scenario.phases if not phase.record),
        stretches=_stretches(scenario),
        has_ledger=scenario.has_ledger,
        has_retries=scenario.retry is not None,
        has_effects=scenario.effects is not None,
        watches=series_names(scenario.watch),
        has_cases=any(case.expect != "accept" for case in scenario.cases),
    )


def _stretches(scenario: Scenario) -> dict[str, tuple[Stretch, ...]]:
    rows, start = [], 0
    for phase in scenario.phases:
        rows.append((start, None if phase.duration is None else start + phase.duration, phase.record))
        start += phase.duration or 0
    named = {phase.name: stretches_of([row]) for phase, row in zip(scenario.phases, rows, strict=True) if phase.record}
    return {"": stretches_of(rows), **named}


def vocabulary_of(result: RunResult) -> Vocabulary:
    """What objectives of a stored result can name: the types, recorded phases and cases that it holds."""
    unrecorded = unrecorded_phases(result)
    return Vocabulary(
        events=tuple(result.by_event),
        phases=tuple(name for name in result.by_phase if name not in unrecorded),
        cases=tuple(result.by_case) or (GENUINE,),
        unrecorded=unrecorded,
        has_ledger=result.reconciliation is not None,
        has_retries=result.retries is not None,
        has_effects=result.effects is not None,
        watches=tuple(series.name for series in result.watches),
        has_cases=result.totals.forged_accepted is not None,
    )


def unrecorded_phases(result: RunResult) -> tuple[str, ...]:
    """Names of the phases with `record = false`, as the stored scenario says."""
    phases = result.run.scenario.get("phases")
    if not isinstance(phases, list):
        return ()
    return tuple(
        str(phase.get("name")) for phase in phases if isinstance(phase, dict) and phase.get("record", True) is False
    )
