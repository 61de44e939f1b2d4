"""Asks an endpoint what its verification does to bytes: controls, the rawness corpus, then proofs of the likely causes.

Decides the order of what is sent, when it is pointless to go on, and what may be concluded. One event at a time, each
signed anew; the meaning of single answers is `judge`'s, the bytes are `cases`'.
"""

from __future__ import annotations

import asyncio
import dataclasses
import email.utils
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loadsim.cases import CONTENT_TYPE
from loadsim.cases.misreadings import MISREADINGS, Misreading
from loadsim.cases.rawness import CORPUS, EVERYTHING, PLAIN_MEMBER, RawForm
from loadsim.cases.wire import with_another_digit
from loadsim.events import EventSource
from loadsim.judge.clock_window import Clocks, Direction, Edge, offset_of
from loadsim.judge.rawness import Seen, told
from loadsim.model import NS_PER_S, Secret, SignedRequest, UnreachableError
from loadsim.report.diagnosis import diagnosis_of
from loadsim.report.panel import Answer
from loadsim.report.probe import SHOWN_ANSWER, ClockReport, Finding, ProbeReport, Row, Subject
from loadsim.signing import Scheme
from loadsim.studies.clock_window import EdgeSearch
from loadsim.studies.simulate import Trust, exchange

UNVERIFIED = Finding(
    "the endpoint does not verify: it accepted an event whose body was changed after signing",
    "compare the signature over the raw body before answering, and answer 401 when it does not match; where the check "
    "runs after the answer or is switched off here, nothing keeps a forged event out",
    proven=True,
)
_DIRECTIONS: tuple[tuple[Direction, int], ...] = (("stale", -1), ("future", 1))


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """Whom to ask, and how events for it are made and signed."""

    subject: Subject
    scheme: Scheme
    secret: Secret
    signed_url: str
    """The URL that the provider has on file."""
    headers: Mapping[str, str]
    timeout_s: float
    trust: Trust
    pause_s: float = 0.0
    """Between two requests, for endpoints that limit them."""


async def probe_rawness(request: ProbeRequest) -> ProbeReport:
    """Send the corpus and say what the endpoint's verification breaks on.

    Raises UnreachableError when a plain event gets no answer. About 50 events; where something fails, one more each,
    and one for each misreading that may explain it.
    """
    asker = _Asker(request)
    stopped, forged = await _controls(asker)
    if stopped is not None:
        return ProbeReport(request.subject, asker.requests, (stopped,))
    strict = not (await asker.ask(PLAIN_MEMBER)).accepted
    rows: list[Row] = []
    failing: list[RawForm] = []
    given_up = None
    for form in CORPUS:
        why = given_up or _unsendable(form, request.scheme, strict=strict)
        if why:
            rows.append(Row(form.name, form.bytes_class, None, why=why))
            continue
        row = _row(form, await asker.ask(form), forged)
        rows.append(row)
        if row.told != "accepted":
            given_up = await _no_more(asker, form)
        if row.told in ("signature", "unclear"):
            failing.append(form)
    proofs = [] if given_up else await _proofs(asker, failing)
    rows = [_proven(row, proofs) for row in rows]
    findings, notes = _conclusions(rows, proofs)
    if strict:
        notes.insert(0, "events with one field more are refused: forms that add one were not sent")
    return ProbeReport(request.subject, asker.requests, tuple(findings), tuple(rows), tuple(notes), given_up)


async def probe_clock(request: ProbeRequest, *, tolerance_s: float | None, limit_s: int) -> ClockReport:
    """Find the window of time that is accepted, to the second, up to `limit_s` both ways.

    Raises UnreachableError when an event gets no answer, or one that says nothing of its time. At most
    4 · `limit_s.bit_length()` + 4 events.
    """
    asker = _Asker(request)
    stopped, _ = await _controls(asker)
    if stopped is not None:
        return ClockReport(request.subject, asker.requests, tolerance_s, limit_s, stopped=stopped)
    edges = [await _edge(asker, direction, sign, limit_s) for direction, sign in _DIRECTIONS]
    offset = offset_of(asker.clocks, *edges)
    return ClockReport(request.subject, asker.requests, tolerance_s, limit_s, tuple(edges), offset)


# -- sending --------------------------------------------------------------------------------------------------------


