"""The corpus and the misreadings: valid events in other bytes, each changed by what is said to change it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadsim.cases.raw_bytes_forms import CORPUS, EVERYTHING, PLAIN_MEMBER, RawForm
from loadsim.events import EventSource, catalogue, holds_json
from loadsim.receiver.answer_choice import is_json
from loadsim.signing.misreadings import MISREADINGS

BODY = b'{"event":"x","data":[{"id":1,"name":"a/b"}]}'
FORMS = {form.name: form for form in CORPUS}
MISREAD = {misreading.name: misreading for misreading in MISREADINGS}


@pytest.mark.parametrize(
    "form", [form for form in CORPUS if form.whole is None and not form.rare], ids=lambda f: f.name
)
def test_a_form_is_the_event_in_other_bytes(form: RawForm) -> None:
    raw = form.of(BODY)
    again = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    again.pop("loadsim_probe", None)
    assert again == json.loads(BODY)
    assert raw != BODY or form.headers or form.names
    assert form.lenient or is_json(raw)
    assert form.breaks
    assert form.bytes_class


def test_names_and_bytes_are_each_there_once() -> None:
    assert len(FORMS) == len(CORPUS) >= 30
    sent = {(form.of(BODY), form.headers, form.names, form.chunk) for form in CORPUS}
    assert len(sent) == len(CORPUS)


def test_every_event_of_the_catalogue_can_be_made_into_every_form() -> None:
    for each in catalogue():
        if not each.template.startswith(b"{") or not holds_json(each.content_type):
            continue  # `probe` says so
        body = EventSource(each.name, 3).body(0, 1_700_000_000_000_000_000)
        assert is_json(PLAIN_MEMBER.of(body))
        for form in CORPUS:
            form.of(body)


def test_on_everything_each_misreading_gives_bytes_of_its_own() -> None:
    body = EVERYTHING.of(BODY)
    made = {name: found for name, misread in MISREAD.items() if (found := misread.of(body)) is not None}
    assert set(MISREAD) - set(made) == {"bom", "utf8-replace", "utf8-ignore", "unpacked", "nothing-unannounced"}
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize(
    ("misreading", "form"),
    [
        ("bom", "bom"),
        ("utf8-replace", "not-utf8"),
        ("utf8-ignore", "not-utf8"),
        ("unpacked", "gzip"),
        ("strip", "leading-space"),
        ("rstrip", "crlf-tail"),
        ("lf", "crlf-lines"),
        ("latin-1", "letters"),
        ("nfc", "letters-nfd"),
        ("nfkc", "ligatures"),
        ("json-compact", "duplicate-keys"),
        ("json-compact-html-go", "html"),
        ("json-compact-surrogates-javascript", "number-keys"),
        ("windows-1252", "not-utf8"),
        ("nothing", "chunked"),
    ],
)
def test_a_misreading_changes_what_it_is_about(misreading: str, form: str) -> None:
    assert MISREAD[misreading].of(FORMS[form].of(BODY)) is not None
    assert MISREAD[misreading].of(BODY) is None or misreading == "nothing"


def test_encoders_of_other_languages() -> None:
    body = '{"b":"é</","a":1}'.encode()
    assert MISREAD["json-compact-ascii-slashes-php"].of(body) == b'{"b":"\\u00e9<\\/","a":1}'
    assert MISREAD["json-compact-sorted-html-go"].of(body) == '{"a":1,"b":"é\\u003c/"}'.encode()
    assert MISREAD["json-compact-dotnet-raw"].of('{"b":"é</😀"}'.encode()) == b'{"b":"\\u00E9\\u003C/\\uD83D\\uDE00"}'


@given(st.binary(max_size=200))
def test_no_bytes_make_a_misreading_raise(body: bytes) -> None:
    for misreading in MISREADINGS:
        assert misreading.of(body) != body
