"""Sends the events of a probe, one after the other, each with a signature of its own."""

from __future__ import annotations

import asyncio
import email.utils
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from loadsim.cases import content_type_line
from loadsim.cases.corpora import corpus_of
from loadsim.cases.delivery_edits import HeaderLine
from loadsim.cases.misreading_proofs import ProofAnswer, Question, SentForm
from loadsim.cases.raw_bytes_forms import RawForm
from loadsim.cases.tampering import not_signed, tampered
from loadsim.engine.tls_settings import Trust
from loadsim.events import EventSource
from loadsim.model import NS_PER_S, Secret, SignedRequest
from loadsim.plan import Headers, Http, headers_over
from loadsim.plan.redact import conceal, secrets_in
from loadsim.secret_sources import new_secret
from loadsim.signing import Scheme, Signer
from loadsim.signing.mac import MessageMac
from loadsim.signing.mismatch_causes import Codes
from loadsim.signing.timestamps import write_tick
from loadsim.single.result import Response
from loadsim.single.timed_exchange import exchange
from loadsim.studies.probe.judgement import Seen
from loadsim.studies.probe.result import ProbedEndpoint
from loadsim.studies.probe.window import Clocks


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """The probed endpoint, and how its events are made and signed."""

    subject: ProbedEndpoint
    scheme: Scheme
    secret: Secret
    signed_url: str
    """The URL that the provider signs."""
    headers: Headers
    timeout_s: float
    trust: Trust
    http: Http = "1.1"
    hidden: frozenset[str] = frozenset()
    """Lower-case names of headers whose values came from the environment."""
    pause_s: float = 0.0
    """Pause between two requests, for endpoints with a rate limit."""


