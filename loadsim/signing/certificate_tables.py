"""The keys of a table about certificates, and about the algorithm that a delivery names. Errors name the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadsim.signing.certificates import allowed_problem
from loadsim.signing.header_tables import Headers
from loadsim.signing.message_tables import TableError
from loadsim.signing.scheme_data import Algorithm, CertificatePlace, NamedAlgorithm, Place

_PLACES: dict[str, Place] = {"header": "header", "json": "json", "form": "form"}


def certificate_place(headers: Headers, table: Mapping[str, Any], algorithm: Algorithm) -> CertificatePlace | None:
    """Where the certificate is named; None where no delivery names one."""
    field = table.get("certificate_field")
    if field is None and headers.certificate is None:
        for key in ("certificates", "certificate_url"):
            if key in table:
                raise TableError(key, "nothing names a certificate: no header holds {certificate-url}")
        return None
    if field is not None and headers.certificate is not None:
        raise TableError("certificate_field", f"{headers.certificate} names the certificate too: keep one")
    if not algorithm.startswith("rsa"):
        raise TableError("algorithm", f'a certificate is for "rsa-sha256" and "rsa-sha1", not for "{algorithm}"')
    place, name = ("header", headers.certificate or "") if field is None else _where("certificate_field", field)
    if field is not None and (place == "header" or "signature_field" not in table):
        raise TableError("certificate_field", 'is "json:PATH" or "form:NAME", beside a signature_field')
    for each in table.get("certificates", ()):
        if problem := allowed_problem(each):
            raise TableError("certificates", problem)
    url = table.get("certificate_url", "")
    if url and not (url.startswith(("http://", "https://")) and url.isascii() and url.isprintable() and " " not in url):
        raise TableError("certificate_url", "is not a URL that begins with http:// or https://")
    return CertificatePlace(_PLACES[place], name, tuple(table.get("certificates", ())), url)


def named_algorithm(
    headers: Headers, table: Mapping[str, Any], certificate: CertificatePlace | None
) -> NamedAlgorithm | None:
    """Where a delivery names its algorithm; None where none does."""
    text = table.get("algorithm_field")
    if text is None:
        return None
    where, _, value = text.partition(" ")
    if not value:
        raise TableError("algorithm_field", f'"{text}" lacks the value, as in "json:SignatureVersion 2"')
    place, name = _where("algorithm_field", where)
    if certificate is None:
        raise TableError("algorithm_field", "is for deliveries that name their certificate")
    if place == "header" and (name.lower(), value) not in {(each.lower(), text) for each, text in headers.constants}:
        raise TableError("algorithm_field", f'headers has no line "{name}: {value}"')
    return NamedAlgorithm(_PLACES[place], name, value)


def _where(key: str, text: str) -> tuple[str, str]:
    place, _, name = text.partition(":")
    if place not in _PLACES or not name:
        raise TableError(key, f'"{text}" is not written "header:NAME", "json:PATH" or "form:NAME"')
    return place, name
