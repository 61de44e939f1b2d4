"""Finds out which misreading an endpoint makes: which requests to send, and what follows from the answers.

A misreading is a change of the body before verification. It is proven when the endpoint accepts a request whose
signature is that of the changed body, no accepted form contradicts it, and no other misreading gives the same bytes.
Nothing is sent here: `prove` is a generator that yields questions and receives answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loadsim.cases.raw_bytes_forms import CORPUS, EVERYTHING, RawForm
from loadsim.signing.misreadings import MISREADINGS, Misreading

MOST_REFUSALS = 2
"""A misreading that was refused on this many forms is not tried again."""


class SentForm(NamedTuple):
    """A form and the bytes that were sent for it."""

    form: RawForm
    body: bytes

    def read_by(self, misreading: Misreading) -> bytes | None:
        """The bytes that the misreading makes of it; None when it changes nothing."""
        return misreading.of(self.body, announced=self.form.chunk is None)


class Question(NamedTuple):
    """Send this form with the signature of the bytes that the misreading makes of it."""

    form: RawForm
    misreading: Misreading


class ProofAnswer(NamedTuple):
    """The bytes that were sent for a question, and whether they were accepted."""

    body: bytes
    accepted: bool


Search = Generator[Question, ProofAnswer, list[Misreading]]


@dataclass(frozen=True, slots=True)
class Proof:
    """A proven misreading, and the names of the failing forms that it explains."""

    misreading: Misreading
    names: frozenset[str]
    others: tuple[Misreading, ...] = ()
    """Other misreadings that give the same bytes on every form sent: the endpoint may make one of them instead."""

    @property
    def cause(self) -> str:
        """What the endpoint does, in words."""
        if not self.others:
            return self.misreading.cause
        return f"{self.misreading.cause} (or one of {len(self.others)} others that give the same bytes here)"


TELLING = (EVERYTHING, *(form for form in CORPUS if form.name in ("not-utf8", "float", "key-order", "letters")))
"""Forms that distinguish misreadings that give equal bytes on the form that failed."""


def prove(
    failing: Sequence[SentForm],
    accepted: Iterable[SentForm],
    telling: Sequence[SentForm] = (),
    misreadings: Sequence[Misreading] = MISREADINGS,
) -> Generator[Question, ProofAnswer, list[Proof]]:
    """The proofs for forms whose signature failed.

    `accepted`: the forms that were accepted. `telling`: further forms that may be sent, each with a sample of its
    bytes. Forms on which few misreadings differ are sent first: one accepted answer there excludes most of the others.
    """
    search = _Search(failing, telling)
    candidates = list(misreadings)
    for sent in accepted:
        candidates = [each for each in candidates if sent.read_by(each) is None]
    open_forms, proofs = list(failing), list[Proof]()
    while open_forms:
        sent = min(open_forms, key=lambda sent: len(search.values(candidates, sent)) or math.inf)
        open_forms.remove(sent)
        found = yield from search.accepted_on(sent, candidates)
        if not found:
            continue
        candidates = [each for each in candidates if each not in found and search.read(sent, each) is None]
        first, *others = yield from search.narrowed(found)
        names = yield from search.explained(first, failing, sent)
        proofs.append(Proof(first, names, tuple(others)))
        open_forms = [each for each in open_forms if each.form.name not in names]
    return proofs


class _Search:
    """The state of the search: questions asked so far, and the bytes of each reading."""

    def __init__(self, failing: Sequence[SentForm], telling: Sequence[SentForm]) -> None:
        names = {sent.form.name for sent in failing}
        self._forms = [*failing, *(sent for sent in telling if sent.form.name not in names)]
        self._refusals = Counter[str]()
        self._reads: dict[tuple[str, str], bytes | None] = {}

    def read(self, sent: SentForm, misreading: Misreading) -> bytes | None:
        """The bytes that the misreading makes of a form of the search; computed once."""
        key = sent.form.name, misreading.name
        if key not in self._reads:
            self._reads[key] = sent.read_by(misreading)
        return self._reads[key]

    def values(self, candidates: Iterable[Misreading], sent: SentForm) -> set[bytes]:
        """The distinct byte strings that the candidates make of a form."""
        return {value for each in candidates if (value := self.read(sent, each)) is not None}

    def accepted_on(self, sent: SentForm, candidates: Sequence[Misreading]) -> Search:
        """The candidates whose bytes for the form are accepted, all with the same bytes; empty when none is
        accepted."""
        untried = [
            each for each in candidates if self._refusals[each.name] < MOST_REFUSALS and sent.read_by(each) is not None
        ]
        while untried:
            heard = yield Question(sent.form, untried[0])
            this = SentForm(sent.form, heard.body)
            value = this.read_by(untried[0])
            same = [each for each in untried if each is untried[0] or this.read_by(each) == value]
            if heard.accepted and value is not None:
                return [each for each in candidates if each in same]
            self._refusals.update(each.name for each in same)
            untried = [each for each in untried if each not in same]
        return []

    def narrowed(self, found: list[Misreading]) -> Search:
        """Those of `found` that are accepted on further forms too, until no form distinguishes them."""
        for sent in self._forms:
            if len(found) == 1:
                break
            unchanged = [each for each in found if self.read(sent, each) is None]
            if len(self.values(found, sent)) + bool(unchanged) < 2:
                continue
            kept = yield from self.accepted_on(sent, found)
            found = kept or unchanged or found
        return found

    def explained(
        self, misreading: Misreading, failing: Sequence[SentForm], proven: SentForm
    ) -> Generator[Question, ProofAnswer, frozenset[str]]:
        """The names of the failing forms that the misreading changes. A form that is sent in another way (headers,
        chunks) than the proven one may fail because of that, so it is tried."""
        names = set()
        for sent in failing:
            if self.read(sent, misreading) is None:
                continue
            if _transfer(sent) not in (_transfer(proven), _PLAIN_TRANSFER):
                heard = yield Question(sent.form, misreading)
                if not heard.accepted:
                    continue
            names.add(sent.form.name)
        return frozenset(names)


_PLAIN_TRANSFER: tuple[object, object] = ((), None)


def _transfer(sent: SentForm) -> tuple[object, object]:
    """How a form is sent, as far as it may change what is verified: extra headers and chunks."""
    return sent.form.headers, sent.form.chunk
