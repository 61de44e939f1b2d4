"""Forged deliveries of schemes that sign parts of the body: a field more, a field twice, another order."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from loadsim.cases.signature_places import signature_place
from loadsim.cases.signed_message import message_of_request
from loadsim.model import Secret, SignedRequest
from loadsim.signing import Scheme
from loadsim.signing.algorithms import algorithm_of
from loadsim.signing.forms import PlainForms, fields_of
from loadsim.signing.message_parts import PartError, found_at

PART_FORGERY = "part_forgery"
FORGED = "forged"
Forge = Callable[[SignedRequest], SignedRequest]


def _added_field(*_: object) -> Forge:
    return lambda request: SignedRequest(request.headers, request.body + b"&loadsim=" + FORGED.encode())


def _form_field_twice(scheme: Scheme, *__: object) -> Forge:
    named = next((part.name for part in scheme.parts if part.source == "form"), None)

    def forge(request: SignedRequest) -> SignedRequest:
        name = named or fields_of(request.body)[0][0]
        return SignedRequest(request.headers, request.body + f"&{name}={FORGED}".encode())

    return forge


def _json_field_twice(scheme: Scheme, *__: object) -> Forge:
    path = next(part.name for part in scheme.parts if part.source == "json")
    before, _, last = path.rpartition(".")

    def forge(request: SignedRequest) -> SignedRequest:
        document = orjson.loads(request.body)
        parent = found_at(document, before) if before else document
        if not isinstance(parent, dict) or last not in parent:
            raise PartError(f"the body has no field {path}")
        # The later one counts for nearly every parser.
        genuine = orjson.dumps(parent[last])
        parent[last] = orjson.Fragment(genuine + b"," + orjson.dumps(last) + b":" + orjson.dumps(FORGED))
        return SignedRequest(request.headers, orjson.dumps(document))

    return forge


class _InOrder(PlainForms):
    """Joins fields as they come; where that is sorted, the other way round, values before names."""

    def sorted_text(self, body: bytes) -> bytes:
        fields = fields_of(body)
        joined = "".join(name + value for name, value in fields).encode()
        if joined != super().sorted_text(body):
            return joined
        return "".join(value + name for name, value in reversed(fields)).encode()


def _unsorted(scheme: Scheme, secret: Secret, url: str | None) -> Forge:
    message, place = message_of_request(scheme, url, _InOrder()), signature_place(scheme)
    sign, prefix = algorithm_of(scheme, secret).sign, scheme.signature.prefix
    return lambda request: place.replaced(request, prefix + sign(message(request)).encode())


FORGERIES: dict[str, tuple[str, Callable[[Scheme, Secret, str | None], Forge]]] = {
    "added_field": ("form-sorted", _added_field),
    "unsorted": ("form-sorted", _unsorted),
    "form_field_twice": ("form", _form_field_twice),
    "json_field_twice": ("json", _json_field_twice),
}
"""By the name of the part of the case: the source of the parts that it is for, and how it is made."""


def applies(name: str, scheme: Scheme) -> bool:
    """Whether the scheme can have one of FORGERIES."""
    wanted = FORGERIES[name][0]
    sources = {part.source for part in scheme.parts}
    if scheme.covers_body or scheme.algorithm == "none" or scheme.token is not None:
        return False
    return wanted in sources or (wanted == "form" and "form-sorted" in sources)


def no_parts(scheme: Scheme) -> str:
    """Why the scheme cannot have these cases; empty: it can."""
    return "" if any(applies(name, scheme) for name in FORGERIES) else "it does not sign fields of the body alone"


def part_forged(name: str, scheme: Scheme, secret: Secret, url: str | None) -> Forge:
    """One of FORGERIES for the deliveries of a scheme."""
    return FORGERIES[name][1](scheme, secret, url)
