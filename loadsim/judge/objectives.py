"""Parses objectives: k6's threshold strings, with units; and adds the default objectives.

`[metric{tag:value}: ]aggregation op value[ over WINDOW]`, as in `p(99) < 250ms` or `success{event:T}: rate >= 99.9%`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from loadsim.judge.vocabulary import (
    AGGREGATIONS,
    EFFECT_METRICS,
    K6_EXPECTED,
    K6_METRICS,
    LEDGER_METRICS,
    METRICS,
    NAMES_SUCCESS,
    RETRY_METRICS,
    SERIES_TAG,
    TAGS,
    WATCH,
    WHOLE_RUN_METRICS,
    MetricKind,
    Vocabulary,
    unknown,
)
from loadsim.measure.cells import BY_STATUS, SLICE_NS, STATUS_PARTS
from loadsim.measure.hdr import PERCENTILES
from loadsim.measure.result import RunResult
from loadsim.model import Objective, UsageError
from loadsim.plan.scenario import ObjectiveRule
from loadsim.plan.units import UnitError, format_duration, parse_duration

DEFAULT_OBJECTIVE = "success: rate >= 99%"
DEFAULT_OF_FORGED = "forged_accepted: count == 0"
FORM = (
    "[metric{tag:value}: ]aggregation op value[ over WINDOW], as in 'p(99) < 250ms', 'success: rate >= 99%' or "
    "'p(99) < 250ms over 10s'"
)

_HEAD = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(?:\{([^{}]*)\})?\s*:(.*)", re.DOTALL)
_TEST = re.compile(r"\s*([^<>=!]*?)\s*(<=|>=|===|==|!=|<|>)\s*(.*?)\s*", re.DOTALL)
_OVER = re.compile(r"(.*\S)\s+over\s+(\S+)\s*", re.DOTALL)
_PERCENTILE = re.compile(r"p\(\s*([0-9]{1,3}(?:\.[0-9]{1,12})?)\s*\)")
_NEARLY_PERCENTILE = re.compile(r"p\(?([0-9]{1,2}(?:\.[0-9]{1,12})?)%?\)?")
"""Other ways to write p(N): p95, p(95%)."""
_NUMBER = re.compile(r"((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))\s*(\S*)")

_MS = {"": Decimal(1), "ms": Decimal(1), "s": Decimal(1000), "m": Decimal(60_000)}
_MS |= {unit: Decimal("0.001") for unit in ("us", "µs", "μs")}
_PER_SECOND = {"": Decimal(1), "/s": Decimal(1), "/m": Decimal(1) / 60, "/h": Decimal(1) / 3600}
_UNITS: dict[str, dict[str, Decimal]] = {
    "ms": _MS,
    "fraction": {"": Decimal(1), "%": Decimal("0.01")},
    "events": {"": Decimal(1)},
    "events/s": _PER_SECOND,
    "number": {"": Decimal(1), "ms": Decimal("0.001"), "s": Decimal(1)}
    | {unit: Decimal(10) ** power for unit, power in (("KB", 3), ("MB", 6), ("GB", 9))},
}
TAGGED_HISTOGRAMS = ("response", "service")
BY_STATUS_NAMES = tuple(metric.name for metric in BY_STATUS)
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def parse_objective(text: str) -> Objective:
    """Parse one objective. Raises UsageError, in one line, for any text that is not an objective."""
    text = " ".join(text.split())
    head = _HEAD.fullmatch(text)
    named, raw_tags, test_text = head.groups() if head else (None, None, text)
    over = _OVER.fullmatch(test_text)
    test_text, window_text = over.groups() if over else (test_text, None)
    test = _TEST.fullmatch(test_text)
    if test is None:
        raise UsageError(f"objective {text!r}: no comparison found; write {FORM}")
    aggregation_text, op, value_text = test.groups()
    op = "==" if op == "===" else op
    metric = _metric(text, named)
    aggregation = _aggregation(text, metric, aggregation_text, explicit=named is not None)
    value = _value(text, unit_of(metric, aggregation), value_text)
    if named == "http_req_failed":
        op, value = _MIRRORED[op], 1 - value
    tags = _tags(text, metric, raw_tags, of_k6=named in K6_METRICS)
    if tags and METRICS[metric] == "trend" and window_text is None:
        _check_kept(text, metric, aggregation, dict(tags))
    objective = Objective(
        text=text,
        metric=metric,
        aggregation=aggregation,
        op=op,
        value=float(value),
        tags=tags,
        window_ns=None if window_text is None else _window(text, metric, window_text),
    )
    return _with_translation(objective, named)


def objectives_of(
    given: Iterable[str | ObjectiveRule], vocabulary: Vocabulary, *, defaults: bool = True
) -> tuple[Objective, ...]:
    """The objectives of a run, in the order given, and with `defaults` the default ones: on success, and on forged
    events where a case expects refusal, each unless an objective names its figure already.

    An objective over windows does not replace a default: it would miss failures after the last whole window. Raises
    UsageError for a text that is not an objective, or that names something the scenario cannot produce.
    """
    objectives: dict[str, Objective] = {}
    for each in given:
        rule = ObjectiveRule(objective=each) if isinstance(each, str) else each
        objective = parse_objective(rule.objective)
        vocabulary.check(objective)
        if rule.abort and objective.metric in WHOLE_RUN_METRICS and not _grows(objective):
            raise UsageError(
                f"objective {objective.text!r}: {objective.metric} is known when the run is over, so it cannot end one "
                "early: give it as an objective without abort"
            )
        before = objectives.get(objective.text, objective)
        objectives[objective.text] = replace(before, abort=before.abort or rule.abort)
    named = {each.metric for each in objectives.values() if each.window_ns is None}
    wanted = [] if named & set(NAMES_SUCCESS) else [DEFAULT_OBJECTIVE]
    wanted += [DEFAULT_OF_FORGED] if vocabulary.has_cases and "forged_accepted" not in named else []
    added = [replace(parse_objective(text), default=True) for text in wanted if defaults]
    return (*objectives.values(), *added)


def _grows(objective: Objective) -> bool:
    """Whether its figure is known while the run goes on, and can only get worse."""
    return objective.metric == "backlog" and objective.aggregation == "max" and objective.op in ("<", "<=")


def texts_of(result: RunResult) -> tuple[str, ...]:
    """The objectives of a stored result, without the default ones, which `objectives_of` adds."""
    if result.verdict.objectives:
        return tuple(row.text for row in result.verdict.objectives if not row.default)
    stored = result.run.scenario.get("objectives")
    if not isinstance(stored, list):
        return ()
    return tuple(str(each.get("objective", "")) if isinstance(each, dict) else str(each) for each in stored)


def canonical(objective: Objective) -> str:
    """The objective with loadsim's own names and canonical units; it parses to the same objective."""
    over = "" if objective.window_ns is None else f" over {format_duration(objective.window_ns)}"
    return f"{figure_of(objective)} {objective.op} {limit_text(objective)}{over}"


