"""Genuine deliveries: what the provider sends, signed with the secrets that are valid in a phase.

During a rotation both secrets are valid. A scheme with a list of signatures then sends both, in alternating order; a
scheme with one signature uses the two secrets alternately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from loadsim.cases.delivery_edits import HeaderLine
from loadsim.events import EventSource, RecordedSource
from loadsim.model import Secret, SignedRequest, UsageError
from loadsim.signing import Scheme, Signer

CONTENT_TYPE = b"Content-Type: application/json\r\n"
OF_EVENTS = frozenset({"content-type"})
"""Headers, lower case, that a target can set itself: its value then replaces that of the event."""

Source = EventSource | RecordedSource
Make = Callable[[int, int], SignedRequest]
"""(index, wall clock in ns since 1970) -> request."""
Request = tuple[bytes, bytes]
"""Header lines and body, as in a SignedRequest."""
MakeAll = Callable[[Sequence[int], int], Sequence[Request]]
"""(indexes, wall clock in ns since 1970) -> the requests that `Make` gives for each."""
Sign = Callable[[bytes, int, int], bytes]
"""(body, wall clock in ns since 1970, index) -> signature header lines, each ending in CRLF."""
Secrets = Literal["old", "both", "new"]


@dataclass(frozen=True, slots=True)
class SigningProvider:
    """The signing provider: the scheme, its secret, and the old secret if there is one."""

    scheme: Scheme
    secret: Secret
    old_secret: Secret | None = None
    url: str | None = None
    """The URL that the provider has stored, for schemes that sign it."""
    content_type: bytes = CONTENT_TYPE
    """The header line, or lines, of the content type."""

    def signer(self, secret: Secret, topic: str) -> Signer:
        """The signer of events called `topic` under `secret`. Raises UsageError when the scheme cannot use the
        secret."""
        return self.scheme.signer(secret, url=self.url, event=topic)

    def old_signer(self, topic: str) -> Signer:
        """The signer under the old secret. Raises UsageError when there is none."""
        if self.old_secret is None:
            raise UsageError("the old secret is not given: see target.old_secret_env")
        return self.signer(self.old_secret, topic)

    def sign(self, source: Source, topic: str, secrets: Secrets) -> Sign:
        """How events of `source` called `topic` are signed in a phase with these secrets."""
        if secrets == "new":
            return signing(self.signer(self.secret, topic), source)
        old = signing(self.old_signer(topic), source)
        if secrets == "old":
            return old
        new = signing(self.signer(self.secret, topic), source)
        separator = self.scheme.signature.separator
        if separator is None:
            return lambda body, now_ns, index: (new if index & 1 else old)(body, now_ns, index)
        line = HeaderLine(self.scheme.signature.name)

        def both(body: bytes, now_ns: int, index: int) -> bytes:
            first, second = (old, new) if index & 1 else (new, old)
            lines = first(body, now_ns, index)
            entry = line.value(second(body, now_ns, index)).rpartition(separator)[2]
            return line.replaced(lines, line.value(lines) + separator + entry)

        return both


def signing(signer: Signer, source: Source) -> Sign:
    """The signer's headers for events of `source`."""
    headers, event_id = signer.headers, source.event_id
    if signer.needs_id:
        return lambda body, now_ns, index: headers(body, now_ns, event_id(index))
    return lambda body, now_ns, _: headers(body, now_ns, "")


def signed(source: Source, sign: Sign, content_type: bytes = CONTENT_TYPE) -> Make:
    """Makes requests of unchanged events of `source`, signed by `sign`."""
    body_of = source.body

    def make(index: int, now_ns: int) -> SignedRequest:
        body = body_of(index, now_ns)
        return SignedRequest(content_type + sign(body, now_ns, index), body)

    return make


def genuine(source: EventSource, signer: Signer, content_type: bytes = CONTENT_TYPE) -> MakeAll | None:
    """The fastest way from indexes to requests under one secret; None when headers contain the event's id.

    Most events of a run are made here; not those with an `--epoch`, retries or volleys.
    """
    if signer.needs_id:
        return None
    bodies_of, headers_of = source.bodies, signer.headers_of_all

    def make_all(indexes: Sequence[int], now_ns: int) -> list[Request]:
        bodies = bodies_of(indexes, now_ns)
        return list(zip(headers_of(bodies, now_ns, content_type), bodies, strict=True))

    return make_all
