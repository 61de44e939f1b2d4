"""Verifies deliveries that name the certificate of their key: the URL, then the certificate, then the signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loadsim.model import Secret, UsageError
from loadsim.signing.body_fields import field_of
from loadsim.signing.certificates import PEM_CERTIFICATE, Certificate, is_allowed, own_certificate_url, read_certificate
from loadsim.signing.composed_verifier import ComposedVerifier
from loadsim.signing.message_parts import Headers
from loadsim.signing.verify import Rejection

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import CertificatePlace, NamedAlgorithm, SchemeData
    from loadsim.signing.verify import Checker

MOST_CERTIFICATES = 8
"""Most certificates of the provider that one verifier fetches: a provider has one or two at a time, a forger any number
of names for more."""
AGAIN_S = 60
"""Seconds after which a certificate that could not be had is fetched again."""
Fetch = Callable[[str], str | None]
"""An allowed URL -> what is served there; None where that fails."""


class CertificateVerifier:
    """Verifies deliveries of one scheme. Threads may share it.

    A delivery that names the run's own certificate is checked with the receiver's key. With `fetch` those of the
    provider are taken too: each is fetched once, and again only where that failed, after AGAIN_S.
    """

    def __init__(
        self,
        scheme: SchemeData,
        secret: Secret,
        tolerance_s: float | None,
        url: str | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        """`secret` is the receiver's key: private, public, or a certificate, whose dates then count."""
        assert scheme.certificate is not None  # noqa: S101 - see Scheme.verifier
        self._scheme, self._place, self._fetch = scheme, scheme.certificate, fetch
        self._tolerance_s, self._url = tolerance_s, url
        self._own_url = own_certificate_url(scheme, url)
        self._certificate: Certificate | None = None
        if secret.reveal().lstrip().startswith(PEM_CERTIFICATE):
            self._certificate = read_certificate(secret.reveal())
            secret = Secret(self._certificate.public_key)
        self._own: Checker = ComposedVerifier(scheme, secret, tolerance_s, url)
        self.header_names: tuple[str, ...] = tuple(self._own.header_names)
        self._fetched: dict[str, tuple[Certificate, Checker]] = {}
        self._failed: dict[str, float] = {}
        """When fetching a URL failed."""

    def verify(self, headers: Headers, body: bytes, now_s: float) -> Rejection | None:
        """As `Verifier.verify`. A certificate that is not allowed, or not valid now, makes the signature wrong."""
        named = self._scheme.named_algorithm
        if named is not None and _given(named, headers, body) != named.value:
            return Rejection.malformed_signature
        url = _given(self._place, headers, body)
        if not url:
            return Rejection.malformed_signature
        if url == self._own_url:
            certificate, checker = self._certificate, self._own
        else:
            found = self._of_provider(url, now_s)
            if found is None:
                return Rejection.wrong_signature
            certificate, checker = found
        if certificate is not None and not certificate.is_valid_at(now_s):
            return Rejection.wrong_signature
        return checker.verify(headers, body, now_s)

    def _of_provider(self, url: str, now_s: float) -> tuple[Certificate, Checker] | None:
        if self._fetch is None or not is_allowed(url, self._place.allowed):
            return None
        if url in self._fetched:
            return self._fetched[url]
        self._failed = {each: at for each, at in self._failed.items() if abs(now_s - at) < AGAIN_S}
        if url in self._failed or len(self._failed) + len(self._fetched) >= MOST_CERTIFICATES:
            return None
        found = self._checker_of(self._fetch(url))
        if found is None:
            self._failed[url] = now_s
        else:
            self._fetched[url] = found
        return found

    def _checker_of(self, text: str | None) -> tuple[Certificate, Checker] | None:
        if text is None:
            return None
        try:
            certificate = read_certificate(text)
            key = Secret(certificate.public_key)
            return certificate, ComposedVerifier(self._scheme, key, self._tolerance_s, self._url)
        except UsageError:
            return None


def naming_problem(scheme: SchemeData, url: str | None, headers: Headers, body: bytes) -> str:
    """Why the certificate or the algorithm that a delivery names is refused, in words; empty: they are not."""
    named, place = scheme.named_algorithm, scheme.certificate
    if named is not None and _given(named, headers, body) != named.value:
        return f"{named.name} does not name the scheme's algorithm, which is {named.value}"
    if place is None:
        return ""
    given, own = _given(place, headers, body) or "", own_certificate_url(scheme, url)
    if given == own:
        return ""
    if is_allowed(given, place.allowed):
        return (
            f"{place.name} names a certificate of the provider; it is fetched by receive --fetch-certificates only, "
            f"and without that only {own} is taken"
        )
    return f"{place.name} names a certificate that is not the provider's; only {own} is taken beside those"


def _given(place: CertificatePlace | NamedAlgorithm, headers: Headers, body: bytes) -> str | None:
    if place.place == "header":
        return headers.get(place.name.lower())
    return field_of(place.place, place.name, body)
