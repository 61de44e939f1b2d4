"""What a search for misreadings proves: of an endpoint that makes one, this one and no other, for every one of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence

import pytest

from loadsim.cases.misreading_proofs import TELLING, Proof, ProofAnswer, Question, SentForm, prove
from loadsim.cases.raw_bytes_forms import CORPUS, EVERYTHING, PLAIN_MEMBER, RawForm
from loadsim.signing.misreadings import MISREADINGS, Misreading

BODY = b'{"event":"x","data":[{"id":1,"url":"https://a.test/b"}]}'
PLAIN = RawForm("plain", "as it is", "nothing")
MISREAD = {misreading.name: misreading for misreading in MISREADINGS}
Verifies = Callable[[SentForm], bytes]
"""What an endpoint verifies of a request."""


def sent(forms: Sequence[RawForm]) -> list[SentForm]:
    return [SentForm(form, form.of(BODY)) for form in forms]


def making(*misreadings: Misreading) -> Verifies:
    """An endpoint that makes these mistakes, one after the other."""

    def verifies(request: SentForm) -> bytes:
        for misreading in misreadings:
            read = request.read_by(misreading)
            request = request if read is None else SentForm(request.form, read)
        return request.body

    return verifies


def proven(verifies: Verifies, forms: Sequence[RawForm] = CORPUS, *, most: int = 60) -> list[Proof]:
    """What is proven of an endpoint, in at most so many questions."""
    failing = [each for each in sent((PLAIN, *forms)) if verifies(each) != each.body]
    accepted = [each for each in sent((PLAIN, *forms)) if verifies(each) == each.body]
    if failing and failing[0].form is PLAIN:  # then nothing else was asked
        failing, accepted = failing[:1], []
    asked: list[str] = []
    found = proven_by(prove(failing, accepted, sent([form for form in TELLING if form in forms])), verifies, asked)
    assert len(asked) <= most
    return found


def proven_by(
    search: Generator[Question, ProofAnswer, list[Proof]], verifies: Verifies, asked: list[str], body: bytes = BODY
) -> list[Proof]:
    """The end of a search that an endpoint answers; `asked` gets the names of the misreadings it was asked for."""
    try:
        question = next(search)
        while True:
            request = SentForm(question.form, question.form.of(body))
            asked.append(question.misreading.name)
            signed = request.read_by(question.misreading)
            question = search.send(ProofAnswer(request.body, verifies(request) == signed))
    except StopIteration as end:
        found: list[Proof] = end.value
    return found


@functools.cache
def verified() -> dict[str, list[bytes]]:
    """What each misreading makes of every form."""
    forms = sent((PLAIN, *CORPUS))
    return {name: [making(misreading)(each) for each in forms] for name, misreading in MISREAD.items()}


@pytest.mark.parametrize("name", MISREAD)
def test_what_an_endpoint_does_is_proven_and_nothing_else(name: str) -> None:
    (proof,) = proven(making(MISREAD[name]))
    assert (proof.misreading.name, proof.others) == (name, ())
    assert proof.cause == MISREAD[name].cause


@pytest.mark.parametrize("name", MISREAD)
def test_each_proof_is_refused_by_every_endpoint_that_does_something_else(name: str) -> None:
    """Every misreading against every other: there is a form on which they differ, by a proof or by a contradiction."""
    assert [each for each, made in verified().items() if made == verified()[name]] == [name]


def test_a_misreading_that_an_accepted_form_contradicts_is_not_even_asked_for() -> None:
    bad = SentForm(
        next(form for form in CORPUS if form.name == "not-utf8"), b'{"a":"caf\xe9"}'
    )  # all decoders agree on it
    letters = SentForm(next(form for form in CORPUS if form.name == "letters"), '{"a":"é"}'.encode())
    asked: list[str] = []

    def verifies(request: SentForm) -> bytes:
        return making(MISREAD["utf8-replace"])(request)

    (proof,) = proven_by(prove([bad], [letters]), verifies, asked)
    assert proof.misreading.name == "utf8-replace"
    assert not {"ascii-replace", "ascii-ignore", "latin-1", "windows-1252"} & set(asked)


@pytest.mark.parametrize(
    "names", [("strip", "latin-1"), ("lf", "nfc"), ("rstrip", "utf8-replace"), ("unpacked", "json-compact")]
)
def test_mistakes_that_come_together_are_each_proven(names: tuple[str, str]) -> None:
    found = {proof.misreading.name for proof in proven(making(*map(MISREAD.__getitem__, names)), most=120)}
    assert set(names) <= found


def test_without_the_forms_that_tell_them_apart_it_is_said_that_it_may_be_another() -> None:
    def first_field_only(request: SentForm) -> bytes:
        return request.body.strip() if request.form.name == "lf-tail" else request.body

    (proof,) = proven(first_field_only, [form for form in CORPUS if form.name in ("lf-tail", "letters")])
    assert proof.others
    assert f"or one of {len(proof.others)} others" in proof.cause


def test_an_endpoint_that_fails_without_a_reason_proves_nothing() -> None:
    assert proven(lambda request: request.body + b"?" * (request.form is not PLAIN), most=2 * len(MISREADINGS)) == []


def test_on_everything_each_gives_bytes_of_its_own() -> None:
    (everything,) = sent([EVERYTHING])
    made = [found for each in MISREADINGS if (found := everything.read_by(each)) is not None]
    assert len(set(made)) == len(made) > 100
    assert PLAIN_MEMBER.of(BODY) not in made
