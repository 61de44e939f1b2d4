"""How the body of a delivery is changed so that its signature is wrong, and which schemes can have such a case."""

from __future__ import annotations

from collections.abc import Callable

from loadsim.cases.delivery_edits import with_another_digit
from loadsim.signing import Scheme
from loadsim.signing.body_fields import BodyPlace, field_of, with_field


def tampered(scheme: Scheme) -> Callable[[bytes], bytes]:
    """How a body is changed so that its signature is wrong: a digit, or a field that is signed where not all are."""
    if scheme.covers_body or not scheme.parts:
        return with_another_digit
    part = next((part for part in scheme.parts if part.is_of_body), None)
    if part is None:
        return with_another_digit
    if part.source == "form-sorted":
        return with_another_digit
    place: BodyPlace = "form" if part.source == "form" else "json"

    def change(body: bytes) -> bytes:
        return with_field(place, part.name, body, (field_of(place, part.name, body) or "") + "1")

    return change


def not_signed(scheme: Scheme) -> str:
    """Why a changed body cannot be told; empty: it can."""
    if scheme.algorithm == "none":
        return "nothing is signed"
    is_of_body = scheme.covers_body or any(part.is_of_body for part in scheme.parts)
    return "" if is_of_body else "it does not sign the body"


def not_bytes(scheme: Scheme) -> str:
    """Why other bytes of the same values may be right; empty: they are not."""
    return not_signed(scheme) or ("" if scheme.covers_body else "it signs values, not the bytes of the body")


def no_json(scheme: Scheme) -> str:
    """Why a body that is cut cannot be signed; empty: it can."""
    if scheme.signature.place == "header" and not any(part.is_of_body and part.name for part in scheme.parts):
        return ""
    return "its signature needs a whole body"
