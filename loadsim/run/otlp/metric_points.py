"""The figures of a run as metrics of OpenTelemetry.

All are cumulative since the start of the run: what a collector missed is in what it gets next, every backend takes them
(Prometheus takes no deltas), and the last ones are the totals of the run. Names and units follow the semantic
conventions: durations in seconds, `http.response.status_code` for an answer, `error.type` for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from loadsim.measure.run_figures import METRICS, Latency, RunFigures
from loadsim.measure.strata import StratumNames
from loadsim.model import NS_PER_S
from loadsim.outcome_codes import DROPPED, ERROR_BASE, kind_name

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_WORDS = {
    "response": "Time from when an event was due to the end of its answer",
    "service": "Time from the first byte sent to the end of the answer",
    "lag": "How late the generator released events",
    "receipt": "How late the generator read answers",
}
Attributes = Mapping[str, str | int]


def outcome_attributes(code: int) -> dict[str, str | int]:
    """What became of an event: its status, or the kind of its error."""
    return {"http.response.status_code": code} if code < ERROR_BASE else {"error.type": kind_name(code)}


class MetricPoints:
    """Makes the metrics of one run, which began at `start_ns` (ns since 1970)."""

    def __init__(self, resource: Resource, scope: InstrumentationScope, names: StratumNames, start_ns: int) -> None:
        self._resource, self._scope, self._names, self._start_ns = resource, scope, names, start_ns

    def of(self, figures: RunFigures, at_ns: int) -> MetricsData:
        """The metrics at one moment, ns since 1970."""
        now = figures.progress
        dropped = sum(count for ending, count in figures.ended.items() if ending.code == DROPPED)

        def number(value: float, attributes: Attributes = {}) -> NumberDataPoint:  # noqa: B006 - is not changed
            return NumberDataPoint(attributes, self._start_ns, at_ns, value)

        def total(name: str, words: str, points: Sequence[NumberDataPoint]) -> Metric:
            return Metric(f"loadsim.events.{name}", words, "{event}", Sum(points, _CUMULATIVE, is_monotonic=True))

        def gauge(name: str, words: str, unit: str, value: float) -> Metric:
            return Metric(f"loadsim.events.{name}", words, unit, Gauge([number(value)]))

        ended = [
            number(count, self._attributes(ending.phase, ending.case) | outcome_attributes(ending.code))
            for ending, count in figures.ended.items()
        ]
        metrics = [
            total("planned", "Events that became due", [number(now.planned)]),
            total("sent", "Events that were released", [number(now.sent - dropped)]),
            total("ended", "Events by what became of them", ended),
            gauge("in_flight", "Events under way", "{event}", now.in_flight),
            gauge("waiting", "Events that wait for a connection", "{event}", now.queued),
            gauge("planned.rate", "Events that became due in the last second", "{event}/s", now.rate_planned),
            gauge("sent.rate", "Events that were released in the last second", "{event}/s", now.rate_sent),
        ]
        for metric in METRICS:
            points = [self._histogram(each, at_ns) for each in figures.latencies if each.metric is metric]
            name, words = f"loadsim.{metric.name}.duration", _WORDS[metric.name]
            metrics.append(Metric(name, words, "s", ExponentialHistogram(points, _CUMULATIVE)))
        metrics = [metric for metric in metrics if metric.data.data_points]
        return MetricsData([ResourceMetrics(self._resource, [ScopeMetrics(self._scope, metrics, "")], "")])

    def _histogram(self, latency: Latency, at_ns: int) -> ExponentialHistogramDataPoint:
        buckets, moments = latency.buckets, latency.moments
        return ExponentialHistogramDataPoint(
            attributes=self._attributes(latency.phase),
            start_time_unix_nano=self._start_ns,
            time_unix_nano=at_ns,
            count=buckets.zeros + sum(buckets.counts),
            sum=moments.total / NS_PER_S,
            scale=buckets.scale,
            zero_count=buckets.zeros,
            positive=Buckets(buckets.offset, buckets.counts),
            negative=Buckets(0, []),
            flags=0,
            min=moments.min / NS_PER_S,
            max=moments.max / NS_PER_S,
        )

    def _attributes(self, phase: int, case: int | None = None) -> dict[str, str | int]:
        named: dict[str, str | int] = {"loadsim.phase": self._names.phases[phase]}
        return named if case is None else named | {"loadsim.case": self._names.cases[case]}
