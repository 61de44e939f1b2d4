"""Rows and sentences about a run that several outputs need: the report, annotations, JUnit, the dashboard."""

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
from loadsim.model import UsageError, counted
from loadsim.report import figures
from loadsim.report.addresses import address_lines
from loadsim.report.blocks import Figure

BUSY_CORE = 0.9
"""From this share of its core on, a generator process was at its own limit."""

PERCENTILES = ("p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99")
VERDICTS = {"pass": "PASS", "fail": "FAIL", "invalid": "INVALID", "none": "NOT JUDGED"}

MOST_ROWS = 500
"""Rows of a window table."""
_QUEUED_S = 0.01
"""Less waiting for a core than this is not worth a line."""
_STOLEN = 0.001
_MANY_CONNECTIONS = 0.01
"""From this share of events that opened a connection on, the time to connect is shown."""

ERROR_MEANINGS = {
    "dns": "the name could not be resolved",
    "refused": "connection refused",
    "connect_timeout": "no connection within the timeout",
    "connect_error": "could not connect",
    "tls": "TLS failed: the handshake, or a record after it",
    "reset": "connection broken after part of the request was sent",
    "closed_idle": "reused connection closed before any answer",
    "closed_early": "fresh connection closed before any answer",
    "truncated": "the answer started but did not end",
    "timeout": "no complete answer within the timeout",
    "protocol": "the answer is not valid HTTP",
    "body_limit": "answer body over 16 MiB",
    "internal": "internal error of loadsim",
    "switched_off": "not sent: the provider had switched the endpoint off",
}


class ObjectiveLine(NamedTuple):
    """One judged objective. `passed` is None when it could not be judged."""

    passed: bool | None
    text: str
    observed: str
    interval: str
    needs: str
    """Without an interval: how long the run would have to be for one."""
    limit: str
    note: str
    open_because: str
    """Why `passed` is None."""


class WindowTable(NamedTuple):
    """One figure by window. Each row is (start, samples, figure)."""

    title: str
    rows: list[tuple[str, str, str]]


class LatencyRow(NamedTuple):
    """One latency metric: its label, which depends on the load model, and its figures."""

    label: str
    stats: Stats


class GroupRow(NamedTuple):
    """One event type, phase or case."""

    name: str
    note: str
    totals: Totals


class CaseRow(NamedTuple):
    """One case: the expected answer and the violations. `upper`: upper bound of the accepted share, as text."""

    name: str
    expects: str
    sent: int
    accepted: int
    refused: int
    violations: int
    upper: str
    stats: Stats


class OutcomeRow(NamedTuple):
    """The count of one status or error kind."""

    name: str
    times: int
    share: str
    meaning: str
    good: bool


class AnswerRow(NamedTuple):
    """Answers of the endpoint with one status or error kind: (events, text), identical texts joined."""

    kind: str
    times: int
    said: list[tuple[str, str]]


def run_words(result: RunResult) -> list[str]:
    """What identifies the run: id, model, workers, seed, recorded time."""
    run = result.run
    duration = result.totals.duration_s
    words = [f"run {run.id}", f"{run.model} model", counted(run.workers, "worker")]
    words += [f"seed {run.seed}", f"{figures.milliseconds(None if duration is None else 1000 * duration)}"]
    words += [f"ended early at {run.aborted.at_s:.1f} s"] if run.aborted is not None else []
    return [*words, "interrupted"] if run.interrupted else words


def count_figures(result: RunResult) -> list[Figure]:
    """The counts of events: each with its rate or share below it, and its meaning."""
    totals = result.totals
    planned, sent, completed = map(figures.per_second, (totals.rate_planned, totals.rate_sent, totals.rate_completed))
    received = f"{figures.size(totals.bytes_received)} in"
    return [
        Figure("planned", figures.count(totals.planned), planned, "events that became due"),
        Figure("sent", figures.count(totals.sent), sent, "started, including those that waited for a connection"),
        Figure(
            "completed",
            figures.count(totals.completed),
            completed,
            "complete answers; the rate counts those that came while recording",
        ),
        Figure(
            "2xx", figures.count(totals.succeeded), figures.share(totals.success_rate), "the share is of those sent"
        ),
        Figure("failed", figures.count(totals.failed), "", "sent and not answered 2xx"),
        Figure(
            "dropped", figures.count(totals.dropped), "", "no connection was free, and the scenario says not to wait"
        ),
        Figure("unfinished", figures.count(totals.unfinished), "", "still in flight when the drain ended"),
        Figure("bytes out", figures.size(totals.bytes_sent), received, "bytes of requests and, below, of answers"),
    ]


