"""`traceparent` on the wire: once on every delivery of every transport, and not at all where nobody asks for it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from loadsim.engine import trace_context
from loadsim.engine.trace_context import traced
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
        result = run(of, TRANSPORTS[transport], trace_ids=IDS)
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
        result = run(of, over_http2(), trace_ids=IDS)
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


def test_lines_that_were_made_ahead_are_those_of_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_context, "AHEAD", 4)
    monkeypatch.setattr(trace_context, "_MOST", 8)
    sent: list[tuple[bytes, int]] = []

    def send_all(made: Any, attempt: int = 1) -> None:
        sent.extend((headers, attempt) for _, (headers, _), _ in made)

    send = traced(send_all, IDS, 3)
    order = [2, 5, 8, 17, 14, 2, 10**9, 5, 0]
    for index in order:
        send([(None, (b"A: b\r\n", b"{}"), index)])  # type: ignore[list-item]
    assert sent == [(b"A: b\r\ntraceparent: " + IDS.values([index])[0] + b"\r\n", 1) for index in order]
    send([], 2)
