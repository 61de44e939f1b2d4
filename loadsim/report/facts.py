"""What every human report says, in words and figures, before any layout.

Decides which rows there are, in which order, and how each figure reads. Refuses to know terminals, Markdown or pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from loadsim.judge.objectives import parse_objective, unit_of
from loadsim.judge.vocabulary import unrecorded_phases
from loadsim.measure.result import (
    UNLIMITED,
    DuplicateRow,
    GeneratorLimits,
    ObjectiveRow,
    RunResult,
    SampleRow,
    Stats,
    Totals,
)
from loadsim.model import UsageError
from loadsim.report import figures
from loadsim.report.addresses import address_lines
from loadsim.report.blocks import Figure

BUSY_CORE = 0.9
"""Share of its core from which a generator process was at its own limit."""

PERCENTILES = ("p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99")
VERDICTS = {"pass": "PASS", "fail": "FAIL", "invalid": "INVALID", "none": "NOT JUDGED"}

MOST_ROWS = 500
_MANY_CONNECTIONS = 0.01
"""Share of events that opened a connection."""

ERROR_MEANINGS = {
    "dns": "the name could not be resolved",
    "refused": "connection refused",
    "connect_timeout": "no connection within the timeout",
    "connect_error": "could not connect",
    "tls": "TLS failed: the handshake, or a record after it",
    "reset": "connection broken after part of the request was sent",
    "closed_idle": "reused connection closed before any answer",
    "closed_early": "fresh connection closed before any answer",
    "truncated": "the answer began and did not end",
    "timeout": "no whole answer within the timeout",
    "protocol": "the answer is not valid HTTP",
    "body_limit": "answer body over 16 MiB",
    "internal": "loadsim's own fault",
    "switched_off": "not sent: the provider had switched the endpoint off",
}


class ObjectiveLine(NamedTuple):
    """One judged objective. `passed` is None when there was too little to judge it."""

    passed: bool | None
    text: str
    observed: str
    interval: str
    limit: str
    note: str


class WindowTable(NamedTuple):
    """One figure by window: start, samples, figure."""

    title: str
    rows: list[tuple[str, str, str]]


class LatencyRow(NamedTuple):
    """One metric: its raw figures, and the label that the model of the run gives it."""

    label: str
    stats: Stats


class GroupRow(NamedTuple):
    """One event type, phase or case."""

    name: str
    note: str
    totals: Totals


class CaseRow(NamedTuple):
    """One case: what was owed to it and how often it came otherwise. `upper` bounds the share let in, as text."""

    name: str
    expects: str
    sent: int
    accepted: int
    refused: int
    violations: int
    upper: str
    stats: Stats


class OutcomeRow(NamedTuple):
    """How often one status or error kind came."""

    name: str
    times: int
    share: str
    meaning: str
    good: bool


class AnswerRow(NamedTuple):
    """What the endpoint said, for one status or error kind: (which event, what), identical answers joined."""

    kind: str
    times: int
    said: list[tuple[str, str]]


def run_words(result: RunResult) -> list[str]:
    """Which run this is: id, model, workers, seed, recorded time."""
    run = result.run
    duration = result.totals.duration_s
    words = [f"run {run.id}", f"{run.model} model", f"{run.workers} worker{'s' * (run.workers != 1)}"]
    words += [f"seed {run.seed}", f"{figures.milliseconds(None if duration is None else 1000 * duration)}"]
    words += [f"ended early at {run.aborted.at_s:.1f} s"] if run.aborted is not None else []
    return [*words, "interrupted"] if run.interrupted else words


def count_figures(result: RunResult) -> list[Figure]:
    """The accounting of the events: each count with its rate or share below it, and what it counts."""
    totals = result.totals
    planned, sent, completed = map(figures.per_second, (totals.rate_planned, totals.rate_sent, totals.rate_completed))
    received = f"{figures.size(totals.bytes_received)} in"
    return [
        Figure("planned", figures.count(totals.planned), planned, "events that fell due"),
        Figure("sent", figures.count(totals.sent), sent, "taken on, also while they waited for a connection"),
        Figure(
            "completed",
            figures.count(totals.completed),
            completed,
            "whole answers; the rate is of those that came while recording",
        ),
        Figure(
            "2xx", figures.count(totals.succeeded), figures.share(totals.success_rate), "the share is of those sent"
        ),
        Figure("failed", figures.count(totals.failed), "", "sent and not answered 2xx"),
        Figure(
            "dropped", figures.count(totals.dropped), "", "no connection was free, and the scenario said not to wait"
        ),
        Figure("unfinished", figures.count(totals.unfinished), "", "still under way when the drain ended"),
        Figure("bytes out", figures.size(totals.bytes_sent), received, "requests sent and, below, answers in"),
    ]


def target_of(result: RunResult) -> dict[str, Any]:
    """The `[target]` of the stored scenario; empty where it has none."""
    target = result.run.scenario.get("target")
    return target if isinstance(target, dict) else {}


def receiver_words(result: RunResult) -> str:
    """What the embedded receiver counted by itself, beside what was sent; empty for other targets."""
    counted = result.receiver
    if counted is None:
        return ""
    sent = sum(phase.attempts + (phase.refusals_due or 0) for phase in result.by_phase.values())
    recorded = result.totals.attempts + (result.totals.refusals_due or 0)
    words = f"the receiver counted {counted['received']:,} events, {counted['verified']:,} verified; sent were {sent:,}"
    return words + (" with the warm-up" if sent != recorded else "")


def headline(result: RunResult) -> str:
    """What the verdict rests on, in a few words."""
    rows = result.verdict.objectives
    failed = sum(row.passed is False for row in rows)
    passed = sum(row.passed is True for row in rows)
    outcome = result.verdict.outcome
    if outcome == "none":
        return "nobody has judged this run yet"
    if outcome == "invalid":
        reasons = len(result.validity.reasons)
        return f"the run proves nothing, for {reasons} reason{'s' * (reasons != 1)}"
    if outcome == "fail":
        early = f"; {result.run.aborted.objective} ended the run early" if result.run.aborted is not None else ""
        return f"{failed} of {len(rows)} objectives failed{early}"
    return f"{passed} of {len(rows)} objectives met"


def objective_lines(result: RunResult) -> list[ObjectiveLine]:
    """Every objective, in the order given."""
    return [_objective_line(row) for row in result.verdict.objectives]


def _objective_line(row: ObjectiveRow) -> ObjectiveLine:
    notes = [row.note] if row.note else []
    if row.default:
        notes.insert(0, "default")
    try:
        objective = parse_objective(row.text)
    except UsageError:  # stored by a version with other words
        limit, bound = "", None
    else:
        bound = objective.value
        limit = f"{objective.op} {figures.observed(bound, row.unit)}"
    span = figures.interval(*row.ci95) if row.ci95 and row.unit == "ms" else ""
    return ObjectiveLine(
        row.passed, row.text, figures.observed(row.observed, row.unit, bound), span, limit, "; ".join(notes)
    )


def latency_rows(result: RunResult, group: Totals | None = None) -> list[LatencyRow]:
    """response, service, lag and wait; a closed run has no response time of its own and no lag to judge. connect and
    tls where opening connections is more than how a run begins."""
    latency = (group or result.totals).latency_ms
    labels = {"response": "response", "service": "service", "lag": "lag", "wait": "wait"}
    if result.run.model == "closed":
        labels = {"response": "service time (closed model)", "wait": "wait"}
    opened = latency.get("connect")
    if opened is not None and opened.count >= _MANY_CONNECTIONS * max(1, (group or result.totals).sent):
        secured = latency.get("tls")
        labels |= {"connect": "connect"} | ({"tls": "TLS handshake"} if secured and secured.count else {})
    return [LatencyRow(label, latency[name]) for name, label in labels.items() if name in latency]


def window_tables(result: RunResult) -> list[WindowTable]:
    """Every window that an objective of the run looked at, as far as a table can be read."""
    found = []
    for course in result.windows:
        try:
            objective = parse_objective(f"{course.figure} > 0")
        except UsageError:  # stored by a version with other words
            continue
        unit = unit_of(objective.metric, objective.aggregation)
        rows = [
            (f"{t:g} s", figures.count(samples), figures.observed(value, unit))
            for t, value, samples in zip(course.t_s, course.values, course.samples, strict=True)
        ]
        shown = f", the first {MOST_ROWS}" if len(rows) > MOST_ROWS else ""
        found.append(WindowTable(f"{course.figure} by window of {course.width_s:g} s{shown}", rows[:MOST_ROWS]))
    return found


def headline_metric(result: RunResult) -> str:
    """What the latency columns of the smaller tables show."""
    return "service time (closed model)" if result.run.model == "closed" else "response time"


def percentile_label(name: str) -> str:
    """`p99_9` → `p99.9`."""
    return name.replace("_", ".")


def group_rows(result: RunResult, which: str) -> list[GroupRow]:
    """The rows by `event` or `phase`; none where there is only one phase."""
    groups = {"event": result.by_event, "phase": result.by_phase}[which]
    if which != "event" and len(groups) < 2:
        return []
    skipped = unrecorded_phases(result) if which == "phase" else ()
    return [GroupRow(name, "not recorded" if name in skipped else "", totals) for name, totals in groups.items()]


def case_rows(result: RunResult) -> list[CaseRow]:
    """Every case, the genuine one first; none in a run without cases."""
    return [_case_row(name, totals) for name, totals in result.by_case.items()] if len(result.by_case) > 1 else []


def _case_row(name: str, totals: Totals) -> CaseRow:
    refused = sum(n for code, n in totals.status.items() if code.startswith("4"))
    stats = totals.latency_ms.get("response", Stats(count=0))
    if totals.forged_accepted is None:
        return CaseRow(name, "accept", totals.sent, totals.succeeded, refused, totals.failed, "", stats)
    violations = totals.forged_accepted + (totals.refused_badly or 0)
    bound = totals.forged_accepted_upper
    upper = figures.NOT_KNOWN if bound is None else f"≤ {figures.share(bound)}"
    return CaseRow(name, "refuse", totals.sent, totals.succeeded, refused, violations, upper, stats)


def forged_words(result: RunResult) -> str:
    """How events to which a refusal was due came out; empty where there were none."""
    totals = result.totals
    if not totals.refusals_due:
        return ""
    let_in = f"{figures.count(totals.forged_accepted)} accepted (at most {figures.share(totals.forged_accepted_upper)}"
    badly = f"{figures.count(totals.refused_badly)} refused badly (at most {figures.share(totals.refused_badly_upper)}"
    return f"of {figures.count(totals.refusals_due)} events to be refused: {let_in} at 95 %), {badly})"


def spread_words(result: RunResult) -> str:
    """How close together the copies of duplicated events were released; empty where there were none."""
    found = result.duplicates
    if found is None:
        return ""
    p50, p99, most = (
        figures.milliseconds(ms) for ms in (found.spread_p50_ms, found.spread_p99_ms, found.spread_max_ms)
    )
    return f"the copies of {figures.count(found.events)} events left within {p50} (p50), {p99} (p99), {most} at most"


def duplicate_rows(result: RunResult) -> list[tuple[str, DuplicateRow]]:
    """How duplicated events were answered, by when a copy came; none in a run without."""
    found = result.duplicates
    if found is None:
        return []
    rows = [
        ("answered first", found.first),
        ("at the same time", found.same_time),
        ("already committed", found.afterwards),
    ]
    return [(name, row) for name, row in rows if row.deliveries]


def duplicate_answers(row: DuplicateRow) -> str:
    """`200: 40, 409: 12`: what a row of duplicates came to."""
    counts = {**row.status, **row.errors} | ({"unfinished": row.unfinished} if row.unfinished else {})
    return ", ".join(f"{name}: {figures.count(n)}" for name, n in _ranked(counts))


def outcome_rows(result: RunResult) -> list[OutcomeRow]:
    """Statuses, then error kinds, each commonest first; then what was left unfinished or dropped."""
    totals = result.totals
    rows = [
        OutcomeRow(code, n, _share(n, totals.sent), _status_words(code), good=code.startswith("2"))
        for code, n in _ranked(totals.status)
    ]
    rows += [
        OutcomeRow(kind, n, _share(n, totals.sent), ERROR_MEANINGS.get(kind, ""), good=False)
        for kind, n in _ranked(totals.errors)
    ]
    if totals.unfinished:
        share = _share(totals.unfinished, totals.sent)
        rows.append(
            OutcomeRow("unfinished", totals.unfinished, share, "still under way when the drain ended", good=False)
        )
    return rows


def _ranked(counts: dict[str, int]) -> Iterator[tuple[str, int]]:
    yield from sorted(((name, n) for name, n in counts.items() if n), key=lambda item: (-item[1], item[0]))


def _share(part: int, whole: int) -> str:
    return figures.share(part / whole if whole else None)


def _status_words(code: str) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(int(code)).phrase
    except ValueError:
        return ""


def answer_rows(result: RunResult) -> list[AnswerRow]:
    """The first answers of each failing status and error kind, commonest kind first."""
    kinds: dict[str, list[SampleRow]] = {}
    for sample in result.samples:
        kinds.setdefault(sample.kind, []).append(sample)
    counts = result.totals.status | result.totals.errors
    ordered = sorted(kinds, key=lambda kind: (-counts.get(kind, 0), kind))
    return [AnswerRow(kind, counts.get(kind, 0), _said(kinds[kind])) for kind in ordered]


def _said(samples: list[SampleRow]) -> list[tuple[str, str]]:
    joined: dict[str, list[SampleRow]] = {}
    for sample in samples:
        joined.setdefault(sample.error or sample.body.strip() or "(empty body)", []).append(sample)
    rows = []
    for text, same in joined.items():
        numbers = ", ".join(str(sample.index) for sample in same)
        which = f"event{'s' * (len(same) > 1)} {numbers}, first at {figures.milliseconds(1000 * same[0].t_s)}"
        rows.append((which, text))
    return rows


def limit_lines(result: RunResult) -> list[str]:
    """What limited the run, in sentences."""
    limits = result.limits
    # a generator that was late, or lost, is a limit of its own: the verdict says so
    lines = [note for note in limits.notes if result.validity.valid or note != UNLIMITED]
    lines.append(f"connections: at most {limits.connections_peak:,} of {limits.connections:,} open at once")
    lines += address_lines(result.addresses)
    if limits.lag_p99_ms is not None and result.run.model == "open":
        lines.append(f"generator lag: p99 {figures.milliseconds(limits.lag_p99_ms)}")
    if result.generator_limits is not None:
        lines.append(floor_words(result.generator_limits))
    if result.totals.after_end:
        late = sum(result.totals.after_end.values())
        lines.append(f"{late:,} answers came after recording had ended: the rate of what was completed is without them")
    if result.totals.unsent:
        lines.append(f"{result.totals.unsent:,} events ended without a byte sent")
    return lines


def floor_words(floor: GeneratorLimits) -> str:
    """How much of a latency is the tool."""
    p50, p99 = figures.milliseconds(floor.service_p50_ms), figures.milliseconds(floor.service_p99_ms)
    share = floor.generator_cpu_share
    # with a core to spare it was not the generator that set the rate: it could do more
    bound = "at least" if share is not None and share < BUSY_CORE else "at most"
    return (
        f"this generator's own floor here: service p50 {p50}, p99 {p99}, {bound} {figures.count(floor.rate_max)}/s per "
        f"process (measured {floor.measured_at[:10]})"
    )
