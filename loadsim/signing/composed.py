"""The codes of schemes that are not of the usual form: messages of any parts, and algorithms of any kind.

It has the interface of `MessageMac` for those who sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loadsim.model import Secret, UsageError
from loadsim.signing.algorithms import algorithm_of
from loadsim.signing.forms import RememberedForms
from loadsim.signing.mac import MessageMac, message_of
from loadsim.signing.message_parts import Delivered, Document, Headers, OwnHeaders, PartError
from loadsim.signing.token_codes import TokenCodes

if TYPE_CHECKING:
    from loadsim.signing.scheme_data import SchemeData


class ComposedCodes:
    """Makes the codes of deliveries under one secret. Threads may share it."""

    __slots__ = ("_compose", "_forms", "_headers", "_name", "_sign")

    def __init__(
        self,
        scheme: SchemeData,
        secret: Secret,
        url: str | None = None,
        *,
        own: OwnHeaders | None = None,
        headers: Headers | None = None,
    ) -> None:
        """`own` are the headers that the sender writes (see `message_parts.compiled`); else those that came are in
        `headers`. Raises UsageError for a secret in the wrong form, or a missing URL."""
        self._name = scheme.name
        self._sign = algorithm_of(scheme, secret).sign
        self._sign(b"")  # a public key cannot sign: that is reported here, before the first delivery
        self._compose = message_of(scheme, url, own)
        self._headers = headers
        self._forms = RememberedForms()

    def code(self, timestamp: bytes, event_id: bytes, body: bytes) -> str:
        """The code of a delivery. Raises UsageError for a body that lacks a part."""
        return self.code_of(timestamp, event_id, self.delivered(body))

    def delivered(self, body: bytes) -> Delivered:
        """A body to sign."""
        return Delivered(body, self._headers, self._forms)

    def document(self, document: Any) -> Delivered:
        """A JSON body to sign, before it is serialised. It must have plain values only."""
        return Document(document, self._headers)

    def code_of(self, timestamp: bytes, event_id: bytes, delivered: Delivered) -> str:
        """As `code`, of a delivery whose parsed body the caller can use again."""
        try:
            return self._sign(self._compose(timestamp, event_id, delivered))
        except PartError as error:
            raise UsageError(f"scheme {self._name} cannot sign this event: {error}") from None

    def codes(self, timestamp: bytes, bodies: Sequence[bytes]) -> list[str]:
        """The codes of several bodies signed at one time, for a scheme that does not sign the id."""
        return [self.code(timestamp, b"", body) for body in bodies]


Codes = MessageMac | ComposedCodes | TokenCodes


def codes_of(
    scheme: SchemeData,
    secret: Secret,
    url: str | None = None,
    *,
    own: OwnHeaders | None = None,
    headers: Headers | None = None,
) -> Codes:
    """What makes the codes of a scheme: the fast one where it is of the usual form. Arguments as `ComposedCodes`."""
    if scheme.is_usual:
        return MessageMac(scheme, secret, url)
    if scheme.token is not None:
        return TokenCodes(scheme, secret, url, own=own, headers=headers)
    return ComposedCodes(scheme, secret, url, own=own, headers=headers)