class _Asker:
    """Sends events, one at a time, each with an id and a body of its own."""

    def __init__(self, request: ProbeRequest) -> None:
        self._request = request
        self._source = EventSource(request.subject.event, secrets.randbits(32))
        self._signer = request.scheme.signer(request.secret, url=request.signed_url, event=self._source.topic)
        timestamp = request.scheme.timestamp
        self._dated_body = timestamp is not None and timestamp.place == "body"
        self.requests = 0
        self.clocks = Clocks()
        self._stamped_s = self.began_s = self.ended_s = 0.0
        """The last exchange, seconds since 1970."""

    def plain(self, now_ns: int) -> bytes:
        """The next event, as it is."""
        return self._source.body(self.requests, now_ns)

    async def ask(self, form: RawForm, *, misread: Misreading | None = None) -> Seen:
        """Send a form of the next event; signed is what `misread` makes of it, if given."""
        now_ns = time.time_ns()
        body = form.of(self.plain(now_ns))
        signed = misread.of(body) if misread is not None else body
        return await self.send(body, signed if signed is not None else body, now_ns, form)

    async def forged(self) -> Seen:
        """Send an event whose body was changed after signing."""
        now_ns = time.time_ns()
        body = self.plain(now_ns)
        return await self.send(with_another_digit(body), body, now_ns)

    async def shifted(self, shift_s: int) -> Seen:
        """Send a genuine event of another time."""
        now_ns = time.time_ns()
        then_ns = now_ns + shift_s * NS_PER_S
        timestamp = self._request.scheme.timestamp
        tick_ns = timestamp.tick_ns if timestamp is not None else 1
        self._stamped_s = then_ns // tick_ns * tick_ns / NS_PER_S
        body = self.plain(then_ns if self._dated_body else now_ns)
        return await self.send(body, body, then_ns)

    def shift_of(self, sign: int) -> tuple[float, float]:
        """How far the time in the last shifted event was from ours while it travelled: least and most, seconds."""
        first, last = sorted((sign * (self._stamped_s - self.began_s), sign * (self._stamped_s - self.ended_s)))
        return first, last

    async def send(self, body: bytes, signed: bytes, now_ns: int, form: RawForm | None = None) -> Seen:
        """Send `body` with the signature of `signed`."""
        if self.requests and self._request.pause_s:
            await asyncio.sleep(self._request.pause_s)
        lines = CONTENT_TYPE + self._signer.headers(signed, now_ns, self._source.event_id(self.requests))
        form = form or PLAIN_MEMBER
        self.requests += 1
        self.began_s = time.time()
        done = await exchange(
            self._request.subject.url,
            SignedRequest(_renamed(lines, form), body),
            headers={**dict(form.headers), **self._request.headers},
            timeout_s=self._request.timeout_s,
            trust=self._request.trust,
            chunk=form.chunk,
        )
        self.ended_s = time.time()
        if not isinstance(done.outcome, Answer):
            return Seen(None, done.outcome.text.encode())
        self._read_clock(done.outcome)
        return Seen(done.outcome.status, done.outcome.body)

    def _read_clock(self, answer: Answer) -> None:
        dates = [value for name, value in answer.headers if name.lower() == "date"]
        try:
            date_s = email.utils.parsedate_to_datetime(dates[0]).timestamp() if dates else None
        except ValueError:
            return
        if date_s is not None:
            self.clocks.add(self.began_s, self.ended_s, date_s)


def _renamed(lines: bytes, form: RawForm) -> bytes:
    """The header lines with their names in another case."""
    if not form.names:
        return lines
    split = [line.partition(b":") for line in lines.split(b"\r\n")[:-1]]
    change = bytes.lower if form.names == "lower" else bytes.upper
    return b"".join(change(name) + colon + value + b"\r\n" for name, colon, value in split)


# -- controls -------------------------------------------------------------------------------------------------------

_PLAIN = dataclasses.replace(PLAIN_MEMBER, member=b"")


async def _controls(asker: _Asker) -> tuple[Finding | None, Seen]:
    """Why nothing can be asked, and the answer to a forged event."""
    plain = await asker.ask(_PLAIN)
    if plain.status is None:
        raise UnreachableError(plain.text.decode())
    if not plain.accepted:
        request = asker._request  # noqa: SLF001 - one idea in two functions
        if plain.status < 404 and (proofs := await _proofs(asker, [_PLAIN])):
            misread = proofs[0].misread
            text = f"even a plain, genuine event is refused ({_shown(plain)}): {misread.cause}"
            return Finding(text, misread.mend, (_PLAIN.name,), proven=True), plain
        likely = diagnosis_of(plain.status, scheme=request.subject.scheme)
        if 300 <= plain.status < 400:
            likely = "redirects are not followed: give the URL that the endpoint redirects to"
        text = f"a plain, genuine event is refused: {_shown(plain)}"
        return Finding(text, likely or "make the endpoint accept a plain event first: see `loadsim simulate`"), plain
    forged = await asker.forged()
    if forged.status is None:
        raise UnreachableError(f"a plain event was accepted, but a forged one got no answer: {forged.text.decode()}")
    return (UNVERIFIED if forged.accepted else None), forged


async def _no_more(asker: _Asker, form: RawForm) -> str | None:
    """Why it is pointless to go on after `form` was not accepted: a plain event is not accepted any more either."""
    plain = await asker.ask(_PLAIN)
    if plain.accepted:
        return None
    return (
        f"after {form.name} the endpoint does not accept plain events any more ({_shown(plain)}): does it limit "
        "requests (--pause), or did it fail?"
    )


def _unsendable(form: RawForm, scheme: Scheme, *, strict: bool) -> str:
    if form.whole is not None and scheme.timestamp is not None and scheme.timestamp.place == "body":
        return f"the scheme {scheme.name} wants its timestamp in the body"
    return "an event with one field more is refused anyway" if form.member and strict else ""


