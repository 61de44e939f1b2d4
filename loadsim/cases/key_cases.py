"""Cases of another key: deliveries signed with a secret that the endpoint must not accept, or with none at all."""

from __future__ import annotations

import hashlib

from loadsim.cases.case_parts import CaseKind, Parts, with_signature
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
from loadsim.cases.genuine_requests import Make, signed
from loadsim.cases.jwt_forgeries import JWT_FORGERIES, JWT_FORGERY, forged_tokens, no_forgery, no_token
from loadsim.cases.key_pair_forgeries import FORGERIES, KEY_PAIR_FORGERY, applies, forged, no_key_pair
from loadsim.cases.sent_secret_forgeries import CHANGES, SENT_SECRET_FORGERY, changed_secret, no_sent_secret
from loadsim.model import Secret, SignedRequest, UsageError
from loadsim.signing import Scheme
from loadsim.signing.asymmetric import new_private_key

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
    provider = parts.provider
    ways = [forged(name, parts.scheme, provider.secret, provider.url) for name in names if applies(name, parts.scheme)]

    def make(index: int, now_ns: int) -> SignedRequest:
        request = genuine(index, now_ns)
        return place.replaced(request, ways[index % len(ways)](request, place.value(request)))

    return make


def _of_one_forgery(name: str) -> CaseKind:
    def problem(scheme: Scheme) -> str:
        return no_key_pair(scheme) or ("" if applies(name, scheme) else f"it is not for {scheme.algorithm}")

    return CaseKind("refuse", lambda parts: _key_pair_forgery(parts, name), problem)


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


def _sent_secret_forgery(parts: Parts, *names: str) -> Make:
    """Changed in each of these ways in turn."""
    ways = [changed_secret(name, parts.scheme) for name in names]
    return with_signature(parts, lambda value, index: ways[index % len(ways)](value))


def _of_one_change(name: str) -> CaseKind:
    return CaseKind("refuse", lambda parts: _sent_secret_forgery(parts, name), no_sent_secret)


def _no_hmac(scheme: Scheme) -> str:
    return "" if scheme.is_hmac else "it has no key of an HMAC"


KEY_CASES: dict[str, CaseKind] = {
    "wrong_secret": CaseKind("refuse", _wrong_secret),
    "empty_key": CaseKind("refuse", _empty_key, _no_hmac),
    PUBLISHED_KEY: CaseKind("refuse", _published_key, _no_published_key),
    **{f"{PUBLISHED_KEY}.{where}": _of_one_key(text) for where, text in PUBLISHED.items()},
    "retired_secret": CaseKind("refuse", _retired_secret),
    KEY_PAIR_FORGERY: CaseKind("refuse", lambda parts: _key_pair_forgery(parts, *FORGERIES), no_key_pair),
    **{f"{KEY_PAIR_FORGERY}.{name}": _of_one_forgery(name) for name in FORGERIES},
    FOREIGN_CERTIFICATE: _foreign_certificate(*URLS),
    **{f"{FOREIGN_CERTIFICATE}.{name}": _foreign_certificate(name) for name in URLS},
    OTHER_ALGORITHM: _other_algorithm(*ALGORITHMS),
    **{f"{OTHER_ALGORITHM}.{name}": _other_algorithm(name) for name in ALGORITHMS},
    JWT_FORGERY: CaseKind("refuse", lambda parts: _jwt_forgery(parts, *JWT_FORGERIES), no_token),
    **{f"{JWT_FORGERY}.{name}": _of_one_jwt_forgery(name) for name in JWT_FORGERIES},
    SENT_SECRET_FORGERY: CaseKind("refuse", lambda parts: _sent_secret_forgery(parts, *CHANGES), no_sent_secret),
    **{f"{SENT_SECRET_FORGERY}.{name}": _of_one_change(name) for name in CHANGES},
}
