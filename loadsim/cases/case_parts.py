"""What every kind of case is made from: the parts of a delivery, and the ways to change one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from loadsim.cases.genuine_requests import Make, Secrets, Sign, SigningProvider, Source
from loadsim.cases.signature_places import SignaturePlace, signature_place
from loadsim.model import SignedRequest
from loadsim.plan import Case
from loadsim.signing import Scheme


@dataclass(slots=True)
class Memory:
    """Remembers the last genuine request of a type, for deliveries that repeat it."""

    make: Make
    longest_ns: float
    """Greatest age at which it is used again, so that its timestamp is still inside the scheme's window."""
    request: SignedRequest | None = None
    now_ns: int = 0

    def remember(self, index: int, now_ns: int) -> SignedRequest:
        """Make and remember the genuine request of event `index`."""
        self.request, self.now_ns = self.make(index, now_ns), now_ns
        return self.request

    def recall(self, index: int, now_ns: int) -> SignedRequest:
        """The request sent last; the genuine request of `index` itself when there is none, or it is too old."""
        if self.request is None or now_ns - self.now_ns > self.longest_ns:
            return self.make(index, now_ns)
        return self.request


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a case of one event type is made from."""

    provider: SigningProvider
    source: Source
    topic: str
    """The provider's name of the events."""
    secrets: Secrets
    """Which secrets are valid in this phase."""
    sign: Sign
    """Signs like genuine events of this phase."""
    genuine: Make
    memory: Memory
    case: Case
    seed: int

    @property
    def scheme(self) -> Scheme:
        """The scheme of the provider."""
        return self.provider.scheme

    @property
    def signature(self) -> SignaturePlace:
        """Where the signature stands."""
        return signature_place(self.scheme)


@dataclass(frozen=True, slots=True)
class CaseKind:
    """One row of the table. `problem` says why a scheme cannot have this case; empty: it can."""

    expect: Literal["accept", "refuse"]
    build: Callable[[Parts], Make]
    problem: Callable[[Scheme], str] = lambda _: ""
    options: Mapping[str, int] = field(default_factory=dict)


def with_lines(parts: Parts, change: Callable[[bytes, int], bytes]) -> Make:
    """A genuine request with changed header lines; `change` gets the lines and the index."""
    genuine = parts.genuine

    def make(index: int, now_ns: int) -> SignedRequest:
        lines, body = genuine(index, now_ns)
        return SignedRequest(change(lines, index), body)

    return make


def with_signature(parts: Parts, change: Callable[[bytes, int], bytes]) -> Make:
    """A genuine request with a changed signature; `change` gets its text and the index."""
    genuine, place = parts.genuine, parts.signature

    def make(index: int, now_ns: int) -> SignedRequest:
        request = genuine(index, now_ns)
        return place.replaced(request, change(place.value(request), index))

    return make


def sent_otherwise(parts: Parts, change: Callable[[bytes], bytes]) -> Make:
    """The body is changed after signing."""
    genuine = parts.genuine

    def make(index: int, now_ns: int) -> SignedRequest:
        lines, body = genuine(index, now_ns)
        return SignedRequest(lines, change(body))

    return make


def signed_otherwise(parts: Parts, change: Callable[[bytes], bytes]) -> Make:
    """The body is changed before signing: the signature is valid."""
    sign, body_of = parts.sign, parts.source.body
    return lambda index, now_ns: sign(change(body_of(index, now_ns)), now_ns, index)
