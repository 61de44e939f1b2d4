"""A signature scheme that can sign and verify: its description, with what makes it work."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from loadsim.model import Secret, UsageError
from loadsim.signing.certificate_verifier import CertificateVerifier, Fetch
from loadsim.signing.composed_verifier import ComposedVerifier
from loadsim.signing.mac import derive_key, message_of
from loadsim.signing.scheme_data import SchemeData
from loadsim.signing.sign import JSON, SealingSigner, Signer, TokenSigner
from loadsim.signing.token_verifier import TokenVerifier
from loadsim.signing.verify import AnyVerifier, BodyTimeVerifier, Checker, Verifier


@dataclass(frozen=True, slots=True)
class Scheme(SchemeData):
    """A provider's signature scheme."""

    accepts: Scheme | None = None
    """This scheme with the header names of another one. A receiver accepts these too; a sender never writes them."""

    def signer(self, secret: Secret, *, url: str | None = None, event: str = "", content_type: str = JSON) -> Signer:
        """The signer for deliveries to `url` of events called `event` with this content type.

        `url` is the URL that the provider has stored (behind a proxy the public one); only schemes that sign it need
        it. Raises UsageError when the secret is not in the form of `key`, or the URL is missing.
        """
        kind = Signer if self.signature.place == "header" else SealingSigner
        if self.token is not None and kind is Signer:
            kind = TokenSigner
        return kind(self, secret, url, event, content_type)

    def check_url(self, url: str) -> None:
        """Raise UsageError where the scheme signs a part of the URL that this one lacks."""
        message_of(self, url)

    def verifier(
        self, secret: Secret, tolerance_s: float | None = None, *, url: str | None = None, fetch: Fetch | None = None
    ) -> Checker:
        """The verifier of deliveries. `tolerance_s` None: that of the scheme; 0: no window. With `fetch`, certificates
        of the provider are taken too."""
        window_s = self.tolerance_s if tolerance_s is None else tolerance_s
        if self.certificate is not None:
            return CertificateVerifier(self, secret, window_s, url, fetch)
        found = [self._verifier(variant, secret, window_s, url) for variant in self._variants(secret)]
        return found[0] if len(found) == 1 else AnyVerifier(found)

    def _verifier(self, variant: Scheme, secret: Secret, window_s: float | None, url: str | None) -> Checker:
        if self.token is not None:
            return TokenVerifier(variant, secret, window_s, url)
        if not self.is_usual:
            return ComposedVerifier(variant, secret, window_s, url)
        kind = BodyTimeVerifier if self.timestamp is not None and self.timestamp.place == "body" else Verifier
        return kind(variant, secret, window_s, url)

    def _variants(self, secret: Secret) -> Iterator[Scheme]:
        """The scheme with each of its signature headers and each form of the key that the secret fits."""
        for name in (self.signature.name, *self.signature.further):
            keys = set()
            for form in (self.key, *self.further_keys):
                variant = dataclasses.replace(
                    self,
                    signature=dataclasses.replace(self.signature, name=name, further=()),
                    key=form,
                    further_keys=(),
                )
                if self.further_keys:
                    try:
                        key = derive_key(variant, secret)
                    except UsageError:
                        continue
                    if key in keys:
                        continue
                    keys.add(key)
                yield variant
            if self.further_keys and not keys:
                derive_key(self, secret)  # raises, naming every form
