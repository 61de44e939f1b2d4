"""What a probe sends, by the kind of body: the corpus of forms, their control, and what is known to misread them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from loadsim.cases.form_encoded_forms import FORM_CORPUS, FORM_EVERYTHING, FORM_MEMBER
from loadsim.cases.misreading_proofs import TELLING
from loadsim.cases.raw_bytes_forms import CORPUS, PLAIN_MEMBER, RawForm
from loadsim.events import FORM_TYPE
from loadsim.signing.form_misreadings import OF_FORMS
from loadsim.signing.misreadings import MISREADINGS, Misreading


@dataclass(frozen=True, slots=True)
class Corpus:
    """One corpus."""

    forms: tuple[RawForm, ...]
    member: RawForm
    """The plain event with one field more."""
    telling: tuple[RawForm, ...]
    """Forms that distinguish misreadings that give equal bytes on the form that failed."""
    misreadings: tuple[Misreading, ...]

    @property
    def plain(self) -> RawForm:
        """The form of a plain event."""
        return dataclasses.replace(self.member, member=b"")


JSON_FORMS = Corpus(CORPUS, PLAIN_MEMBER, TELLING, MISREADINGS)
ENCODED_FORMS = Corpus(FORM_CORPUS, FORM_MEMBER, (FORM_EVERYTHING,), OF_FORMS)


def corpus_of(content_type: str) -> Corpus:
    """The corpus for events of a content type."""
    return ENCODED_FORMS if content_type == FORM_TYPE else JSON_FORMS