def figure_of(objective: Objective) -> str:
    """The figure of an objective, without its limit: `response{phase:steady}: p(99)`."""
    tags = "{" + ",".join(f"{tag}:{value}" for tag, value in objective.tags) + "}" if objective.tags else ""
    return f"{objective.metric}{tags}: {objective.aggregation}"


def limit_text(objective: Objective) -> str:
    """The limit with its unit, as `canonical` writes it: `250ms`, `99%`, `0`, `480/s`."""
    unit = unit_of(objective.metric, objective.aggregation)
    exact = Decimal(repr(objective.value))
    if unit == "fraction":
        return f"{_plain(exact * 100)}%"
    return _plain(exact) + {"ms": "ms", "events": "", "events/s": "/s", "number": ""}[unit]


def unit_of(metric: str, aggregation: str) -> str:
    """The canonical unit: `ms`, `fraction`, `events`, `events/s`, or `number` of what has a unit of its own."""
    kind: MetricKind = METRICS[metric]
    if kind in ("trend", "duration"):
        return "ms"
    if kind == "gauge":
        return "events"
    if kind == "rate":
        return "fraction"
    if kind == "series":
        return "number"
    return "events" if aggregation == "count" else "events/s"


def status_of(objective: Objective) -> str | None:
    """The value of its status tag: a status or a class of them."""
    return dict(objective.tags).get("status")


def counted_status(code: str, wanted: str) -> bool:
    """Whether a status is the one, or of the class, that a status tag names."""
    return code == wanted or (wanted in STATUS_PARTS and code[:1] == wanted[:1])


def percentile_of(aggregation: str) -> Decimal | None:
    """N of `p(N)`, exactly as written (50 for `med`); None for every other aggregation."""
    if aggregation == "med":
        return Decimal(50)
    match = _PERCENTILE.fullmatch(aggregation)
    return Decimal(match.group(1)) if match else None


def _metric(text: str, named: str | None) -> str:
    if named is None:
        return "response"
    metric = K6_METRICS.get(named, named)
    if metric not in METRICS:
        raise unknown(text, "metric", named, (*METRICS, *K6_METRICS))
    return metric


def _aggregation(text: str, metric: str, written: str, *, explicit: bool) -> str:
    match = _PERCENTILE.fullmatch(written)
    known = AGGREGATIONS[METRICS[metric]]
    if match and "p(N)" in known:
        percentile = Decimal(match.group(1))
        if not 0 < percentile < 100:
            raise UsageError(f"objective {text!r}: N of p(N) must lie between 0 and 100")
        return f"p({_plain(percentile)})"
    if written in known and written != "p(N)":
        return written
    if not explicit and (written in METRICS or written in K6_METRICS):
        first = AGGREGATIONS[METRICS[K6_METRICS.get(written, written)]][0]
        raise UsageError(
            f"objective {text!r}: {written!r} is a metric and needs an aggregation, as in '{written}: {first}'"
        )
    if not explicit and written in ("rate", "count"):
        having = [name for name, kind in METRICS.items() if written in AGGREGATIONS[kind]]
        raise UsageError(f"objective {text!r}: {written!r} needs its metric before it (one of {', '.join(having)})")
    near = _NEARLY_PERCENTILE.fullmatch(written)
    meant = (f"p({near[1]})",) if near and "p(N)" in known else ()
    raise unknown(text, f"aggregation of {metric}", written, known, meant)


