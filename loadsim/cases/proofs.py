"""Which misreadings an endpoint makes: what has to be sent to know, and what follows from the answers.

A proof is an accepted request whose signature is that of what a misreading makes of its body. It holds only for a
misreading that no accepted form contradicts, and names the one that differs from all others on what was sent. Sends
nothing: `prove` is a generator that asks and is answered.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loadsim.cases.rawness import CORPUS, EVERYTHING, RawForm
from loadsim.signing.misreadings import MISREADINGS, Misreading

MOST_REFUSALS = 2
"""A misreading that was refused on so many forms is not asked for again."""


class Sent(NamedTuple):
    """A form with the bytes in which it was sent."""

    form: RawForm
    body: bytes

    def read_by(self, misreading: Misreading) -> bytes | None:
        """What the misreading makes of it; None where that changes nothing."""
        return misreading.of(self.body, announced=self.form.chunk is None)


class Question(NamedTuple):
    """Send this form with the signature of what the misreading makes of it."""

    form: RawForm
    misreading: Misreading


class Heard(NamedTuple):
    """The bytes in which the form of a question went out, and whether that was accepted."""

    body: bytes
    accepted: bool


Asking = Generator[Question, Heard, list[Misreading]]


@dataclass(frozen=True, slots=True)
class Proof:
    """A misreading that the endpoint was seen to make, and the names of the failing forms that it explains."""

    misreading: Misreading
    names: frozenset[str]
    others: tuple[Misreading, ...] = ()
    """Those that gave the same bytes on all that could be sent: it may as well be one of them."""

    @property
    def cause(self) -> str:
        """What the endpoint does, in words."""
        if not self.others:
            return self.misreading.cause
        return f"{self.misreading.cause} (or one of {len(self.others)} others that give the same bytes here)"


TELLING = (EVERYTHING, *(form for form in CORPUS if form.name in ("not-utf8", "float", "key-order", "letters")))
"""Forms that tell misreadings apart which are alike on the form that failed."""


def prove(
    failing: Sequence[Sent],
    accepted: Iterable[Sent],
    telling: Sequence[Sent] = (),
    misreadings: Sequence[Misreading] = MISREADINGS,
) -> Generator[Question, Heard, list[Proof]]:
    """The proofs for forms whose signature failed. `accepted` are the forms that were not refused; `telling` further
    ones that may be sent, each with a sample of its bytes. Forms on which few misreadings differ are asked for first:
    one accepted answer there rules most of the others out."""
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
    """What was asked so far."""

    def __init__(self, failing: Sequence[Sent], telling: Sequence[Sent]) -> None:
        names = {sent.form.name for sent in failing}
        self._forms = [*failing, *(sent for sent in telling if sent.form.name not in names)]
        self._refusals = Counter[str]()
        self._reads: dict[tuple[str, str], bytes | None] = {}

    def read(self, sent: Sent, misreading: Misreading) -> bytes | None:
        """What the misreading makes of one of the forms that the search was given; worked out once."""
        key = sent.form.name, misreading.name
        if key not in self._reads:
            self._reads[key] = sent.read_by(misreading)
        return self._reads[key]

    def values(self, candidates: Iterable[Misreading], sent: Sent) -> set[bytes]:
        """The different bytes that they make of a form."""
        return {value for each in candidates if (value := self.read(sent, each)) is not None}

    def accepted_on(self, sent: Sent, candidates: Sequence[Misreading]) -> Asking:
        """Those whose reading of the form is accepted, all with the same bytes; none where no reading is."""
        untried = [
            each for each in candidates if self._refusals[each.name] < MOST_REFUSALS and sent.read_by(each) is not None
        ]
        while untried:
            heard = yield Question(sent.form, untried[0])
            this = Sent(sent.form, heard.body)
            value = this.read_by(untried[0])
            same = [each for each in untried if each is untried[0] or this.read_by(each) == value]
            if heard.accepted and value is not None:
                return [each for each in candidates if each in same]
            self._refusals.update(each.name for each in same)
            untried = [each for each in untried if each not in same]
        return []

    def narrowed(self, found: list[Misreading]) -> Asking:
        """Those of `found` that are accepted on further forms too, until no form tells them apart."""
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
        self, misreading: Misreading, failing: Sequence[Sent], proven: Sent
    ) -> Generator[Question, Heard, frozenset[str]]:
        """The names of the failing forms that the misreading changes. One that travels in another way than the proven
        one may fail for that: it is asked for."""
        names = set()
        for sent in failing:
            if self.read(sent, misreading) is None:
                continue
            if _travel(sent) not in (_travel(proven), _PLAINLY):
                heard = yield Question(sent.form, misreading)
                if not heard.accepted:
                    continue
            names.add(sent.form.name)
        return frozenset(names)


_PLAINLY: tuple[object, object] = ((), None)


def _travel(sent: Sent) -> tuple[object, object]:
    """What of the way of a form may change what is verified."""
    return sent.form.headers, sent.form.chunk
