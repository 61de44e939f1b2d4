"""Probes how an endpoint's verification treats bytes: controls, the corpus of forms, then proofs of likely causes.

Events are sent one at a time, each with a new signature. `judgement` gives the meaning of each answer; the forms come
from `cases`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterable

from loadsim.cases.corpora import Corpus
from loadsim.cases.misreading_proofs import Proof, ProofAnswer, Question, SentForm, prove
from loadsim.cases.raw_bytes_forms import RawForm
from loadsim.cases.tampering import not_signed
from loadsim.model import UnreachableError
from loadsim.report.diagnosis import diagnosis_of
from loadsim.signing import Scheme
from loadsim.signing.mismatch_causes import suspects
from loadsim.studies.probe.asker import Asker, ProbeRequest
from loadsim.studies.probe.clock_search import EdgeSearch
from loadsim.studies.probe.judgement import Seen, meaning_of
from loadsim.studies.probe.result import ClockResult, Finding, ProbeResult, Row
from loadsim.studies.probe.window import Direction, Edge, offset_of

UNVERIFIED = Finding(
    "the endpoint does not verify: it accepted an event whose body was changed after signing",
    "compare the signature over the raw body before answering, and answer 401 when it does not match; where the check "
    "runs after the answer or is switched off here, forged events are accepted",
    proven=True,
)
ANY_KEY = Finding(
    "the endpoint does not verify: it accepted an event that was signed with another key",
    "check the signature before answering, and answer 401 when it is not of your key",
    proven=True,
)
"""Of schemes that do not sign the body."""
SHOWN_ANSWER = 60
"""Characters of an answer that a result keeps."""
_DIRECTIONS: tuple[tuple[Direction, int], ...] = (("stale", -1), ("future", 1))


async def probe_rawness(request: ProbeRequest) -> ProbeResult:
    """Send the corpus and find the forms on which the endpoint's verification fails.

    Raises UnreachableError when a plain event gets no answer. About 50 events; where something fails, one more each,
    and up to two for each misreading that may explain it. Where even a plain event is refused, one for each usual
    misreading, key and formula.
    """
    asker = Asker(request)
    stopped, forged = await _controls(asker)
    if stopped is not None:
        return ProbeResult(request.subject, asker.requests, (stopped,))
    corpus, plain = asker.corpus, asker.form_of_plain
    strict = not (await asker.ask(corpus.member)).accepted
    rows: list[Row] = []
    failing: list[SentForm] = []
    accepted: list[SentForm] = [SentForm(plain, asker.plain_sent)]
    given_up = None
    for form in corpus.forms:
        why = given_up or _unsendable(form, request.scheme, strict=strict)
        if why:
            rows.append(Row(form.name, form.bytes_class, None, why=why))
            continue
        row = _row(form, await asker.ask(form), forged)
        rows.append(row)
        sent = SentForm(form, asker.body_sent)
        if row.meaning == "accepted":
            accepted.append(sent)
        else:
            given_up = await _no_more(asker, form)
        if row.meaning in ("signature", "unclear"):
            failing.append(sent)
    sendable = [form for form in corpus.telling if not _unsendable(form, request.scheme, strict=strict)]
    telling = [SentForm(form, form.of(asker.plain_sent)) for form in sendable]
    search = prove(failing, accepted, telling, corpus.misreadings)
    proofs = [] if given_up else await _answered(asker, search)
    rows = [_proven(row, proofs) for row in rows]
    findings, notes = _conclusions(corpus, rows, proofs)
    if strict:
        notes.insert(0, "events with one more field are refused: forms that add one were not sent")
    return ProbeResult(request.subject, asker.requests, tuple(findings), tuple(rows), tuple(notes), given_up)


async def probe_clock(request: ProbeRequest, *, tolerance_s: float | None, limit_s: int) -> ClockResult:
    """Find the window of time that is accepted, to the second, up to `limit_s` in both directions.

    Raises UnreachableError when an event gets no answer, or one that does not depend on its time. At most
    4 · `limit_s.bit_length()` + 4 events.
    """
    asker = Asker(request)
    stopped, _ = await _controls(asker)
    if stopped is not None:
        return ClockResult(request.subject, asker.requests, tolerance_s, limit_s, stopped=stopped)
    edges = [await _edge(asker, direction, sign, limit_s) for direction, sign in _DIRECTIONS]
    offset = offset_of(asker.clocks, *edges)
    return ClockResult(request.subject, asker.requests, tolerance_s, limit_s, tuple(edges), offset)


# -- controls -------------------------------------------------------------------------------------------------------


_SAYS_UNSIGNED = (400, 401, 403)
"""Statuses with which endpoints refuse a signature."""


async def _controls(asker: Asker) -> tuple[Finding | None, Seen]:
    """The finding that ends the probe, if any, and the answer to a forged event."""
    plain = await asker.ask(asker.form_of_plain)
    if plain.status is None:
        raise UnreachableError(plain.text.decode())
    if not plain.accepted:
        if plain.status in _SAYS_UNSIGNED and (cause := await _cause(asker)):
            text = f"even a plain, genuine event is refused ({_shown(plain)}): {cause.text}"
            return dataclasses.replace(cause, text=text), plain
        likely = diagnosis_of(plain.status, scheme=asker.request.subject.scheme)
        if 300 <= plain.status < 400:
            likely = "redirects are not followed: give the URL that the endpoint redirects to"
        text = f"a plain, genuine event is refused: {_shown(plain)}"
        return Finding(text, likely or "make the endpoint accept a plain event first: see `loadsim simulate`"), plain
    forged = await asker.forged()
    if forged.status is None:
        raise UnreachableError(f"a plain event was accepted, but a forged one got no answer: {forged.text.decode()}")
    unverified = ANY_KEY if not_signed(asker.request.scheme) else UNVERIFIED
    return (unverified if forged.accepted else None), forged


async def _cause(asker: Asker) -> Finding | None:
    """Why a plain event is refused, where a usual misreading, key, URL or formula is accepted in its place."""
    request, corpus, form = asker.request, asker.corpus, asker.form_of_plain
    plain = SentForm(form, asker.plain_sent)
    telling = [form for form in corpus.telling if not _unsendable(form, request.scheme, strict=False)]
    usual = [misreading for misreading in corpus.misreadings if misreading.is_usual]
    search = prove([plain], (), [SentForm(form, form.of(plain.body)) for form in telling], usual)
    found: Finding | None = None
    for proof in (await _answered(asker, search))[:1]:
        found = Finding(proof.cause, proof.misreading.mend, (form.name,), proven=True)
    for suspect in () if found else suspects(request.scheme, request.secret, request.signed_url):
        if (await asker.ask_signed(form, suspect.code)).accepted:
            found = Finding(f"the endpoint {suspect.does}", suspect.if_endpoint, (form.name,), proven=True)
            break
    # An endpoint that accepts plain events by now was only not ready: nothing is proven by that.
    return None if found is None or (await asker.ask(form)).accepted else found


async def _no_more(asker: Asker, form: RawForm) -> str | None:
    """The reason to stop after `form` was not accepted: plain events are not accepted any more either."""
    plain = await asker.ask(asker.form_of_plain)
    if plain.accepted:
        return None
    return (
        f"after {form.name} the endpoint does not accept plain events any more ({_shown(plain)}): does it limit "
        "requests (--pause), or did it fail?"
    )


def _unsendable(form: RawForm, scheme: Scheme, *, strict: bool) -> str:
    if form.whole is not None and scheme.timestamp is not None and scheme.timestamp.place == "body":
        return f"the scheme {scheme.name} needs its timestamp in the body"
    return "an event with one more field is refused anyway" if form.member and strict else ""


# -- conclusions ----------------------------------------------------------------------------------------------------


def _row(form: RawForm, seen: Seen, forged: Seen) -> Row:
    meaning = meaning_of(seen, forged, lenient=bool(form.lenient))
    is_finding = meaning == "broken" or (meaning == "signature" and not form.rare)
    is_finding |= meaning == "refused" and not form.lenient
    return Row(form.name, form.bytes_class, meaning, _shown(seen), is_finding, form.lenient)


async def _answered(asker: Asker, search: Generator[Question, ProofAnswer, list[Proof]]) -> list[Proof]:
    """Send what a search asks for, until it has its proofs."""
    try:
        question = next(search)
        while True:
            question = search.send(await asker.answer(question))
    except StopIteration as end:
        found: list[Proof] = end.value
        return found


def _proven(row: Row, proofs: Iterable[Proof]) -> Row:
    """An unclear row that a proof explains is a failing signature."""
    if row.meaning == "unclear" and any(row.name in proof.names for proof in proofs):
        return dataclasses.replace(row, meaning="signature", is_finding=True)
    return row


def _conclusions(corpus: Corpus, rows: list[Row], proofs: list[Proof]) -> tuple[list[Finding], list[str]]:
    forms = {form.name: form for form in corpus.forms}
    failing = [row for row in rows if row.meaning == "signature"]
    findings, notes = [], []
    for proof in proofs:
        classes = tuple(row.name for row in failing if row.name in proof.names)
        if all(forms[name].rare for name in classes):
            notes.append(f"{proof.cause} (proven by {', '.join(classes)}): {proof.misreading.mend}")
        else:
            findings.append(Finding(proof.cause, proof.misreading.mend, classes, proven=True))
    explained = {name for proof in proofs for name in proof.names}
    for row in rows:
        form = forms[row.name]
        if row.meaning == "signature" and row.name not in explained:
            text = f"the signature fails on {form.bytes_class}; known to break on it: {form.breaks}"
            if row.is_finding:
                findings.append(Finding(text, "verify over the raw bytes of the request", (row.name,)))
            else:
                notes.append(f"{text}; no known provider sends it")
        elif row.meaning == "broken":
            text = f"{form.bytes_class} break{'' if ' and ' in form.bytes_class else 's'} the endpoint: {row.answer}"
            findings.append(
                Finding(text, f"see its log; known to break on it: {form.breaks}", (row.name,), proven=True)
            )
        elif row.meaning == "refused" and row.is_finding:
            text = f"a genuine event is refused for {form.bytes_class}: {row.answer}"
            findings.append(Finding(text, f"known to break on it: {form.breaks}", (row.name,), proven=True))
        elif row.meaning == "unclear":
            notes.append(f"{form.bytes_class}: refused as a forged event is, but {form.lenient}: it is not known which")
    return findings, notes


def _shown(seen: Seen) -> str:
    """An answer in a few words."""
    text = " ".join(seen.text.decode("utf-8", "replace").split())
    short = text if len(text) <= SHOWN_ANSWER else f"{text[:SHOWN_ANSWER]}…"
    return f"no answer: {text}" if seen.status is None else f"{seen.status} {short}".rstrip()


# -- the clock ------------------------------------------------------------------------------------------------------


async def _edge(asker: Asker, direction: Direction, sign: int, limit_s: int) -> Edge:
    """One side of the window on our clock; the figures of single trials are as exact as our clock."""
    search = EdgeSearch(limit_s)
    within, beyond = 0.0, None
    while (shift := search.next()) is not None:
        seen = await asker.shifted(sign * shift)
        if not seen.accepted and (seen.status is None or not 400 <= seen.status < 500 or seen.status in (408, 429)):
            raise UnreachableError(
                f"an event signed {shift:,} s {'ago' if sign < 0 else 'ahead'} got an answer that shows "
                f"nothing about its time ({_shown(seen)}): the window cannot be found; --pause sends more slowly"
            )
        search.tell(shift, accepted=seen.accepted)
        nearest, farthest = asker.shift_of(sign)
        if seen.accepted:
            within = nearest
        else:
            beyond = farthest
    return Edge(direction, within, beyond)