def target_of(result: RunResult) -> dict[str, Any]:
    """The `[target]` of the stored scenario; empty where it has none."""
    target = result.run.scenario.get("target")
    return target if isinstance(target, dict) else {}


def receiver_words(result: RunResult) -> str:
    """The embedded receiver's own counts beside the number sent; empty for other targets."""
    seen = result.receiver
    if seen is None:
        return ""
    sent = sum(phase.attempts + (phase.refusals_due or 0) for phase in result.by_phase.values())
    recorded = result.totals.attempts + (result.totals.refusals_due or 0)
    words = (
        f"the receiver counted {counted(seen['received'], 'event')}, {seen['verified']:,} verified; {sent:,} were sent"
    )
    return words + (", warm-up included" if sent != recorded else "")


def headline(result: RunResult) -> str:
    """The reason for the verdict in a few words."""
    rows = result.verdict.objectives
    failed = sum(row.passed is False for row in rows)
    passed = sum(row.passed is True for row in rows)
    outcome = result.verdict.outcome
    if outcome == "none":
        return "not judged yet"
    if outcome == "invalid":
        return f"invalid measurement: {counted(len(result.validity.reasons), 'reason')}"
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
    except UsageError:  # stored by a version with other names
        limit, bound = "", None
    else:
        bound = objective.value
        limit = f"{objective.op} {figures.observed(bound, row.unit)}"
    span = figures.interval(*row.ci95) if row.ci95 and row.unit == "ms" else ""
    observed = at_least(figures.observed(row.observed, row.unit, bound), lower_bound=row.at_least)
    doubted = row.passed is None and row.without_generator is not None
    why = row.note if doubted else "could not be judged"
    needs = "" if span or row.needs_s is None else figures.needed(row.needs_s)
    return ObjectiveLine(row.passed, row.text, observed, span, needs, limit, "; ".join(notes), why)


def at_least(figure: str, *, lower_bound: bool) -> str:
    """The figure, marked where it falls on events that were still under way at the end."""
    return f"≥ {figure}" if lower_bound else figure


def latency_text(stats: Stats, name: str) -> str:
    """One figure of a latency, such as `p99`: `12.3 ms`, or `≥ 5.00 s` for a lower bound."""
    value = getattr(stats, name)
    return at_least(figures.milliseconds(value), lower_bound=value is not None and name in stats.lower_bounds)


def ok_stats(totals: Totals, metric: str = "response") -> Stats:
    """Latencies of the events answered 2xx."""
    return totals.by_status.get("2xx", {}).get(metric, Stats(count=0))


def latency_rows(result: RunResult, group: Totals | None = None) -> list[LatencyRow]:
    """response, that of 2xx answers alone, service, lag and wait. A closed run has no lag, and its response time is its
    service time.

    connect and tls are shown only where many events opened a connection.
    """
    latency = (group or result.totals).latency_ms
    labels = {"response": "response", "service": "service", "lag": "lag", "wait": "wait"}
    read = latency.get("receipt")
    if result.run.model == "closed":
        labels = {"response": "service time (closed model)", "wait": "wait"}
    opened = latency.get("connect")
    if opened is not None and opened.count >= _MANY_CONNECTIONS * max(1, (group or result.totals).sent):
        secured = latency.get("tls")
        labels |= {"connect": "connect"} | ({"tls": "TLS handshake"} if secured and secured.count else {})
    labels |= {"receipt": "receipt"} if read and read.count else {}
    rows = [LatencyRow(label, latency[name]) for name, label in labels.items() if name in latency]
    if (group or result.totals).by_status:
        rows.insert(1, LatencyRow(f"{rows[0].label}, 2xx", ok_stats(group or result.totals)))
    return rows