def _tags(text: str, metric: str, raw: str | None, *, of_k6: bool) -> tuple[tuple[str, str], ...]:
    if metric == WATCH:
        return _series_tag(text, raw or "")
    if raw is None or not raw.strip():
        return ()
    tags: dict[str, str] = {}
    for part in raw.split(","):
        tag, colon, value = (piece.strip() for piece in part.partition(":"))
        if not colon or not value:
            raise UsageError(f"objective {text!r}: a tag is written tag:value, as in {{event:TYPE}}")
        if of_k6 and (tag, value) == K6_EXPECTED:
            tag, value = "status", "2xx"
        if tag not in TAGS:
            raise unknown(text, "tag", tag, TAGS)
        if tag in tags:
            raise UsageError(f"objective {text!r}: tag {tag!r} is given twice")
        tags[tag] = value
    _check_tags(text, metric, tags)
    return tuple(sorted(tags.items()))


def _series_tag(text: str, raw: str) -> tuple[tuple[str, str], ...]:
    """The one tag of a watch. Its value may hold a colon."""
    tag, colon, value = (piece.strip() for piece in raw.partition(":"))
    if tag != SERIES_TAG or not colon or not value:
        raise UsageError(f"objective {text!r}: watch needs the name of its [[watch]], as in watch{{name:queue_depth}}")
    return ((SERIES_TAG, value),)


def _check_tags(text: str, metric: str, tags: dict[str, str]) -> None:
    if metric in (*LEDGER_METRICS, *RETRY_METRICS, *EFFECT_METRICS):
        raise UsageError(f"objective {text!r}: {metric} is known for the whole run only, without tags")
    if "status" in tags:
        _check_status(text, metric, tags["status"])
        if metric in BY_STATUS_NAMES and tags.keys() - {"status", "phase"}:
            raise UsageError(f"objective {text!r}: latencies by status are kept for the whole run and by phase only")
    if len(tags.keys() - {"status"}) > 1:
        raise UsageError(
            f"objective {text!r}: one of event, case and phase at a time, figures are not kept for combinations"
        )


def _check_status(text: str, metric: str, status: str) -> None:
    classes = ", ".join(STATUS_PARTS)
    if metric in BY_STATUS_NAMES:
        if status not in STATUS_PARTS:
            raise UsageError(
                f"objective {text!r}: latencies are kept by class of status, {classes}, not for {status!r}"
            )
    elif metric != "events":
        raise UsageError(
            f"objective {text!r}: the status tag selects counts of events, as in 'events{{status:503}}: count == 0', "
            f"and latencies, as in 'service{{status:2xx}}: p(95) < 250ms' ({', '.join(BY_STATUS_NAMES)})"
        )
    elif status not in STATUS_PARTS and not re.fullmatch(r"[1-5][0-9][0-9]", status):
        raise UsageError(f"objective {text!r}: status {status!r} is not an HTTP status (100-599, or {classes})")


def _check_kept(text: str, metric: str, aggregation: str, tags: Mapping[str, str]) -> None:
    """Refuse a percentile that results do not hold: by tag, there are histograms of few metrics only."""
    number = percentile_of(aggregation)
    kept = metric in BY_STATUS_NAMES if tags.keys() <= {"phase", "status"} else metric in TAGGED_HISTOGRAMS
    if kept or number is None or Fraction(number) / 100 in PERCENTILES.values():
        return
    known = ", ".join(f"p({_plain(Decimal(str(float(100 * q))))})" for q in PERCENTILES.values())
    raise UsageError(f"objective {text!r}: by tag, {metric} is kept for {known} only")


def _value(text: str, unit: str, written: str) -> Decimal:
    match = _NUMBER.fullmatch(written)
    units = _UNITS[unit]
    if match is None:
        raise UsageError(f"objective {text!r}: {written!r} is not a number with a unit; write {FORM}")
    suffix = match.group(2)
    if suffix not in units:
        raise unknown(text, "unit", suffix, [name for name in units if name])
    value = Decimal(match.group(1)) * units[suffix]
    if not math.isfinite(float(value)):
        raise UsageError(f"objective {text!r}: the limit is too large")
    if unit == "fraction" and value > 1:
        raise UsageError(f"objective {text!r}: a rate lies between 0 and 1 (or 0% and 100%), did you mean {written}%?")
    return value


def _window(text: str, metric: str, written: str) -> int:
    if metric in WHOLE_RUN_METRICS:
        raise UsageError(f"objective {text!r}: {metric} is known for the whole run only, not over windows")
    try:
        width = parse_duration(written)
    except UnitError as error:
        raise UsageError(f"objective {text!r}: over: {error}") from None
    if width <= 0 or width % SLICE_NS:
        raise UsageError(f"objective {text!r}: a window is a multiple of {format_duration(SLICE_NS)}, not {written}")
    return width


def _with_translation(objective: Objective, named: str | None) -> Objective:
    if named in K6_METRICS:
        return replace(objective, translated=canonical(objective))
    return objective


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
