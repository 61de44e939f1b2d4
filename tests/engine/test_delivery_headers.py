"""The headers that name a delivery: once on every delivery of every transport, and `traceparent` only where asked."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from loadsim.engine import delivery_headers
from loadsim.engine.delivery_headers import DeliveryHeaders, line
from loadsim.engine.http2_headers import field
from loadsim.measure.trace_ids import TraceIds
from tests.engine.http2_servers import JudgeServer, over_http2
from tests.engine.running import TRANSPORTS, run, scenario
from tests.engine.servers import OK, Peer, Server

IDS = TraceIds("run", 0.5)
BUSY = OK.replace(b"200 OK", b"503 Busy")


class Seen:
    """A server's behaviour that keeps the headers of each delivery, by its id."""

    def __init__(self, *, failing: bool = False) -> None:
        self.failing = failing
        self.headers: dict[str, list[tuple[str, str]]] = {}
        self.deliveries: Counter[str] = Counter()

    def __call__(self, peer: Peer) -> None:
        while True:
            head = peer.request().partition(b"\r\n\r\n")[0].decode()
            pairs = [
                (name.lower(), value) for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])
            ]
            name = dict(pairs)["x-loadsim-id"]
            self.headers[name] = pairs
            self.deliveries[name] += 1
            peer.send(BUSY if self.failing and name.endswith("/1") else OK)


def contexts(seen: Seen) -> dict[str, tuple[str, str, bool]]:
    """What OpenTelemetry reads of each delivery."""
    found = {}
    for name, pairs in seen.headers.items():
        assert Counter(key for key, _ in pairs)["traceparent"] == 1
        carrier = {key: value for key, value in pairs if key in ("traceparent", "tracestate")}
        span = get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
        assert span.is_valid
        found[name] = (f"{span.trace_id:032x}", f"{span.span_id:016x}", bool(span.trace_flags.sampled))
    return found


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("phase", "retry", "cases"),
    [
        ({"rate": "300/s", "duration": "300ms"}, None, []),
        ({"connections": 3, "events": 40}, None, []),
        ({"rate": "100/s", "duration": "200ms"}, {"schedule": ["20ms"]}, []),
        ({"rate": "100/s", "duration": "300ms"}, None, [{"kind": "duplicate", "share": 0.5, "copies": 3}]),
    ],
)
def test_every_delivery_bears_its_own(
    phase: dict[str, Any], retry: dict[str, Any] | None, cases: list[dict[str, Any]], transport: str
) -> None:
    seen = Seen(failing=retry is not None)
    with Server(seen) as server:
        of = scenario([phase], {"url": server.url, "timeout": "60s"}, retry=retry, cases=cases)
        result = run(of, partial(TRANSPORTS[transport], traces=IDS))
    result.assert_balanced()
    assert set(result.outcomes) == {"200"}
    assert len(seen.headers) == result.planned * (2 if retry else 1)
    assert max(seen.deliveries.values()) == (4 if cases else 1)  # three at once, and one after them
    for name, context in contexts(seen).items():
        _, index, attempt = name.split("/")
        assert context == IDS.of(int(index), int(attempt))


def test_over_http_2_it_is_a_field_of_each_request() -> None:
    with JudgeServer() as server:
        target = {"url": server.url, "timeout": "60s", "http": "2"}
        of = scenario([{"rate": "300/s", "duration": "300ms"}], target)
        result = run(of, over_http2(traces=IDS))
    result.assert_balanced()
    assert set(result.outcomes) == {"200"}
    seen = Seen()
    seen.headers = {asked.id: [(name.decode(), value.decode()) for name, value in asked.fields] for asked in server.log}
    found = contexts(seen)
    assert found == {f"run/{index}/1": IDS.of(index) for index in range(90)}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_user_s_own_header_is_sent_where_no_trace_is_asked_for(transport: str) -> None:
    seen = Seen()
    own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Server(seen) as server:
        target = {"url": server.url, "timeout": "60s", "headers": {"traceparent": own}}
        run(scenario([{"connections": 1, "events": 3}], target), TRANSPORTS[transport]).assert_balanced()
    assert {dict(pairs)["traceparent"] for pairs in seen.headers.values()} == {own}
    assert set(contexts(seen).values()) == {(own[3:35], own[36:52], True)}


def lines_of(run_id: str | None, traces: TraceIds | None, index: int, attempt: int) -> bytes:
    """What is to be written, made one by one."""
    named = b"" if run_id is None else f"X-Loadsim-Id: {run_id}/{index}/{attempt}\r\n".encode()
    return named if traces is None else named + f"traceparent: {traces.value(index, attempt)}\r\n".encode()


@given(
    st.sampled_from([None, "r", "50%d", "20260504-091000-steady-3f2a"]),
    st.sampled_from([None, IDS]),
    st.lists(st.integers(0, 2**47) | st.integers(0, 1200), max_size=20),
    st.integers(1, 1200),
)
def test_lines_made_together_are_those_made_one_by_one(
    run_id: str | None, traces: TraceIds | None, indexes: list[int], attempt: int
) -> None:
    lines = DeliveryHeaders(run_id, traces).lines(line)
    wanted = {index: lines_of(run_id, traces, index, attempt) for index in indexes}
    assert lines.of(indexes, attempt) == wanted
    template = lines.template(attempt)
    assert (template is None) == (traces is not None)
    assert template is None or {index: template % index for index in indexes} == wanted


@given(st.lists(st.integers(0, 2**47), max_size=20), st.integers(1, 1200), st.integers(1, 200))
def test_fields_of_http_2_are_read_by_a_decoder_that_is_not_ours(indexes: list[int], attempt: int, length: int) -> None:
    run_id = "r" * length
    found = DeliveryHeaders(run_id, IDS).lines(field).of(indexes, attempt)
    assert set(found) == set(indexes)
    for index, block in found.items():
        assert Decoder().decode(block, raw=True) == [
            (b"x-loadsim-id", f"{run_id}/{index}/{attempt}".encode()),
            (b"traceparent", IDS.value(index, attempt).encode()),
        ]


@pytest.mark.parametrize("run_id", ["run", None])
def test_lines_that_were_made_ahead_are_those_of_any_order(run_id: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_headers, "AHEAD", 4)
    monkeypatch.setattr(delivery_headers, "_MOST", 8)
    lines = DeliveryHeaders(run_id, IDS, 3).lines(line)
    for index in [2, 5, 8, 17, 14, 2, 10**9, 5, 0, 8]:
        assert lines[index] == lines_of(run_id, IDS, index, 1)
        assert len(lines) <= 8 + 4
