"""A run and a collector that decodes what it gets by OpenTelemetry's own types: totals, ids and times are those of the
result."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.metrics.export import MetricsData

from loadsim.cases import case_rules
from loadsim.engine.sampled_rows import MOST_A_SECOND
from loadsim.launch.run_lifecycle import Run
from loadsim.measure.histogram_codec import decode
from loadsim.measure.named_events import SLOWEST
from loadsim.measure.result import RunResult, dump_result
from loadsim.measure.trace_ids import TraceContext, TraceIds
from loadsim.model import Secret
from loadsim.plan import RunSpec, from_document
from loadsim.run.otlp import of_run
from loadsim.run.otlp.collector import Collector
from loadsim.run.run_store_judge import run_load

Values = dict[str, Any]


@dataclass
class CollectorServer:
    """What a collector got. It answers `status`, once its gate is open."""

    status: int = 200
    content_type: str = "application/x-protobuf"
    url: str = ""
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    traces: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.headers.append(dict(request.headers))
        if request.path == "/otlp/v1/metrics":
            self.metrics.append(ExportMetricsServiceRequest.FromString(body))
        else:
            assert request.path == "/otlp/v1/traces"
            self.traces.append(ExportTraceServiceRequest.FromString(body))
        await self.gate.wait()
        more = {"Location": "/elsewhere"} if 300 <= self.status < 400 else None
        return web.Response(status=self.status, body=b"::error::hidden", content_type=self.content_type, headers=more)

    @property
    def spans(self) -> Iterator[Span]:
        for request in self.traces:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans

    def latest(self, name: str) -> Iterator[Any]:
        """The data points of a metric in the last request."""
        for resource in self.metrics[-1].resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        yield from getattr(metric, str(metric.WhichOneof("data"))).data_points


@dataclass
class Endpoint:
    """An endpoint that keeps each delivery's trace context; it refuses `refused` of the attempts of each event."""

    refused: int = 0
    url: str = ""
    contexts: dict[tuple[int, int], str] = field(default_factory=dict)

    async def take(self, request: web.BaseRequest) -> web.Response:
        await request.read()
        _, index, attempt = request.headers["X-Loadsim-Id"].split("/")
        self.contexts[int(index), int(attempt)] = request.headers.get("traceparent", "")
        return web.Response(status=503 if int(attempt) <= self.refused else 200)


@contextlib.asynccontextmanager
async def served(server: CollectorServer | Endpoint, path: str) -> AsyncIterator[None]:
    runner = web.ServerRunner(web.Server(server.take, access_log=None), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    try:
        yield
    finally:
        if isinstance(server, CollectorServer):
            server.gate.set()
        await runner.cleanup()


@contextlib.asynccontextmanager
async def collecting(status: int = 200, *, answers: bool = True) -> AsyncIterator[CollectorServer]:
    collector = CollectorServer(status)
    if answers:
        collector.gate.set()
    async with served(collector, "/otlp"):
        yield collector


async def ran(out: Path, otlp: str, endpoint: Endpoint, **tables: Any) -> tuple[RunResult, list[str]]:
    """A short run against the endpoint, and what it said."""
    said: list[str] = []

    @contextlib.asynccontextmanager
    async def listening(run: Run) -> AsyncIterator[None]:
        run.tell = said.append
        yield

    async with served(endpoint, "/hook"):
        document = {
            "name": "observed",
            "target": {"url": endpoint.url, "timeout": "60s"},
            "validity": {"lag": "1h"},
            "phases": [
                {"name": "warm", "rate": "200/s", "duration": "200ms", "record": False},
                {"name": "main", "rate": "200/s", "duration": "1s"},
            ],
            "trace": {"sampled": "30%"},
            **tables,
        }
        document = {key: table for key, table in document.items() if table is not None}
        scenario = from_document(
            document, "test", known_types=["desktop.app_tracking.captured"], known_cases=case_rules()
        )
        spec = RunSpec(
            scenario=scenario,
            seed=5,
            secret=Secret("hidden-key"),
            out=out,
            otlp=otlp,
            workers=2,
            tags={"commit": "abc"},
        )
        return (await run_load(spec, listening)).result, said


def values(attributes: Any) -> Values:
    """Attributes as a dictionary."""

    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, str(pair.value.WhichOneof("value")))

    return {pair.key: value(pair) for pair in attributes}


def ids_of(span: Span) -> TraceContext:
    return TraceContext(span.trace_id.hex(), span.span_id.hex(), sampled=True)


async def test_the_last_figures_are_the_totals_of_the_result(tmp_path: Path) -> None:
    async with collecting() as collector:
        cases = [{"kind": "wrong_secret", "share": 0.3, "expect": "refuse"}]
        result, said = await ran(tmp_path, collector.url, Endpoint(), cases=cases)
    assert said == []
    (resource,) = collector.metrics[-1].resource_metrics
    shared = values(resource.resource.attributes)
    assert shared["service.name"] == "loadsim"
    assert shared["service.instance.id"] == shared["loadsim.run.id"] == result.run.id
    assert (shared["loadsim.scenario"], shared["loadsim.tag.commit"]) == ("observed", "abc")

    ended: Counter[tuple[str, str, int]] = Counter()
    for point in collector.latest("loadsim.events.ended"):
        named = values(point.attributes)
        key = named["loadsim.phase"], named["loadsim.case"], named["http.response.status_code"]
        ended[key] += point.as_int
        assert point.time_unix_nano > point.start_time_unix_nano
    assert ended["main", "genuine", 200] == result.totals.status["200"]
    assert ended["main", "wrong_secret", 200] == result.by_case["wrong_secret"].sent > 0
    warm = result.by_phase["warm"]
    assert (ended["warm", "genuine", 200], ended["warm", "wrong_secret", 200]) == (warm.sent, warm.refusals_due)
    everything = ended.total()
    for name in ("planned", "sent"):
        assert [point.as_int for point in collector.latest(f"loadsim.events.{name}")] == [everything]
    assert [point.as_int for point in collector.latest("loadsim.events.in_flight")] == [0]

    for metric in ("response", "service", "lag"):
        (point,) = (
            point
            for point in collector.latest(f"loadsim.{metric}.duration")
            if values(point.attributes) == {"loadsim.phase": "main"}
        )
        _, counts = decode(result.histograms[metric])
        assert point.count == point.zero_count + sum(point.positive.bucket_counts) == counts.sum()
        stats = result.totals.latency_ms[metric]
        assert point.max == pytest.approx((stats.max or 0) / 1000)
        assert point.sum / point.count == pytest.approx((stats.mean or 0) / 1000)