# -- conclusions ----------------------------------------------------------------------------------------------------


def _row(form: RawForm, seen: Seen, forged: Seen) -> Row:
    meaning = told(seen, forged, lenient=bool(form.lenient))
    is_finding = meaning == "broken" or (meaning == "signature" and not form.rare)
    is_finding |= meaning == "refused" and not form.lenient
    return Row(form.name, form.bytes_class, meaning, _shown(seen), is_finding, form.lenient)


@dataclass(frozen=True, slots=True)
class _Proof:
    """A misreading that the endpoint was seen to make, and the forms that it explains."""

    misread: Misreading
    names: frozenset[str]


async def _proofs(asker: _Asker, failing: list[RawForm]) -> list[_Proof]:
    """Sign what a misreading makes of a failing form, send the form itself: who accepts it verifies the misreading."""
    failing.sort(key=lambda form: form is not EVERYTHING)
    proofs: list[_Proof] = []
    tried: set[tuple[str, bytes]] = set()
    sample = asker.plain(0)
    for misread in MISREADINGS:
        explained = frozenset(form.name for form in failing if misread.of(form.of(sample)) is not None)
        open_forms = [form for form in failing if not any(form.name in proof.names for proof in proofs)]
        form = next((form for form in open_forms if form.name in explained), None)
        if form is None:
            continue
        made = misread.of(form.of(sample)) or b""
        if (form.name, made) in tried:
            continue
        tried.add((form.name, made))
        if (await asker.ask(form, misread=misread)).accepted:
            proofs.append(_Proof(misread, explained))
    return proofs


def _proven(row: Row, proofs: Iterable[_Proof]) -> Row:
    """An unclear row that a proof explains is a failing signature."""
    if row.told == "unclear" and any(row.name in proof.names for proof in proofs):
        return dataclasses.replace(row, told="signature", is_finding=True)
    return row


def _conclusions(rows: list[Row], proofs: list[_Proof]) -> tuple[list[Finding], list[str]]:
    forms = {form.name: form for form in CORPUS}
    failing = [row for row in rows if row.told == "signature"]
    findings, notes = [], []
    for proof in proofs:
        classes = tuple(row.name for row in failing if row.name in proof.names)
        if all(forms[name].rare for name in classes):
            notes.append(f"{proof.misread.cause} (proven by {', '.join(classes)}): {proof.misread.mend}")
        else:
            findings.append(Finding(proof.misread.cause, proof.misread.mend, classes, proven=True))
    explained = {name for proof in proofs for name in proof.names}
    for row in rows:
        form = forms[row.name]
        if row.told == "signature" and row.name not in explained:
            text = f"the signature fails on {form.bytes_class}; known to break on it: {form.breaks}"
            if row.is_finding:
                findings.append(Finding(text, "verify over the raw bytes of the request", (row.name,)))
            else:
                notes.append(f"{text}; no known provider sends it")
        elif row.told == "broken":
            text = f"{form.bytes_class} break{'' if ' and ' in form.bytes_class else 's'} the endpoint: {row.answer}"
            findings.append(
                Finding(text, f"see its log; known to break on it: {form.breaks}", (row.name,), proven=True)
            )
        elif row.told == "refused" and row.is_finding:
            text = f"a genuine event is refused for {form.bytes_class}: {row.answer}"
            findings.append(Finding(text, f"known to break on it: {form.breaks}", (row.name,), proven=True))
        elif row.told == "unclear":
            notes.append(
                f"{form.bytes_class}: refused as a forged event is, but {form.lenient}: no telling which it was"
            )
    return findings, notes


def _shown(seen: Seen) -> str:
    """An answer in a few words."""
    text = " ".join(seen.text.decode("utf-8", "replace").split())
    short = text if len(text) <= SHOWN_ANSWER else f"{text[:SHOWN_ANSWER]}…"
    return f"no answer: {text}" if seen.status is None else f"{seen.status} {short}".rstrip()


# -- the clock ------------------------------------------------------------------------------------------------------


async def _edge(asker: _Asker, direction: Direction, sign: int, limit_s: int) -> Edge:
    """One side of the window on our clock; the figures of single trials are as exact as our clock."""
    search = EdgeSearch(limit_s)
    within, beyond = 0.0, None
    while (shift := search.next()) is not None:
        seen = await asker.shifted(sign * shift)
        if not seen.accepted and (seen.status is None or not 400 <= seen.status < 500 or seen.status in (408, 429)):
            raise UnreachableError(
                f"an event signed {shift:,} s {'ago' if sign < 0 else 'ahead'} got an answer that says nothing of its "
                f"time ({_shown(seen)}): the window cannot be found; --pause sends more slowly"
            )
        search.tell(shift, accepted=seen.accepted)
        nearest, farthest = asker.shift_of(sign)
        if seen.accepted:
            within = nearest
        else:
            beyond = farthest
    return Edge(direction, within, beyond)
