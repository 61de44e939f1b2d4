"""Deliveries that name another certificate, or another algorithm, than the provider's: a forger chooses both.

The forged ones are signed with a key of their own, and name a URL that looks like one of the provider's. Its host is
reserved (`evil.example`, RFC 2606), or that which genuine deliveries name: whoever follows it reaches nobody else.
"""

from __future__ import annotations

from collections.abc import Callable

from loadsim.cases.genuine_requests import Make, SigningProvider, Source, signed
from loadsim.cases.signature_places import place_of
from loadsim.model import Secret, SignedRequest
from loadsim.signing import Scheme
from loadsim.signing.asymmetric import new_private_key
from loadsim.signing.certificates import own_certificate_url

FOREIGN_CERTIFICATE, OTHER_ALGORITHM = "foreign_certificate", "other_algorithm"
_EVIL = "evil.example"
_REAL = ("us-east-1", "loadsim")
"""What stands for * in the host and in the path of a provider's URL."""

URLS: dict[str, Callable[[str, str, str], str]] = {
    "longer_host": lambda host, path, _: f"https://{host}.{_EVIL}{path}",
    "userinfo": lambda host, path, _: f"https://{host}@{_EVIL}{path}",
    "backslash": lambda host, path, _: f"https://{_EVIL}\\@{host}{path}",
    "in_path": lambda host, path, _: f"https://{_EVIL}/{host}{path}",
    "in_query": lambda host, path, _: f"https://{_EVIL}/?https://{host}{path}",
    "other_scheme": lambda _, __, own: (
        own.replace("https:", "http:") if own[4] == "s" else own.replace("http:", "ftp:")
    ),
    "empty": lambda *_: "",
}
"""By the name of the part of the case: (provider's host, path of a certificate there, the run's own URL) -> URL."""
_OTHERS = {"1": "2", "2": "1", "SHA256withRSA": "SHA1withRSA"}
ALGORITHMS: dict[str, Callable[[str], str]] = {
    "weaker": lambda value: _OTHERS.get(value, "SHA1"),
    "none": lambda _: "none",
    "empty": lambda _: "",
}
"""By the name of the part of the case: the named algorithm -> another one."""


def no_certificate(scheme: Scheme) -> str:
    """Why the scheme cannot have the case; empty: it can."""
    return "" if scheme.certificate is not None else "its deliveries name no certificate"


def no_named_algorithm(scheme: Scheme) -> str:
    """Why the scheme cannot have the case; empty: it can."""
    return "" if scheme.named_algorithm is not None else "its deliveries do not name the algorithm"


def foreign_certificate(provider: SigningProvider, source: Source, topic: str, *names: str) -> Make:
    """Signed with another key, each naming a certificate in these ways in turn."""
    scheme = provider.scheme
    assert scheme.certificate is not None  # noqa: S101 - see no_certificate
    key = Secret(new_private_key(scheme.algorithm, scheme.name))
    make = signed(source, provider.sign_with(key, source, topic))
    place = place_of(scheme.certificate.place, scheme.certificate.name)
    own = own_certificate_url(scheme, provider.url)
    host, path = _like_provider(scheme.certificate.allowed, own)
    urls = [URLS[name](host, path, own).encode() for name in names]
    return lambda index, now_ns: place.replaced(make(index, now_ns), urls[index % len(urls)])


def other_algorithm(scheme: Scheme, genuine: Make, *names: str) -> Make:
    """Genuine deliveries that name another algorithm, in these ways in turn."""
    named = scheme.named_algorithm
    assert named is not None  # noqa: S101 - see no_named_algorithm
    place = place_of(named.place, named.name)
    values = [ALGORITHMS[name](named.value).encode() for name in names]

    def make(index: int, now_ns: int) -> SignedRequest:
        return place.replaced(genuine(index, now_ns), values[index % len(values)])

    return make


def _like_provider(allowed: tuple[str, ...], own: str) -> tuple[str, str]:
    """Host and path of a URL that the provider could use."""
    url = allowed[0] if allowed else own
    host, slash, path = url.partition("://")[2].partition("/")
    return host.replace("*", _REAL[0]), slash + path.replace("*", _REAL[1])
