"""The kinds of cases, that is forged or unusual deliveries: how each is made, and whether an endpoint should accept it.

`CASE_KINDS` is the one table of them: the names, expectations and options that a scenario can use come from it. Each
kind says how it changes a genuine delivery and which schemes it exists for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from loadsim.cases.certificate_forgeries import (
    ALGORITHMS,
    FOREIGN_CERTIFICATE,
    OTHER_ALGORITHM,
    URLS,
    foreign_certificate,
    no_certificate,
    no_named_algorithm,
    other_algorithm,
)
from loadsim.cases.delivery_edits import HeaderLine, padded, respaced
from loadsim.cases.genuine_requests import Make, Secrets, Sign, SigningProvider, Source, signed
from loadsim.cases.jwt_forgeries import JWT_FORGERIES, JWT_FORGERY, forged_tokens, no_forgery, no_token
from loadsim.cases.key_pair_forgeries import FORGERIES, KEY_PAIR_FORGERY, forged, no_key_pair
from loadsim.cases.signature_places import SignaturePlace, signature_place
from loadsim.cases.tampering import no_json, not_bytes, not_signed, tampered
from loadsim.events import holds_json
from loadsim.model import NS_PER_S, Secret, SignedRequest, UsageError, case_kind
from loadsim.plan import Case, CaseRule, Scenario
from loadsim.signing import Scheme
from loadsim.signing.asymmetric import new_private_key

HOUR_NS = 3600 * NS_PER_S
LONG_LIST_BYTES = 8_000
"""Length of the header line of a long list: the most that servers with the usual limit of 8 KB accept."""
PUBLISHED = {
    "github": "It's a Secret to Everybody",  # docs.github.com, "Validating webhook deliveries"
    "slack": "8f742231b10e8888abcd99yyyzzz85a5",  # api.slack.com, "Verifying requests from Slack"
    "standard-webhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # its libraries' tests and examples
    "prefix": "whsec_",
    "test": "whsec_test",
}
"""Keys from public documentation, by source; an endpoint that was set up by copying may use one of them."""
PUBLISHED_KEY = "documentation_key"
EMPTY_KEYS = ("\0", "AA==", "00")
"""One zero byte in each form of a key: HMAC pads keys with zeros (RFC 2104), so this equals the empty key."""


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


# -- another key ----------------------------------------------------------------------------------------------------


def _signed_with(parts: Parts, *secrets: Secret) -> Make:
    """Signed with these secrets in turn."""
    makers = [signed(parts.source, parts.provider.sign_with(secret, parts.source, parts.topic)) for secret in secrets]
    return lambda index, now_ns: makers[index % len(makers)](index, now_ns)


def _wrong_secret(parts: Parts) -> Make:
    if (pair := parts.scheme.pair) not in (None, "ed25519"):
        # A new key each time: their signatures, or the keys, cannot be made from the seed alone.
        return _signed_with(parts, Secret(new_private_key(pair, parts.scheme.name)))
    # Hex digits are a key in every form that a scheme may ask for: text, hex, base64, and Ed25519.
    return _signed_with(parts, Secret(hashlib.sha256(f"loadsim/wrong/{parts.seed}".encode()).hexdigest()))


def _retired_secret(parts: Parts) -> Make:
    return signed(parts.source, parts.provider.sign(parts.source, parts.topic, "old"))


def _published_key(parts: Parts) -> Make:
    return _signed_with(parts, *_usable(parts.scheme, tuple(PUBLISHED.values())))


def _of_one_key(text: str) -> CaseKind:
    """Signed with this published key alone."""

    def problem(scheme: Scheme) -> str:
        return "" if _usable(scheme, (text,)) else "this key is not in the form of its secrets"

    return CaseKind("refuse", lambda parts: _signed_with(parts, Secret(text)), problem)


def _empty_key(parts: Parts) -> Make:
    return _signed_with(parts, *_usable(parts.scheme, EMPTY_KEYS)[:1])


def _usable(scheme: Scheme, texts: tuple[str, ...]) -> list[Secret]:
    """The texts that are valid keys of the scheme."""
    found = []
    url = "http://x/?" + "&".join(f"{part.name}=1" for part in scheme.parts if part.source == "query")
    for text in texts:
        try:
            scheme.signer(Secret(text), url=url, event="any")
        except UsageError:
            continue
        found.append(Secret(text))
    return found


def _no_published_key(scheme: Scheme) -> str:
    return "" if _usable(scheme, tuple(PUBLISHED.values())) else "no published key is in the form of its secrets"


def _key_pair_forgery(parts: Parts, *names: str) -> Make:
    """Forged in each of these ways in turn."""
    genuine, place = parts.genuine, parts.signature
    ways = [forged(name, parts.scheme, parts.provider.secret, parts.provider.url) for name in names]

    def make(index: int, now_ns: int) -> SignedRequest:
        request = genuine(index, now_ns)
        return place.replaced(request, ways[index % len(ways)](request, place.value(request)))

    return make


def _of_one_forgery(name: str) -> CaseKind:
    return CaseKind("refuse", lambda parts: _key_pair_forgery(parts, name), no_key_pair)


def _foreign_certificate(*names: str) -> CaseKind:
    return CaseKind(
        "refuse",
        lambda parts: foreign_certificate(parts.provider, parts.source, parts.topic, *names),
        no_certificate,
    )


def _other_algorithm(*names: str) -> CaseKind:
    return CaseKind("refuse", lambda parts: other_algorithm(parts.scheme, parts.genuine, *names), no_named_algorithm)


def _jwt_forgery(parts: Parts, *names: str) -> Make:
    return forged_tokens(names, parts.provider, parts.source, parts.topic, parts.secrets, parts.genuine)


def _of_one_jwt_forgery(name: str) -> CaseKind:
    return CaseKind("refuse", lambda parts: _jwt_forgery(parts, name), no_forgery(name))


# -- another header -------------------------------------------------------------------------------------------------


def _with_lines(parts: Parts, change: Callable[[bytes, int], bytes]) -> Make:
    """A genuine request with changed header lines; `change` gets the lines and the index."""
    genuine = parts.genuine

    def make(index: int, now_ns: int) -> SignedRequest:
        lines, body = genuine(index, now_ns)
        return SignedRequest(change(lines, index), body)

    return make


def _with_signature(parts: Parts, change: Callable[[bytes, int], bytes]) -> Make:
    """A genuine request with a changed signature; `change` gets its text and the index."""
    genuine, place = parts.genuine, parts.signature

    def make(index: int, now_ns: int) -> SignedRequest:
        request = genuine(index, now_ns)
        return place.replaced(request, change(place.value(request), index))

    return make


def _missing_signature(parts: Parts) -> Make:
    genuine, cut = parts.genuine, parts.signature.cut
    further = [HeaderLine(name) for name in parts.scheme.signature.further]

    def make(index: int, now_ns: int) -> SignedRequest:
        lines, body = cut(genuine(index, now_ns))
        for line in further:
            lines = line.cut_if_there(lines)
        return SignedRequest(lines, body)

    return make


def _missing_timestamp(parts: Parts) -> Make:
    timestamp, separator = parts.scheme.timestamp, parts.scheme.signature.separator
    assert timestamp is not None  # noqa: S101 - see _no_timestamp
    if timestamp.place == "header":
        header = HeaderLine(timestamp.name)
        return _with_lines(parts, lambda lines, _: header.cut(lines))
    prefix, split = timestamp.name.encode(), separator or b","

    def without(value: bytes, _: int) -> bytes:
        if not prefix:  # a bare timestamp stands first
            return value.partition(split)[2]
        return split.join(entry for entry in value.split(split) if not entry.startswith(prefix))

    return _with_signature(parts, without)


_MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "no_form": lambda _: b"malformed",
    "cut_short": lambda value: value[:-1],
    "followed": lambda value: value + b"*",  # by a byte outside the alphabet
    "empty": lambda _: b"",
}


def _malformed_signature(parts: Parts, *ways: Callable[[bytes], bytes]) -> Make:
    """Malformed in each of these ways in turn."""
    return _with_signature(parts, lambda value, index: ways[index % len(ways)](value))


def _malformed_in_one_way(way: Callable[[bytes], bytes]) -> CaseKind:
    return CaseKind("refuse", lambda parts: _malformed_signature(parts, way))


def _non_ascii_signature(parts: Parts) -> Make:
    return _with_signature(parts, lambda value, _: value[:-1] + "é".encode())


def _long_list(parts: Parts, *, valid: bool) -> Make:
    signature = parts.scheme.signature
    separator = signature.separator or b""
    name, prefix = signature.name, signature.prefix

    def lengthen(value: bytes, _index: int) -> bytes:
        before, _, entry = value.rpartition(separator)
        head = before + separator if before else b""
        if signature.is_prefix_once:
            head, entry = head + prefix, entry.removeprefix(prefix)
        junk = (b"" if signature.is_prefix_once else prefix) + b"0" * (len(entry.removeprefix(prefix)))
        space = LONG_LIST_BYTES - len(name) - len(b": \r\n") - len(value)
        many = separator.join([junk] * (space // (len(junk) + len(separator))))
        return head + many + (separator + entry if valid else b"")

    return _with_signature(parts, lengthen)


def _wrong_content_type(parts: Parts) -> Make:
    size = len(parts.provider.content_type(parts.source))  # the first of the lines
    return _with_lines(parts, lambda lines, _: b"Content-Type: text/plain\r\n" + lines[size:])


def _no_timestamp(scheme: Scheme) -> str:
    if scheme.timestamp is None:
        return "it sends no timestamp"
    place = scheme.timestamp.place
    return f"its timestamp stands in the {place}" if place in ("body", "token") else ""


def _no_list(scheme: Scheme) -> str:
    return "" if scheme.signature.separator is not None else "its header carries one signature, not a list"


def _no_long_list(scheme: Scheme) -> str:
    few = "" if scheme.algorithm == "hmac" else "a receiver checks few signatures of a key pair"
    return _no_list(scheme) or few


def _no_window(scheme: Scheme) -> str:
    return "" if scheme.tolerance_s else "it has no time window"


# -- another time ---------------------------------------------------------------------------------------------------


def _at_another_time(parts: Parts, sign: Literal[1, -1]) -> Make:
    by = parts.case.by or HOUR_NS
    if by == HOUR_NS:  # the default must be outside the window
        by = max(by, 2 * (parts.scheme.tolerance_s or 0) * NS_PER_S)
    shift_ns = sign * by
    # A signer of its own: the genuine signer caches what belongs to the current second.
    make = signed(parts.source, parts.provider.sign(parts.source, parts.topic, parts.secrets))
    return lambda index, now_ns: make(index, now_ns + shift_ns)


# -- another body ---------------------------------------------------------------------------------------------------


def _no_hmac(scheme: Scheme) -> str:
    return "" if scheme.is_hmac else "it has no key of an HMAC"


def _malformed_json(parts: Parts) -> Make:
    if not holds_json(parts.source.content_type):
        raise UsageError(f"{parts.case.kind}: events of type {parts.source.type} are not JSON")
    return _signed_otherwise(parts, lambda body: body[:-1])


def _sent_otherwise(parts: Parts, change: Callable[[bytes], bytes]) -> Make:
    """The body is changed after signing."""
    genuine = parts.genuine

    def make(index: int, now_ns: int) -> SignedRequest:
        lines, body = genuine(index, now_ns)
        return SignedRequest(lines, change(body))

    return make


def _signed_otherwise(parts: Parts, change: Callable[[bytes], bytes]) -> Make:
    """The body is changed before signing: the signature is valid."""
    sign, body_of = parts.sign, parts.source.body
    return lambda index, now_ns: sign(change(body_of(index, now_ns)), now_ns, index)


def _at_limit(parts: Parts, more: int) -> Make:
    size = (parts.case.size or 0) + more
    least = len(parts.source.body(0, 0))
    if least > size:
        raise UsageError(
            f"{parts.case.kind}: an event of type {parts.source.type} is {least} bytes long, more than {size}"
        )
    return _signed_otherwise(parts, lambda body: padded(body, size))


# -- the same once more ---------------------------------------------------------------------------------------------


def _replayed(parts: Parts) -> Make:
    return parts.memory.recall


def _tampered_replay(parts: Parts) -> Make:
    recall, body_of = parts.memory.recall, parts.source.body
    change = tampered(parts.scheme)
    in_body = parts.scheme.signature.place != "header"

    def make(index: int, now_ns: int) -> SignedRequest:
        request = recall(index, now_ns)
        lines, body = request
        if in_body:
            return SignedRequest(lines, change(body))
        changed = body_of(index, now_ns)
        return SignedRequest(lines, changed if changed != body else change(body))

    return make


CASE_KINDS: dict[str, CaseKind] = {
    "wrong_secret": CaseKind("refuse", _wrong_secret),
    "empty_key": CaseKind("refuse", _empty_key, _no_hmac),
    PUBLISHED_KEY: CaseKind("refuse", _published_key, _no_published_key),
    **{f"{PUBLISHED_KEY}.{where}": _of_one_key(text) for where, text in PUBLISHED.items()},
    "retired_secret": CaseKind("refuse", _retired_secret),
    "missing_signature": CaseKind("refuse", _missing_signature),
    "missing_timestamp": CaseKind("refuse", _missing_timestamp, _no_timestamp),
    "malformed_signature": CaseKind("refuse", lambda parts: _malformed_signature(parts, *_MALFORMED.values())),
    **{f"malformed_signature.{name}": _malformed_in_one_way(way) for name, way in _MALFORMED.items()},
    "non_ascii_signature": CaseKind("refuse", _non_ascii_signature),
    "long_signature_list": CaseKind("refuse", lambda parts: _long_list(parts, valid=False), _no_list),
    "long_signature_list_valid": CaseKind("accept", lambda parts: _long_list(parts, valid=True), _no_long_list),
    KEY_PAIR_FORGERY: CaseKind("refuse", lambda parts: _key_pair_forgery(parts, *FORGERIES), no_key_pair),
    **{f"{KEY_PAIR_FORGERY}.{name}": _of_one_forgery(name) for name in FORGERIES},
    FOREIGN_CERTIFICATE: _foreign_certificate(*URLS),
    **{f"{FOREIGN_CERTIFICATE}.{name}": _foreign_certificate(name) for name in URLS},
    OTHER_ALGORITHM: _other_algorithm(*ALGORITHMS),
    **{f"{OTHER_ALGORITHM}.{name}": _other_algorithm(name) for name in ALGORITHMS},
    JWT_FORGERY: CaseKind("refuse", lambda parts: _jwt_forgery(parts, *JWT_FORGERIES), no_token),
    **{f"{JWT_FORGERY}.{name}": _of_one_jwt_forgery(name) for name in JWT_FORGERIES},
    "stale_timestamp": CaseKind("refuse", lambda parts: _at_another_time(parts, -1), _no_window, {"by": HOUR_NS}),
    "future_timestamp": CaseKind("refuse", lambda parts: _at_another_time(parts, 1), _no_window, {"by": HOUR_NS}),
    "tampered_body": CaseKind("refuse", lambda parts: _sent_otherwise(parts, tampered(parts.scheme)), not_signed),
    "tampered_replay": CaseKind("refuse", _tampered_replay, not_signed),
    "reserialised_body": CaseKind("refuse", lambda parts: _sent_otherwise(parts, respaced), not_bytes),
    "spaced_body": CaseKind("accept", lambda parts: _signed_otherwise(parts, respaced)),
    "malformed_json": CaseKind("refuse", _malformed_json, no_json),
    "wrong_content_type": CaseKind("refuse", _wrong_content_type),
    "body_at_limit": CaseKind("accept", lambda parts: _at_limit(parts, 0), options={"size": 1_000_000}),
    "body_over_limit": CaseKind("refuse", lambda parts: _at_limit(parts, 1), options={"size": 1_000_000}),
    "replayed": CaseKind("accept", _replayed),
    "duplicate": CaseKind("accept", lambda parts: parts.genuine, options={"copies": 5}),
}
"""By name; a name with a dot is a part of a kind (see `by_part`). The expectation is a default: a scenario can set
another one for its own endpoint."""

REUSING = ("replayed", "tampered_replay")
"""Kinds that need the last genuine request to be remembered."""

REWRITTEN = {"wrong_content_type": ("content-type",)}
"""Headers that a kind sets in addition to those of the scheme; those of a capture do not replace them."""


def by_part(scenario: Scenario, scheme: Scheme) -> Scenario:
    """The scenario with one case for each part of kinds that have parts, such as each published key.

    So each part is judged by itself: an endpoint that accepts one of five keys is not an endpoint that accepts 20 %.
    """
    given = {case.kind for case in scenario.cases}
    parts = {kind: [kind] for kind in given}
    for name, kind in CASE_KINDS.items():
        whole = case_kind(name)
        if whole in given and name != whole and name not in given and not kind.problem(scheme):
            parts[whole] = [part for part in parts[whole] if part != whole] + [name]
    cases = [
        msgspec.structs.replace(case, kind=name, share=case.share / len(parts[case.kind]))
        for case in scenario.cases
        for name in parts[case.kind]
    ]
    phases = [
        msgspec.structs.replace(
            phase,
            shares={name: share / len(parts[kind]) for kind, share in phase.shares.items() for name in parts[kind]},
        )
        for phase in scenario.phases
    ]
    return msgspec.structs.replace(scenario, cases=tuple(cases), phases=tuple(phases))


def case_rules() -> dict[str, CaseRule]:
    """The rules of every kind, for reading a scenario."""
    return {name: CaseRule(kind.expect, kind.options) for name, kind in CASE_KINDS.items()}