@pytest.mark.parametrize(
    ("refused", "tables"),
    [
        (0, {}),
        (1, {"retry": {"schedule": ["20ms"]}}),
        (0, {"cases": [{"kind": "duplicate", "share": 0.5, "copies": 3}]}),
    ],
)
async def test_spans_are_the_parents_of_what_the_endpoint_saw(
    tmp_path: Path, refused: int, tables: dict[str, Any]
) -> None:
    endpoint = Endpoint(refused)
    async with collecting() as collector:
        result, said = await ran(tmp_path, collector.url, endpoint, **tables)
    assert said == []
    ids = TraceIds(result.run.id, 0.3)
    spans = {}
    for span in collector.spans:
        named = values(span.attributes)
        delivery = named["loadsim.event.index"], named["loadsim.attempt"]
        assert delivery not in spans
        spans[delivery] = span
        assert ids_of(span) == ids.of(*delivery)
        assert span.parent_span_id == b""
        assert span.kind == Span.SPAN_KIND_CLIENT
        assert named["loadsim.due_unix_nano"] <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert [
            span.start_time_unix_nano <= each.time_unix_nano <= span.end_time_unix_nano for each in span.events
        ] == [True]
        failed = named["loadsim.attempt"] <= refused
        assert span.status.code == (Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET)
        assert named["http.response.status_code"] == (503 if failed else 200)
    asked = {
        delivery: text
        for delivery, text in endpoint.contexts.items()
        if text.endswith("-03") and (refused or delivery[1] == 1)  # of several copies, the first
    }
    assert spans.keys() == asked.keys()
    assert len(spans) > SLOWEST
    for delivery, text in asked.items():
        assert text.split("-")[1:3] == [spans[delivery].trace_id.hex(), spans[delivery].span_id.hex()]
    # response times are those of the result
    for event in result.slowest["response"]:
        if event.sampled and (event.index, event.attempt) in spans:
            of_span = values(spans[event.index, event.attempt].attributes)
            assert of_span["loadsim.response_ms"] == pytest.approx(event.response_ms)


async def test_without_a_trace_there_are_metrics_alone(tmp_path: Path) -> None:
    async with collecting() as collector:
        await ran(tmp_path, collector.url, Endpoint(), trace=None)
    assert collector.metrics
    assert not collector.traces


async def test_headers_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hidden-token")
    async with collecting(status=401) as collector:
        result, said = await ran(tmp_path, collector.url, Endpoint())
    assert {headers["x-key"] for headers in collector.headers} == {"hidden-token"}
    assert said == [f"OTLP: {collector.url}: it answered 401; the run goes on"]
    assert result.totals.status == {"200": 200}
    assert b"hidden-token" not in dump_result(result)


@pytest.mark.parametrize(
    ("status", "content_type", "said"),
    [
        (307, "text/plain", "it answered 307, a redirect, which is not followed"),
        (200, "text/html", "it answered 200 with a page of HTML: it is no collector"),
    ],
)
async def test_what_is_no_collector_is_not_believed(
    status: int, content_type: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hidden-token")
    async with collecting(status=status) as collector:
        collector.content_type = content_type
        result, lines = await ran(tmp_path, collector.url, Endpoint())
    assert lines == [f"OTLP: {collector.url}: {said}; the run goes on"]
    assert result.totals.status == {"200": 200}


async def test_a_dead_collector_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with collecting() as collector:
        url = collector.url
    result, said = await ran(tmp_path, url.replace("http://", "http://user:hidden@"), Endpoint())
    assert said == [f"OTLP: {url.replace('http://', 'http://***@')}: connection refused; the run goes on"]
    assert (result.totals.planned, result.totals.status) == (200, {"200": 200})
    assert caplog.text == ""


async def test_a_collector_that_never_answers_holds_the_end_for_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_run, "FLUSH_S", 0.01)
    async with collecting(answers=False) as collector:
        result, _ = await ran(tmp_path, collector.url, Endpoint())
        assert not collector.gate.is_set()
    assert result.totals.status == {"200": 200}


async def test_spans_that_are_too_many_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector:
        tables = {
            "trace": {"sampled": "100%"},
            "phases": [{"name": "main", "rate": "2000/s", "duration": "1s"}],
        }
        result, said = await ran(tmp_path, collector.url, Endpoint(), **tables)
    sent = len(list(collector.spans))
    assert result.totals.sent == 2000
    assert said == [f"OTLP: {2000 - sent:,} spans left out: at most {MOST_A_SECOND} a second are sent"]


def test_an_exporter_that_raises_is_a_reason_without_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(*_: object, **__: object) -> None:
        raise ValueError("http://user:hidden@collector.example.test")

    monkeypatch.setattr(OTLPMetricExporter, "export", export)
    collector = Collector("http://127.0.0.1:4318")
    assert collector.take_metrics(MetricsData([])) == "OpenTelemetry could not send it (ValueError)"
    collector.close()