def window_tables(result: RunResult) -> list[WindowTable]:
    """The windows of every objective over windows, at most MOST_ROWS of each."""
    found = []
    for course in result.windows:
        try:
            objective = parse_objective(f"{course.figure} > 0")
        except UsageError:  # stored by a version with other names
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
    """The metric in the latency columns of the smaller tables."""
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
    """Every case, genuine first; none in a run without cases."""
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
    """The answers to events that were to be refused; empty where there were none."""
    totals = result.totals
    if not totals.refusals_due:
        return ""
    accepted = (
        f"{figures.count(totals.forged_accepted)} accepted (at most {figures.share(totals.forged_accepted_upper)}"
    )
    share = figures.share(totals.refused_badly_upper)
    wrong = f"{counted(totals.refused_badly or 0, 'wrong refusal')} (at most {share}"
    return f"of {counted(totals.refusals_due, 'event')} to be refused: {accepted} at 95 %), {wrong})"


def spread_words(result: RunResult) -> str:
    """The times between the copies of duplicated events; empty where there were none."""
    found = result.duplicates
    if found is None:
        return ""
    p50, p99, most = (
        figures.milliseconds(ms) for ms in (found.spread_p50_ms, found.spread_p99_ms, found.spread_max_ms)
    )
    return f"the copies of {counted(found.events, 'event')} were sent within {p50} (p50), {p99} (p99), {most} at most"


def duplicate_rows(result: RunResult) -> list[tuple[str, DuplicateRow]]:
    """The answers to duplicated events, by when a copy came; none in a run without duplicates."""
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
    """The answers of one row of duplicates: `200: 40, 409: 12`."""
    counts = {**row.status, **row.errors} | ({"unfinished": row.unfinished} if row.unfinished else {})
    return ", ".join(f"{name}: {figures.count(n)}" for name, n in _ranked(counts))


def outcome_rows(result: RunResult) -> list[OutcomeRow]:
    """Statuses, then error kinds, the most frequent first; then the unfinished events."""
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
            OutcomeRow("unfinished", totals.unfinished, share, "still in flight when the drain ended", good=False)
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
    """The first answers of each failing status and error kind, the most frequent kind first."""
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
    """The limits of the run in sentences: connections, addresses, lag, the generator."""
    limits = result.limits
    # a generator that lagged or was lost is a limit too, and the verdict names it
    lines = [note for note in limits.notes if result.validity.valid or note != UNLIMITED]
    lines.append(f"connections: at most {limits.connections_peak:,} of {limits.connections:,} open at once")
    lines += address_lines(result.addresses)
    if limits.lag_p99_ms is not None and result.run.model == "open":
        lines.append(f"generator lag: p99 {figures.milliseconds(limits.lag_p99_ms)}")
    lines += _pause_lines(result)
    if result.generator_limits is not None:
        lines.append(generator_words(result.generator_limits))
    if result.totals.after_end:
        after_end = counted(sum(result.totals.after_end.values()), "answer")
        lines.append(f"{after_end} came after recording had ended: the completed rate is without them")
    if result.totals.unsent:
        lines.append(f"{counted(result.totals.unsent, 'event')} ended without a byte sent")
    return lines


def _pause_lines(result: RunResult) -> Iterator[str]:
    """How long the generator was kept from its work, as far as that is known."""
    limits = result.limits
    if limits.pauses:
        away = "" if limits.away_s is None else f", {figures.milliseconds(1000 * limits.away_s)} of the recorded time"
        longest = figures.milliseconds(1000 * limits.longest_pause_s)
        yield f"the generator was away {limits.pauses:,} time{'s' * (limits.pauses != 1)}{away}, the longest {longest}"
    queued = max((shard.queued_s for shard in result.shards if shard.queued_s is not None), default=0.0)
    if queued >= _QUEUED_S:
        yield f"a generator process waited {figures.milliseconds(1000 * queued)} for a core"
    if limits.steal_share is not None and limits.steal_share >= _STOLEN:
        yield f"the hypervisor gave {figures.share(limits.steal_share)} of this machine's processor time to others"


def generator_words(limits: GeneratorLimits) -> str:
    """The generator's own limits on this machine: the latency that it adds, and its highest rate."""
    p50, p99 = figures.milliseconds(limits.service_p50_ms), figures.milliseconds(limits.service_p99_ms)
    share = limits.generator_cpu_share
    # with processor time left, the generator did not limit the rate: it could have sent more
    bound = "at least" if share is not None and share < BUSY_CORE else "at most"
    return (
        f"this generator's limits here: service p50 {p50}, p99 {p99}, {bound} {figures.count(limits.rate_max)}/s per "
        f"process (measured {limits.measured_at[:10]})"
    )
