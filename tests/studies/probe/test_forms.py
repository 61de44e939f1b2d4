"""Probing with form-encoded events: nothing is found on a right verifier, and each mistake with forms is proven."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

import pytest
from aiohttp import web

from loadsim.cases.corpora import ENCODED_FORMS
from loadsim.cases.form_encoded_forms import FORM_EVERYTHING
from loadsim.engine.tls_settings import Trust
from loadsim.events import EventSource
from loadsim.model import Secret
from loadsim.receiver.embedded import start_receiver
from loadsim.receiver.options import ReceiverOptions
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme
from loadsim.signing.form_misreadings import FORM_MISREADINGS, OF_FORMS
from loadsim.studies.probe.asker import ProbeRequest
from loadsim.studies.probe.procedure import probe_rawness
from loadsim.studies.probe.result import ProbedEndpoint, ProbeResult
from tests.cli.loopback import serving

SECRET = Secret("a secret of forms")
EVENTS = {
    "twilio": "twilio.call.status",
    "slack-commands": "slack-commands.slash_command",
    "plivo": "plivo.message.received",
}


def request_to(url: str, name: str, secret: Secret = SECRET) -> ProbeRequest:
    return ProbeRequest(ProbedEndpoint(url, name, EVENTS[name]), scheme(name), secret, url, {}, 10.0, Trust())


async def result_of(name: str, read: Callable[[bytes], bytes]) -> ProbeResult:
    """Of an endpoint that verifies what `read` makes of a body."""

    async def answer(request: web.Request) -> web.Response:
        headers = {key.lower(): value for key, value in request.headers.items()}
        url = f"http://{request.host}/hooks"
        rejection = scheme(name).verifier(SECRET, url=url).verify(headers, read(await request.read()), time.time())
        return web.Response(status=200 if rejection is None else 401)

    with serving(answer) as url:
        return await probe_rawness(request_to(f"{url}/hooks", name))


@pytest.mark.parametrize("name", EVENTS)
async def test_nothing_is_found_on_the_companion_receiver(name: str) -> None:
    secret = new_secret(scheme(name))
    async with await start_receiver(ReceiverOptions(scheme=name, admin=None), secret) as running:
        report = await probe_rawness(request_to(running.url, name, secret))
    assert report.stopped is None
    assert report.findings == ()
    assert {row.meaning for row in report.rows} == {"accepted"}
    assert len(report.rows) == len(ENCODED_FORMS.forms)


@pytest.mark.parametrize(
    ("name", "read", "cause", "some"),
    [
        (
            "twilio",
            lambda body: urlencode(parse_qsl(body.decode())).encode(),
            "without its empty values",
            {"empty-value", "everything"},
        ),
        (
            "twilio",
            lambda body: urlencode(dict(parse_qsl(body.decode(), keep_blank_values=True))).encode(),
            "with only the last value of a repeated name",
            {"repeated", "everything"},
        ),
        (
            "slack-commands",
            lambda body: urlencode(parse_qsl(body.decode(), keep_blank_values=True)).encode(),
            "written again, with + for spaces",
            {"percent-20", "escaped-lower", "escaped-plain"},
        ),
        (
            "slack-commands",
            lambda body: urlencode(sorted(parse_qsl(body.decode(), keep_blank_values=True))).encode(),
            "with its fields in order",
            {"order"},
        ),
        (
            "slack-commands",
            lambda body: urlencode(parse_qsl(body.decode())).encode(),
            "written again, without its empty values",
            {"empty-value", "percent-20"},
        ),
    ],
    ids=["no-blanks", "last", "again", "sorted", "again-no-blanks"],
)
async def test_a_mistake_with_forms_is_named_and_proven(
    name: str, read: Callable[[bytes], bytes], cause: str, some: set[str]
) -> None:
    report = await result_of(name, read)
    texts = [finding.text for finding in report.findings]
    proven = [finding for finding in report.findings if finding.proven and cause in finding.text]
    if name == "slack-commands" and cause == "with its fields in order":  # even the plain event is not in order
        assert "even a plain, genuine event is refused" in texts[0], texts
        assert cause in texts[0]
        return
    assert len(proven) == 1, texts
    assert some <= set(proven[0].classes)
    assert "plus" not in {form for finding in report.findings for form in finding.classes}


def test_each_misreading_of_forms_changes_everything_in_a_way_of_its_own_and_leaves_json() -> None:
    body = FORM_EVERYTHING.of(EventSource("twilio.call.status", 7).body(0, 0))
    made = {each.name: found for each in OF_FORMS if (found := each.of(body)) is not None}
    own = {name: found for name, found in made.items() if name.startswith("form-")}
    assert set(own) == {each.name for each in FORM_MISREADINGS}
    assert len(set(own.values())) == len(own)
    assert all(each.of(b'{"a":"b=c"}') is None for each in FORM_MISREADINGS)


def test_a_form_is_the_event_in_other_bytes() -> None:
    plain = EventSource("twilio.message.received", 7).body(0, 0)
    fields = parse_qsl(plain.decode(), keep_blank_values=True)
    for form in ENCODED_FORMS.forms:
        kept = [pair for pair in parse_qsl(form.of(plain).decode(), keep_blank_values=True) if "loadsim" not in pair[0]]
        assert sorted(kept) == sorted(fields), form.name
        assert form.of(plain) != plain or form.headers or form.names, form.name
