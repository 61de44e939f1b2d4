"""Sampled deliveries as client spans: the parents of the spans that the endpoint makes, by the ids of `traceparent`.

A span lasts from the first byte sent to the end of the answer; a delivery of which no byte was sent begins when it was
due. What came before is in its attributes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from loadsim.measure.hdr import Ints
from loadsim.measure.named_events import failing
from loadsim.measure.outcome_columns import Column
from loadsim.measure.strata import StratumNames
from loadsim.measure.trace_ids import TraceIds
from loadsim.model import NS_PER_MS
from loadsim.outcome_codes import kind_name
from loadsim.run.otlp.metric_points import outcome_attributes

_FLAGS = TraceFlags(0b11)
"""Sampled, with a random trace id."""


class ClientSpans:
    """Makes the spans of one run. `url`: of the target, as it may be shown."""

    def __init__(
        self, resource: Resource, scope: InstrumentationScope, names: StratumNames, ids: TraceIds, url: str
    ) -> None:
        self._resource, self._scope, self._names, self._ids, self._url = resource, scope, names, ids, url

    def of(self, rows: Ints) -> Sequence[ReadableSpan]:
        """The spans of some deliveries, in the form of `engine.raw_log_rows`: times in ns since 1970."""
        numbers = self._ids.numbers(rows[:, Column.index], rows[:, Column.attempt])
        expects = [self._names.expects[self._names.unpack(stratum)[2]] for stratum in rows[:, Column.stratum].tolist()]
        bad = failing(rows[:, Column.code], np.array([expect == "refuse" for expect in expects], dtype=np.bool))
        return [
            self._span(row, *ids, failed=failed)
            for row, ids, failed in zip(rows.tolist(), numbers, bad.tolist(), strict=True)
        ]

    def _span(self, row: list[int], trace_id: int, span_id: int, *, failed: bool) -> ReadableSpan:
        phase, type_, case = self._names.unpack(row[Column.stratum])
        due, sent, done = row[Column.due], row[Column.sent], row[Column.done]
        attributes: dict[str, str | int | float] = {
            "http.request.method": "POST",
            "url.full": self._url,
            **outcome_attributes(row[Column.code]),
            "loadsim.event.index": row[Column.index],
            "loadsim.event.type": self._names.types[type_],
            "loadsim.attempt": row[Column.attempt],
            "loadsim.phase": self._names.phases[phase],
            "loadsim.case": self._names.cases[case],
            "loadsim.due_unix_nano": due,
            "loadsim.response_ms": (done - due) / NS_PER_MS,
        }
        if sent:
            attributes["loadsim.wait_ms"] = (sent - due) / NS_PER_MS
        if row[Column.attempt] > 1:
            attributes["http.request.resend_count"] = row[Column.attempt] - 1
        first = row[Column.first_byte]
        words = kind_name(row[Column.code]) if failed else None
        return ReadableSpan(
            f"POST {self._names.types[type_]}",
            context=SpanContext(trace_id, span_id, is_remote=False, trace_flags=_FLAGS),
            resource=self._resource,
            attributes=attributes,
            events=[Event("first byte", timestamp=first)] if first else [],
            kind=SpanKind.CLIENT,
            status=Status(StatusCode.ERROR, words) if failed else Status(StatusCode.UNSET),
            start_time=sent or due,
            end_time=done,
            instrumentation_scope=self._scope,
        )