class Asker:
    """Sends events, one at a time, each with an id and a body of its own."""

    def __init__(self, request: ProbeRequest) -> None:
        self.request = request
        self._source = EventSource(request.subject.event, secrets.randbits(32))
        scheme = request.scheme
        self._signer = self._signer_of(request.secret)
        self.corpus = corpus_of(self._source.content_type)
        """What is sent."""
        self.form_of_plain = self.corpus.plain
        self._content_type = content_type_line(self._source.content_type)
        self._code = MessageMac(scheme, request.secret, request.signed_url).code if scheme.is_usual else None
        self._signature = HeaderLine(scheme.signature.name)
        timestamp = request.scheme.timestamp
        self._dated_body = timestamp is not None and timestamp.place == "body"
        self.requests = 0
        self.body_sent = self.plain_sent = b""
        """The body of the last request, and of the last plain event."""
        self.clocks = Clocks()
        self._stamped_s = self.began_s = self.ended_s = 0.0
        """The time of the last exchange, seconds since 1970."""

    def _signer_of(self, secret: Secret) -> Signer:
        request, source = self.request, self._source
        return request.scheme.signer(
            secret, url=request.signed_url, event=source.topic, content_type=source.content_type
        )

    def plain(self, now_ns: int) -> bytes:
        """The body of the next event."""
        return self._source.body(self.requests, now_ns)

    async def ask(self, form: RawForm) -> Seen:
        """Send a form of the next event with its genuine signature."""
        return await self.ask_signed(form, None)

    async def ask_signed(self, form: RawForm, code: Codes | None) -> Seen:
        """Send a form of the next event, with the MAC of `code` instead of the scheme's."""
        now_ns = time.time_ns()
        body = form.of(self.plain(now_ns))
        return await self.send(body, body, now_ns, form, code)

    async def answer(self, question: Question) -> ProofAnswer:
        """Send a form of the next event with the signature of the bytes that a misreading makes of it."""
        now_ns = time.time_ns()
        body = question.form.of(self.plain(now_ns))
        misread = SentForm(question.form, body).read_by(question.misreading)
        seen = await self.send(body, body if misread is None else misread, now_ns, question.form)
        return ProofAnswer(self.body_sent, seen.accepted)

    async def forged(self) -> Seen:
        """Send an event whose body was changed after signing, or where the body is not signed, one of another key."""
        now_ns, scheme = time.time_ns(), self.request.scheme
        body = self.plain(now_ns)
        if not not_signed(scheme):
            return await self.send(body, body, now_ns, tamper=tampered(scheme))
        genuine, self._signer = self._signer, self._signer_of(new_secret(scheme))
        try:
            return await self.send(body, body, now_ns)
        finally:
            self._signer = genuine

    async def shifted(self, shift_s: int) -> Seen:
        """Send a genuine event of another time."""
        now_ns = time.time_ns()
        then_ns = now_ns + shift_s * NS_PER_S
        timestamp = self.request.scheme.timestamp
        tick_ns = timestamp.tick_ns if timestamp is not None else 1
        self._stamped_s = then_ns // tick_ns * tick_ns / NS_PER_S
        body = self.plain(then_ns if self._dated_body else now_ns)
        return await self.send(body, body, then_ns)

    def shift_of(self, sign: int) -> tuple[float, float]:
        """The least and greatest difference of the last shifted event's time from ours during its exchange, seconds."""
        first, last = sorted((sign * (self._stamped_s - self.began_s), sign * (self._stamped_s - self.ended_s)))
        return first, last

    async def send(
        self,
        body: bytes,
        signed: bytes,
        now_ns: int,
        form: RawForm | None = None,
        code: Codes | None = None,
        tamper: Callable[[bytes], bytes] | None = None,
    ) -> Seen:
        """Send `body` with the signature of `signed`, or with the MAC of `code`; `tamper` changes the body after it was
        signed."""
        if self.requests and self.request.pause_s:
            await asyncio.sleep(self.request.pause_s)
        event_id = self._source.event_id(self.requests)
        if self._signer.seals:
            body = signed = self._signer.sealed(signed, now_ns, event_id)
        lines = self._content_type + self._signer.headers(signed, now_ns, event_id)
        body = body if tamper is None else tamper(body)
        if code is not None:
            lines = self._coded(lines, code, now_ns, event_id, signed)
        form = form or self.corpus.member
        self.requests += 1
        self.body_sent = body
        if form is self.form_of_plain:
            self.plain_sent = body
        self.began_s = time.time()
        done = await exchange(
            self.request.subject.url,
            SignedRequest(_renamed(lines, form), body),
            headers=headers_over(dict(form.headers), self.request.headers),
            timeout_s=self.request.timeout_s,
            trust=self.request.trust,
            chunk=form.chunk,
            http=self.request.http,
        )
        self.ended_s = time.time()
        if not isinstance(done.outcome, Response):
            return Seen(None, self._concealed(done.outcome.text.encode()))
        self._read_clock(done.outcome)
        return Seen(done.outcome.status, self._concealed(done.outcome.body))

    def _coded(self, lines: bytes, code: Codes, now_ns: int, event_id: str, body: bytes) -> bytes:
        """The header lines with another code in the signature."""
        timestamp = self.request.scheme.timestamp
        text = b""
        if timestamp is not None and timestamp.place != "body":
            text = write_tick(timestamp.unit, now_ns // timestamp.tick_ns)
        if self._code is None:
            raise ValueError(f"scheme {self.request.scheme.name} has no other codes")
        genuine, other = (make(text, event_id.encode(), body).encode() for make in (self._code, code))
        value = self._signature.value(lines)
        return self._signature.replaced(lines, value.removesuffix(genuine) + other)

    def _concealed(self, said: bytes) -> bytes:
        """The endpoint's answer with our secrets masked."""
        request = self.request
        ours = secrets_in(request.headers, request.hidden, url=request.subject.url, keys=(request.secret,))
        return conceal(said.decode("latin-1"), ours).encode("latin-1")

    def _read_clock(self, answer: Response) -> None:
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
