"""Probing: nothing is found on receivers that verify raw bytes, and each mistake of the field is named and proven."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web

from loadsim.engine.tls_settings import Trust
from loadsim.measure.stored_json import stored_json
from loadsim.model import Secret, UnreachableError
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ENGINES, ReceiverOptions
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme
from loadsim.studies.probe.asker import ProbeRequest
from loadsim.studies.probe.document import ClockDocument, probe_document
from loadsim.studies.probe.procedure import probe_clock, probe_rawness
from loadsim.studies.probe.result import ClockResult, ProbedEndpoint, ProbeResult, StoredProbe, stored_probe
from tests.cli.loopback import serving
from tests.conftest import slow_but
from tests.report.rendering import render_text
from tests.studies.probe.flawed_http import SECRET, receiver

EVENTS = {
    "trackpilots": "desktop.app_tracking.captured",
    "hubspot-v3": "hubspot-v3.contact.creation",
    "monday": "monday.create_item",
    "google-pubsub": "google-pubsub.message",
}


def request_to(url: str, name: str = "trackpilots", secret: str = SECRET) -> ProbeRequest:
    event = EVENTS.get(name, f"{name}.issue.create")
    subject = ProbedEndpoint(url, name, event)
    return ProbeRequest(subject, scheme(name), Secret(secret), url, {}, 10.0, Trust())


def as_stored(result: ProbeResult | ClockResult) -> StoredProbe:
    return stored_probe(result, probe_id="probe", started_at="", ended_at="", version="")


@contextmanager
def probing(handler: Callable[[web.Request], Any]) -> Iterator[ProbeRequest]:
    with serving(handler) as url:
        yield request_to(f"{url}/hooks")


async def rawness_of(read: Callable[[bytes], bytes]) -> ProbeResult:
    with probing(receiver(read)) as request:
        return await probe_rawness(request)


def classes(report: ProbeResult) -> set[str]:
    return {name for finding in report.findings for name in finding.classes}


# -- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "name"),
    slow_but(
        [("bare", "linear")], [("aiohttp", "trackpilots"), ("bare", "trackpilots"), ("bare", "linear")], several=True
    ),
)
async def test_nothing_is_found_on_the_companion_receiver(engine: Any, name: str) -> None:
    assert engine in ENGINES
    options = ReceiverOptions(scheme=name, engine=engine, admin=None)
    async with await start_receiver(options, Secret(SECRET)) as running:
        report = await probe_rawness(request_to(running.url, name))
        clock = await probe_clock(request_to(running.url, name), tolerance_s=scheme(name).tolerance_s, limit_s=4_000)
    assert report.findings == ()
    assert report.stopped is None
    refused = {row.name for row in report.rows if row.meaning != "accepted"}
    # These are not JSON, which the receiver says after it found the signature right.
    # Linear's time stands in the body, which has to be an object.
    whole = {"empty-object", "array"} if name == "linear" else set()
    assert refused == {"bom", "lone-surrogate", "not-utf8", "empty", "gzip"} | whole
    assert clock.findings == ()
    assert [width for _, width in clock.widths()] == ["equal", "equal"]


async def test_a_receiver_on_a_framework_that_unpacks_gets_a_note_only() -> None:
    report = await rawness_of(lambda body: body)
    assert report.findings == ()
    assert [row.name for row in report.rows if row.meaning != "accepted"] == ["gzip"]
    assert len(report.notes) == 1
    assert "unpacked (gzip) before it is verified (proven by gzip)" in report.notes[0]


@pytest.mark.parametrize(
    ("read", "cause", "some"),
    [
        (
            lambda body: json.dumps(json.loads(body), separators=(",", ":")).encode(),
            "what is verified is compact JSON, every other letter than ASCII escaped (json.dumps without spaces)",
            {"letters", "emoji", "escaped-slash", "indented", "duplicate-keys", "crlf-tail"},
        ),
        (
            lambda body: json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode(),
            "what is verified is compact JSON (orjson",
            {"spaced", "indented", "escaped-slash", "escaped-letters", "duplicate-keys", "crlf-tail"},
        ),
        (
            lambda body: body.strip(),
            "white space around the body is taken away",
            {"leading-space", "trailing-space", "lf-tail", "crlf-tail", "everything"},
        ),
        (
            lambda body: body.decode("latin-1").encode(),
            "decoded as Latin-1",
            {"letters", "letters-nfd", "emoji", "separators", "bom", "chunked", "everything"},
        ),
        (
            lambda body: unicodedata.normalize("NFC", body.decode(errors="surrogateescape")).encode(
                errors="surrogateescape"
            ),
            "normalised to Unicode NFC",
            {"letters-nfd", "everything"},
        ),
    ],
    ids=["json.dumps", "stringify", "strip", "latin-1", "nfc"],
)
async def test_a_mistake_of_the_field_is_named_and_proven(
    read: Callable[[bytes], bytes], cause: str, some: set[str]
) -> None:
    report = await rawness_of(read)
    proven = [finding for finding in report.findings if finding.proven and cause in finding.text]
    assert len(proven) == 1, [finding.text for finding in report.findings]
    assert some <= set(proven[0].classes)
    assert "raw bytes" in proven[0].mend
    assert not {"plain", "html", "charset", "upper-names"} & classes(report)
    assert cause in render_text(report, width=300)
    assert cause in stored_json(probe_document(as_stored(report))).decode()


async def test_one_that_refuses_even_plain_events_is_told_from_a_wrong_secret() -> None:
    report = await rawness_of(lambda body: json.dumps(json.loads(body)).encode())
    assert len(report.findings) == 1
    assert report.findings[0].proven
    assert report.findings[0].text.endswith("letter than ASCII escaped (Python's json.dumps)")
    assert "even a plain, genuine event is refused" in render_text(report, width=300)


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda body: body.decode("utf-8", "replace").encode(), "decoded as UTF-8, with U+FFFD"),
        (lambda body: body.decode("utf-8", "ignore").encode(), "decoded as UTF-8, without what is not"),
    ],
    ids=["replace", "ignore"],
)
async def test_one_that_decodes_utf8_is_not_said_to_decode_ascii(read: Callable[[bytes], bytes], told: str) -> None:
    report = await rawness_of(read)
    assert report.findings == ()
    (note,) = [note for note in report.notes if "gzip" not in note]
    assert told in note
    assert "proven by not-utf8" in note


async def test_two_mistakes_at_once_are_both_proven() -> None:
    report = await rawness_of(lambda body: body.strip().decode("latin-1").encode())
    causes = [finding.text for finding in report.findings if finding.proven]
    assert len(causes) == len(report.findings) == 2
    assert any("white space around the body is taken away" in cause for cause in causes)
    assert any("decoded as Latin-1" in cause for cause in causes)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("tests-only\r\n", "the endpoint takes the secret with CRLF at its end as the key"),
        ("dGVzdHMtb25seQ==", "the endpoint takes the secret base64-encoded as the key"),
    ],
)
async def test_an_endpoint_that_takes_another_key_is_told_from_one_with_another_secret(key: str, words: str) -> None:
    with probing(receiver(secret=key)) as request:
        report = await probe_rawness(request)
    (finding,) = report.findings
    assert finding.proven
    assert words in finding.text
    assert finding.mend == "take the secret verbatim as the key"


async def test_an_endpoint_that_was_only_not_ready_proves_nothing() -> None:
    asked = []

    async def late(request: web.Request) -> Any:
        asked.append(request)
        return web.json_response({"said": "no"}, status=401) if len(asked) < 3 else web.json_response({"said": "yes"})

    with probing(late) as request:
        report = await probe_rawness(request)
    assert [finding.proven for finding in report.findings] == [False]


async def test_what_breaks_the_endpoint_is_told_from_what_fails() -> None:
    report = await rawness_of(lambda body: body.decode("ascii").encode())
    broken = {row.name: row.answer for row in report.rows if row.meaning == "broken"}
    assert set(broken) >= {"letters", "emoji", "bom", "not-utf8", "everything"}
    assert broken["letters"].startswith("500")
    assert {finding.classes[0] for finding in report.findings} == set(broken)


async def test_an_endpoint_that_does_not_verify_is_the_only_finding() -> None:
    with probing(receiver(verifies=False)) as request:
        report, clock = (
            await probe_rawness(request),
            await probe_clock(request, tolerance_s=300, limit_s=4_000),
        )
    assert report.requests == clock.requests == 2
    assert [finding.text[:33] for finding in report.findings] == ["the endpoint does not verify: it "]
    assert clock.findings == report.findings
    assert "does not verify" in render_text(clock)


@pytest.mark.parametrize("name", ["monday", "google-pubsub"])
async def test_the_clock_of_an_endpoint_is_found_where_the_body_is_not_signed(name: str) -> None:
    secret = new_secret(scheme(name)).reveal()
    options = ReceiverOptions(scheme=name, admin=None)
    async with await start_receiver(options, Secret(secret)) as running:
        request = request_to(running.url, name, secret)
        clock = await probe_clock(request, tolerance_s=scheme(name).tolerance_s, limit_s=8_000)
    assert clock.findings == ()
    assert [width for _, width in clock.widths()] == ["equal", "equal"]


async def test_an_endpoint_that_takes_any_key_is_found_where_the_body_is_not_signed() -> None:
    with serving(receiver(verifies=False)) as url:
        request = request_to(url, "monday", "s3cret")
        clock = await probe_clock(request, tolerance_s=300, limit_s=4_000)
    assert [finding.text for finding in clock.findings] == [
        "the endpoint does not verify: it accepted an event that was signed with another key"
    ]


async def test_an_endpoint_with_another_secret_is_diagnosed_at_once() -> None:
    with serving(receiver()) as url:
        report = await probe_rawness(request_to(url, secret="another"))
    assert report.requests < 60  # the ways in which a plain event can be misread, or signed otherwise, were tried
    assert [finding.text for finding in report.findings] == [
        'a plain, genuine event is refused: 401 {"said": "no"}',
    ]
    assert "TRACKPILOTS_WEBHOOKS_SECRET_KEY does not match" in report.findings[0].mend


async def test_an_endpoint_that_knows_its_fields_is_asked_without_more_of_them() -> None:
    sound = receiver()

    async def strict(request: web.Request) -> Any:
        answer: Any = await sound(request)
        known = b"loadsim_probe" not in await request.read()
        return answer if known or answer.status != 200 else web.json_response({"said": "unknown field"}, status=422)

    with probing(strict) as request:
        report = await probe_rawness(request)
    assert report.findings == ()
    assert {row.name for row in report.rows if row.meaning is None} >= {"letters", "everything", "deep"}
    assert {row.name for row in report.rows if row.meaning == "accepted"} >= {"indented", "crlf-tail", "key-order"}
    assert "one more field are refused" in report.notes[0]


async def test_an_endpoint_that_begins_to_limit_requests_ends_the_probe() -> None:
    sound, asked = receiver(lambda body: body.strip()), []

    async def limited(request: web.Request) -> Any:
        asked.append(request)
        return await sound(request) if len(asked) <= 8 else web.Response(status=429)

    with probing(limited) as request:
        report = await probe_rawness(request)
    assert report.stopped is not None
    assert "does not accept plain events any more (429" in report.stopped
    assert report.requests == len(asked) < 15
    assert report.rows[-1].meaning is None


async def test_nobody_there_is_no_finding() -> None:
    with pytest.raises(UnreachableError, match="nothing listens"):
        await probe_rawness(request_to("http://127.0.0.1:9/hooks"))


# -- the clock ------------------------------------------------------------------------------------------------------


async def window_of(**of_receiver: Any) -> ClockResult:
    with probing(receiver(**of_receiver)) as request:
        return await probe_clock(request, tolerance_s=300, limit_s=86_400)


def widths(report: ClockResult) -> dict[str, str]:
    return {edge.direction: width for edge, width in report.widths()}


@pytest.mark.parametrize(
    ("flaw", "told", "words"),
    [
        ({"newest_s": 1e12}, {"stale": "equal", "future": "unbounded"}, "accepts any future timestamp, up to 24 h"),
        ({"oldest_s": 1e12}, {"stale": "unbounded", "future": "equal"}, "accepts any old timestamp, up to 24 h"),
        ({"oldest_s": 60, "newest_s": 60}, {"stale": "narrower", "future": "narrower"}, "60 s where 300 s is expected"),
        ({"oldest_s": 3000}, {"stale": "wider", "future": "equal"}, "3,000 s where 300 s is expected"),
    ],
    ids=["any-future", "any-age", "narrow", "wide"],
)
async def test_a_window_that_differs_is_named(flaw: dict[str, float], told: dict[str, str], words: str) -> None:
    report = await window_of(**flaw)
    assert widths(report) == told
    assert len(report.findings) == sum(width != "equal" for width in told.values())
    assert words in report.findings[0].text
    assert words in render_text(report, width=300)
    assert report.requests <= 4 * (86_400).bit_length() + 4
    document = probe_document(as_stored(report))
    assert isinstance(document, ClockDocument)
    assert document.sides["future"].result == told["future"]


@pytest.mark.parametrize(("dated", "source"), [(True, "date"), (False, "centre")])
async def test_a_clock_that_is_off_is_no_wrong_window(dated: bool, source: str) -> None:
    report = await window_of(ahead_s=100, dated=dated)
    assert widths(report) == {"stale": "equal", "future": "equal"}
    assert report.offset is not None
    assert report.offset.source == source
    assert report.offset.span.low - 1 <= 100 <= report.offset.span.high + 1
    assert "100 s ahead of ours" in render_text(report) or "99 s ahead" in render_text(report)


async def test_an_answer_that_says_nothing_of_time_ends_the_search() -> None:
    sound, asked = receiver(), []

    async def limited(request: web.Request) -> Any:
        asked.append(request)
        return await sound(request) if len(asked) <= 6 else web.Response(status=429)

    with probing(limited) as request, pytest.raises(UnreachableError, match="--pause sends more slowly"):
        await probe_clock(request, tolerance_s=300, limit_s=86_400)
