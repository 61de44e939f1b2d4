"""The request of one event of a stored run, with its signature where the secret can be read here.

Secrets are read from where the stored scenario names them. Without them a request is made with two random secrets: what
differs between the two depends on the secret, and is masked.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from loadsim.cases import REUSING, request_maker
from loadsim.engine.delivery_headers import delivery_headers, line
from loadsim.engine.resolved_endpoint import request_head
from loadsim.engine.url_authority import authority
from loadsim.measure.result_numbers import Count
from loadsim.model import NS_PER_MS, Secret, SignedRequest, UsageError, case_kind
from loadsim.plan import Plan, RunSpec, header_pairs
from loadsim.plan.redact import ENV_PREFIX, MASK, conceal, is_telling, secrets_in
from loadsim.report.numbers import milliseconds
from loadsim.run.chosen_delivery import Basis, Chosen
from loadsim.run.run_secrets import read_secrets
from loadsim.run.stored_scenario import is_embedded, with_url
from loadsim.secret_sources import new_secret
from loadsim.signing import scheme

_NOT_SIGNED = "*** (needs the secret)"
_NOWHERE = "http://embedded.invalid/"
_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie"})


class RemadeRequest(msgspec.Struct, frozen=True):
    """The request of one delivery. Credentials are masked."""

    url: str | None
    """Redacted; None: the embedded receiver's, which is gone."""
    headers: list[tuple[str, str]]
    """Name and value of each, in the order in which they were sent."""
    body: str
    """The body, as text or base64."""
    body_base64: bool
    """Whether `body` is base64, since the bytes are not UTF-8 text."""
    body_bytes: Count
    """Size of the body."""
    signed: bool
    """Whether the signature is the run's own, made with its secret."""
    dated: Basis
    """What its times are: `epoch`: exactly those of the run; `sent`: when it was sent, `due`: was due, `start`: when
    the run began."""
    dated_ns: Count
    """The time, ns since 1970."""


@dataclass(frozen=True, slots=True)
class Remade:
    """A request, and what could not be made again of it."""

    request: RemadeRequest
    notes: list[str]


def remade(spec: RunSpec, plan: Plan, index: int, stratum: int, delivery: Chosen) -> Remade:
    """The request of one delivery of event `index` in a stratum."""
    notes: list[str] = []
    at = delivery.at
    embedded = is_embedded(spec)
    secrets = _secrets(spec, notes)
    described = scheme(spec.scenario.target.scheme, spec.scenario.target.custom)
    usable = with_url(spec, _NOWHERE) if embedded else spec

    def made() -> SignedRequest:
        keys = secrets or (new_secret(described), new_secret(described))
        own = msgspec.structs.replace(usable, secret=keys[0], old_secret=keys[1])
        maker, retried = request_maker(own), delivery.retried
        if retried is None:
            return SignedRequest(*maker.make(index, stratum, at.wall_ns))
        again = maker.redelivery_of(stratum)
        return again(index, retried.born_ns, at.wall_ns, delivery.attempt, retried.code_before)

    request = made()
    lines, masked = request.header_pairs(), False
    if secrets is None:
        other = made()
        pairs = dict(other.header_pairs())
        lines = [(name, value if pairs.get(name) == value else _NOT_SIGNED) for name, value in lines]
        masked = other.body != request.body
        if masked:
            notes.append("its body holds what is signed with the secret: that part is another one here")
    hidden = described.secret_headers() | _CREDENTIALS
    lines = [(name, MASK if name.lower() in hidden else value) for name, value in lines]
    lines = [
        *_head(usable, embedded=embedded),
        *lines,
        *_own(spec, index, delivery.attempt),
        ("Content-Length", str(len(request.body))),
    ]
    concealed = secrets_in({}, keys=secrets or ())
    body, is_base64 = _text(request.body, concealed, notes)
    notes += _notes(spec, plan, stratum, delivery)
    if secrets is not None and at.bytes_out and not embedded and spec.scenario.target.http == "1.1":
        notes += _size_note(spec, request, _own(spec, index, delivery.attempt), at.bytes_out)
    shown = RemadeRequest(
        url=None if embedded else spec.scenario.target.url,
        headers=[(name, conceal(value, concealed)) for name, value in lines],
        body=body,
        body_base64=is_base64,
        body_bytes=len(request.body),
        signed=secrets is not None,
        dated=at.basis,
        dated_ns=at.wall_ns,
    )
    return Remade(shown, notes)


