"""A signature scheme that can sign and verify: its description, with what makes it work."""

from __future__ import annotations

from dataclasses import dataclass

from loadsim.model import Secret
from loadsim.signing.scheme_data import SchemeData
from loadsim.signing.sign import Signer
from loadsim.signing.verify import BodyTimeVerifier, Verifier


@dataclass(frozen=True, slots=True)
class Scheme(SchemeData):
    """A provider's signature scheme."""

    accepts: Scheme | None = None
    """This scheme with the header names of another one. A receiver accepts these too; a sender never writes them."""

    def signer(self, secret: Secret, *, url: str | None = None, event: str = "") -> Signer:
        """The signer for deliveries to `url` of events called `event`.

        `url` is the URL that the provider has stored (behind a proxy the public one); only schemes that sign it need
        it. Raises UsageError when the secret is not in the form of `key`, or the URL is missing.
        """
        return Signer(self, secret, url, event)

    def verifier(self, secret: Secret, tolerance_s: float | None = None, *, url: str | None = None) -> Verifier:
        """The verifier of the headers. `tolerance_s` None: that of the scheme; 0: no window."""
        kind = BodyTimeVerifier if self.timestamp is not None and self.timestamp.place == "body" else Verifier
        return kind(self, secret, self.tolerance_s if tolerance_s is None else tolerance_s, url)
