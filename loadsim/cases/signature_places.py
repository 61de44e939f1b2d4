"""Where the signature of a delivery stands, or what it names: a header, or a field of the body. It is read, replaced or
cut there."""

from __future__ import annotations

from typing import Protocol

from loadsim.cases.delivery_edits import HeaderLine
from loadsim.model import SignedRequest
from loadsim.signing import Scheme
from loadsim.signing.body_fields import BodyPlace, field_of, with_field, without_field
from loadsim.signing.scheme_data import Place


class SignaturePlace(Protocol):
    """The place in a signed request."""

    def value(self, request: SignedRequest) -> bytes:
        """What stands there. Raises ValueError where there is nothing."""

    def replaced(self, request: SignedRequest, value: bytes) -> SignedRequest:
        """The request with another value there."""

    def cut(self, request: SignedRequest) -> SignedRequest:
        """The request without it."""


class _InHeader:
    def __init__(self, name: str) -> None:
        self._line = HeaderLine(name)

    def value(self, request: SignedRequest) -> bytes:
        return self._line.value(request.headers)

    def replaced(self, request: SignedRequest, value: bytes) -> SignedRequest:
        return SignedRequest(self._line.replaced(request.headers, value), request.body)

    def cut(self, request: SignedRequest) -> SignedRequest:
        return SignedRequest(self._line.cut(request.headers), request.body)


class _InBody:
    def __init__(self, place: BodyPlace, name: str) -> None:
        self._place: BodyPlace = place
        self._name = name

    def value(self, request: SignedRequest) -> bytes:
        text = field_of(self._place, self._name, request.body)
        if text is None:
            raise ValueError(f"the body has no field {self._name}")
        return text.encode()

    def replaced(self, request: SignedRequest, value: bytes) -> SignedRequest:
        text = value.decode("utf-8", "replace")
        return SignedRequest(request.headers, with_field(self._place, self._name, request.body, text))

    def cut(self, request: SignedRequest) -> SignedRequest:
        return SignedRequest(request.headers, without_field(self._place, self._name, request.body))


def signature_place(scheme: Scheme) -> SignaturePlace:
    """The place of the scheme's (first) signature."""
    return place_of(scheme.signature.place, scheme.signature.name)


def place_of(place: Place, name: str) -> SignaturePlace:
    """A place by where it is, and its name there."""
    return _InHeader(name) if place == "header" else _InBody(place, name)
