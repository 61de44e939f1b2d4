"""Genuine deliveries: what the provider sends, signed with the secrets that are valid in a phase.

During a rotation both secrets are valid. A scheme with a list of signatures then sends both, in alternating order; a
scheme with one signature uses the two secrets alternately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loadsim.cases.signature_places import signature_place
from loadsim.compiled_step import step
from loadsim.events import EventSource, RecordedSource
from loadsim.model import NS_PER_MS, Secret, SignedRequest, UsageError
from loadsim.signing import Scheme, Signer
from loadsim.signing.sign import SealingSigner

CONTENT_TYPE = b"Content-Type: application/json\r\n"


def content_type_line(content_type: str) -> bytes:
    """The header line of a content type."""
    return f"Content-Type: {content_type}\r\n".encode()


OF_EVENTS = frozenset({"content-type"})
"""Headers, lower case, that a target can set itself: its value then replaces that of the event."""

Source = EventSource | RecordedSource
Make = Callable[[int, int], SignedRequest]
"""(index, wall clock in ns since 1970) -> request."""
Request = tuple[bytes, bytes]
"""Header lines and body, as in a SignedRequest."""
MakeAll = Callable[[Sequence[int], int], Sequence[Request]]
"""(indexes, wall clock in ns since 1970) -> the requests that `Make` gives for each."""
Recipe = tuple[Any, ...]
"""What the compiled step makes genuine requests of: `EventSource.parts_at` and `Signer.parts_at`."""
RecipeAt = Callable[[int], Recipe]
"""Wall clock in ns since 1970 -> the recipe of that millisecond. It must not be used after a body of
another time was made; it knows the events of one block of random numbers."""
Sign = Callable[[bytes, int, int], SignedRequest]
"""(body, wall clock in ns since 1970, index) -> the signed request with this body."""
Secrets = Literal["old", "both", "new"]


@dataclass(frozen=True, slots=True)
class SigningProvider:
    """The signing provider: the scheme, its secret, and the old secret if there is one."""

    scheme: Scheme
    secret: Secret
    old_secret: Secret | None = None
    url: str | None = None
    """The URL that the provider has stored, for schemes that sign it."""
    own_content_type: bytes | None = None
    """The header line, or lines, of the content type that the target sets itself; None: that of the events."""

    def content_type(self, source: Source) -> bytes:
        """The header line, or lines, of the content type of events of `source`."""
        return content_type_line(source.content_type) if self.own_content_type is None else self.own_content_type

    def signer(self, secret: Secret, source: Source, topic: str) -> Signer:
        """The signer of events called `topic` under `secret`. Raises UsageError when the scheme cannot use the
        secret."""
        content_type = self.content_type(source).partition(b"\r\n")[0].partition(b": ")[2].decode()
        return self.scheme.signer(secret, url=self.url, event=topic, content_type=content_type)

    def old_signer(self, source: Source, topic: str) -> Signer:
        """The signer under the old secret. Raises UsageError when there is none."""
        if self.old_secret is None:
            raise UsageError("the old secret is not given: see target.old_secret_env")
        return self.signer(self.old_secret, source, topic)

    def sign_with(self, secret: Secret, source: Source, topic: str) -> Sign:
        """Signs events of `source` called `topic` under one secret."""
        return signing(self.signer(secret, source, topic), source, self.content_type(source))

    def sign(self, source: Source, topic: str, secrets: Secrets) -> Sign:
        """How events of `source` called `topic` are signed in a phase with these secrets."""
        if secrets == "new":
            return self.sign_with(self.secret, source, topic)
        old = signing(self.old_signer(source, topic), source, self.content_type(source))
        if secrets == "old":
            return old
        new = self.sign_with(self.secret, source, topic)
        signature = self.scheme.signature
        if signature.separator is None and not signature.further:
            return lambda body, now_ns, index: (new if index & 1 else old)(body, now_ns, index)
        place = signature_place(self.scheme)
        if signature.separator is None:
            name = signature.further[0].encode()

            def in_two_headers(body: bytes, now_ns: int, index: int) -> SignedRequest:
                first, second = (old, new) if index & 1 else (new, old)
                lines, sent = first(body, now_ns, index)
                return SignedRequest(lines + name + b": " + place.value(second(body, now_ns, index)) + b"\r\n", sent)

            return in_two_headers
        separator, joint = signature.separator, signature.joint

        def both(body: bytes, now_ns: int, index: int) -> SignedRequest:
            first, second = (old, new) if index & 1 else (new, old)
            request = first(body, now_ns, index)
            entry = place.value(second(body, now_ns, index)).rpartition(separator)[2].removeprefix(signature.prefix)
            return place.replaced(request, place.value(request) + joint + entry)

        return both


def signing(signer: Signer, source: Source, content_type: bytes = CONTENT_TYPE) -> Sign:
    """Makes the signed request of a body of `source`."""
    headers, event_id = signer.headers, source.event_id
    if signer.seals:
        return _sealing(signer, source, content_type)
    if signer.needs_id:
        return lambda body, now_ns, index: SignedRequest(content_type + headers(body, now_ns, event_id(index)), body)
    return lambda body, now_ns, _: SignedRequest(content_type + headers(body, now_ns, ""), body)


def _sealing(signer: Signer, source: Source, content_type: bytes) -> Sign:
    def sign(body: bytes, now_ns: int, index: int) -> SignedRequest:
        event_id = source.event_id(index)
        body = signer.sealed(body, now_ns, event_id)
        return SignedRequest(content_type + signer.headers(body, now_ns, event_id), body)

    return sign


def _sealing_all(source: EventSource, signer: SealingSigner, content_type: bytes) -> MakeAll:
    document_of, event_id_of, sealed, headers = source.document, source.event_id, signer.sealed_document, signer.headers
    needs_id = signer.needs_id

    def make_all(indexes: Sequence[int], now_ns: int) -> list[Request]:
        found = []
        for index in indexes:
            event_id = event_id_of(index) if needs_id else ""
            body = sealed(document_of(index, now_ns), now_ns, event_id)
            found.append((content_type + headers(body, now_ns, event_id), body))
        return found

    return make_all


def signed(source: Source, sign: Sign) -> Make:
    """Makes requests of unchanged events of `source`, signed by `sign`."""
    body_of = source.body
    return lambda index, now_ns: sign(body_of(index, now_ns), now_ns, index)


def genuine(source: EventSource, signer: Signer, content_type: bytes = CONTENT_TYPE) -> MakeAll | None:
    """The fastest way from indexes to requests under one secret; None when headers contain the event's id, or the
    signature stands in a body that has no document.

    Most events of a run are made here; not those with an `--epoch`, retries or volleys.
    """
    if isinstance(signer, SealingSigner):
        return _sealing_all(source, signer, content_type) if source.has_documents and signer.seals_documents else None
    if signer.needs_id:
        return None
    bodies_of = source.bodies if step is None else source.bodies_by_step
    headers_of = signer.headers_of_all if step is None else signer.headers_by_step

    def make_all(indexes: Sequence[int], now_ns: int) -> list[Request]:
        bodies = bodies_of(indexes, now_ns)
        return list(zip(headers_of(bodies, now_ns, content_type), bodies, strict=True))

    return make_all


class Recipes(dict[int, Recipe]):
    """The recipes of one millisecond, by stratum, each made when it is first asked for."""

    __slots__ = ("_ms", "_now_ns", "_of")

    def __init__(self, of: Sequence[RecipeAt]) -> None:
        """`of`: by stratum, repeated as often as there are phases."""
        super().__init__()
        self._of, self._now_ns, self._ms = of, 0, -1

    def at(self, now_ns: int) -> Recipes:
        """Those of another time, ns since 1970."""
        ms = now_ns // NS_PER_MS
        if ms != self._ms:
            self._ms, self._now_ns = ms, now_ns
            self.clear()
        return self

    def __missing__(self, stratum: int) -> Recipe:
        found = self[stratum] = self._of[stratum % len(self._of)](self._now_ns)
        return found


def recipe_at(source: EventSource, signer: Signer, content_type: bytes = CONTENT_TYPE) -> RecipeAt | None:
    """As `genuine`, for requests that the compiled step makes where it writes them; None where it cannot."""
    parts_of, signed_parts = source.parts_at, signer.parts_at
    if step is None or not source.has_templates or not signer.is_compiled:
        return None
    return lambda now_ns: (*parts_of(now_ns), *signed_parts(now_ns, content_type))