def _secrets(spec: RunSpec, notes: list[str]) -> tuple[Secret, Secret | None] | None:
    """The secret and the old one; None where they cannot be read here."""
    if is_embedded(spec):
        notes.append("not signed: the embedded receiver's secret was a random one of that run")
        return None
    try:
        return read_secrets(spec.scenario, "")
    except UsageError as error:
        notes.append(f"not signed: {error}")
        return None


def _head(spec: RunSpec, *, embedded: bool) -> list[tuple[str, str]]:
    """The constant headers, as they stand in the stored scenario: values of variables by their name."""
    target = spec.scenario.target
    lines = request_head(target, authority(target.url)).decode().split("\r\n")[1:]
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines) if name]
    shown = [(name, MASK if is_telling(name) and not value.startswith(ENV_PREFIX) else value) for name, value in pairs]
    return [pair for pair in shown if not embedded or pair[0] != "Host"]


def _own(spec: RunSpec, index: int, attempt: int) -> list[tuple[str, str]]:
    """The headers that name the delivery."""
    return SignedRequest(delivery_headers(spec).lines(line).of([index], attempt)[index], b"").header_pairs()


def _text(body: bytes, concealed: tuple[str, ...], notes: list[str]) -> tuple[str, bool]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True
    shown = conceal(text, concealed)
    if shown != text:
        notes.append("its body holds the secret, which is masked")
    return shown, False


def _notes(spec: RunSpec, plan: Plan, stratum: int, delivery: Chosen) -> list[str]:
    """What of the request is known not to be exact."""
    target = spec.scenario.target
    notes = list(_time_notes(delivery))
    if MASK in target.url:
        notes.append("the URL is stored redacted")
    case = plan.cases[plan.unpack(stratum)[2]]
    if case_kind(case) in REUSING:
        notes.append(f"{case} repeats the request sent before it, which is not known here: its own one is shown")
    if not _whole_headers(spec):
        notes.append("values of headers that are credentials, or came from variables, are not stored")
    return notes


def _time_notes(delivery: Chosen) -> Iterator[str]:
    """What is not exact of its times."""
    at, retried = delivery.at, delivery.retried
    if delivery.attempt > 1 and retried is not None and not retried.known:
        yield "when it was signed, and how the attempt before it ended, are in the raw log alone (--raw)"
    elif at.basis == "sent":
        made = "some time" if at.earlier_ns is None else f"at most {milliseconds(at.earlier_ns / NS_PER_MS)}"
        times = "its times are" if retried is None else "the time of its signature is"
        those = "those" if retried is None else "that"
        yield f"{times} {those} of the moment when it was sent; it was made {made} earlier"
    elif at.basis != "epoch":
        when = "the moment when it was due" if at.basis == "due" else "the start of the run"
        yield f"signed at send time, which is not known here: its times are those of {when}"


def _whole_headers(spec: RunSpec) -> bool:
    """Whether the values of all the target's headers are stored."""
    values = [value for _, value in header_pairs(spec.scenario.target.headers)]
    return not any(value == MASK or value.startswith(ENV_PREFIX) for value in values)


def _size_note(spec: RunSpec, request: SignedRequest, names: list[tuple[str, str]], sent: int) -> list[str]:
    """Whether the request has the size of what was sent, where every part of it is known."""
    target = spec.scenario.target
    if MASK in target.url or not _whole_headers(spec):
        return []
    own = sum(len(f"{name}: {value}\r\n") for name, value in names)
    framing = len(b"Content-Length: %d\r\n\r\n" % len(request.body))
    size = len(request_head(target, authority(target.url))) + len(request.headers) + own + framing + len(request.body)
    if size == sent:
        return []
    return [f"it has {size:,} bytes, and {sent:,} were sent: something in it is not as it was"]
