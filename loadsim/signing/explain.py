"""Explains in words why a delivery is refused: the verifier's finding, and the probable cause.

Common causes are tried one by one. If none fits, the explanation says that a wrong secret and a changed body cannot be
distinguished. It never raises on anything a sender can send, and never shows the secret.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loadsim.model import Secret
from loadsim.signing.algorithms import algorithm_of
from loadsim.signing.body_fields import field_of
from loadsim.signing.certificate_verifier import naming_problem
from loadsim.signing.description import Scheme
from loadsim.signing.form_misreadings import FORM_MISREADINGS
from loadsim.signing.mac import message_of
from loadsim.signing.message_parts import Delivered, PartError
from loadsim.signing.mismatch_causes import Codes, suspects
from loadsim.signing.misreadings import MISREADINGS
from loadsim.signing.registry import scheme as scheme_named
from loadsim.signing.registry import scheme_names
from loadsim.signing.timestamps import PLAIN, unix_s
from loadsim.signing.token_causes import token_findings, token_praise
from loadsim.signing.verify import LONGEST_SIGNATURE_HEADER, MOST_ENTRIES, Rejection, body_timestamp
from loadsim.signing.wording import away, shown, span

_UPPER_HEX = re.compile(r"(?=.*[A-F])[0-9A-Fa-f]+")

_UNKNOWN = (
    "either the sender signs with another secret, or the body or a signed header was changed after signing: the "
    "signature alone cannot tell which; tried without success: the body re-serialised, decoded and cut, the secret in "
    "other forms, other separators, digests and encodings"
)


_UNKNOWN_OTHER = (
    "either the sender signs with another key, or what is signed was changed after signing: the signature alone cannot "
    "tell which; tried without success: the body re-serialised, decoded and cut"
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """`rejection` None: genuine. `findings`: sentences; the cause is first if it was found."""

    rejection: Rejection | None
    findings: tuple[str, ...]


class _Delivery:
    """A received delivery, read with one scheme, or with the header names that the scheme also accepts if those were
    sent."""

    def __init__(self, scheme: Scheme, headers: Mapping[str, str], body: bytes) -> None:
        other, place = scheme.accepts, scheme.signature.place
        if (
            other is not None
            and scheme.signature.name.lower() not in headers
            and other.signature.name.lower() in headers
        ):
            scheme = other
        self.scheme = scheme
        self.headers = headers
        self.body = body
        name = scheme.signature.name
        found = headers.get(name.lower()) if place == "header" else field_of(place, name, body)
        self.signature = found or ""
        separator = scheme.signature.separator
        entries = self.signature[:LONGEST_SIGNATURE_HEADER].split(separator.decode() if separator else "\0")
        raw = [entry.strip(" ").encode("utf-8", "surrogatepass") for entry in entries]
        prefixed = scheme.signature.prefixed(raw)
        self.entries = [entry.decode("utf-8", "surrogatepass") for entry in prefixed]

    def timestamp(self) -> str | None:
        """The timestamp's text, from header, signature or body."""
        timestamp = self.scheme.timestamp
        if timestamp is None:
            return None
        if timestamp.place == "header":
            return self.headers.get(timestamp.name.lower())
        if timestamp.place == "body":
            return body_timestamp(self.body, timestamp.name)
        return next((entry[len(timestamp.name) :] for entry in self.entries if entry.startswith(timestamp.name)), None)

    def event_id(self) -> str:
        """The id's text."""
        return self.headers.get(self.scheme.id_headers[0].lower(), "") if self.scheme.id_headers else ""

    def codes(self) -> list[bytes]:
        """Candidates for the signature in each entry: after the scheme's prefix, and after any other prefix."""
        found = []
        prefix = self.scheme.signature.prefix.decode()
        for entry in self.entries[:64]:
            found += [entry.removeprefix(prefix), entry.rpartition("=")[2], entry.rpartition(",")[2]]
            if entry.endswith("="):  # base64 padding is no separator
                found += [entry.partition("=")[2], entry]
        return [code.encode("ascii", "replace") for code in found if code]


def explain(
    scheme: Scheme,
    secret: Secret,
    headers: Mapping[str, str],
    body: bytes,
    now_s: float,
    *,
    tolerance_s: float | None = None,
    url: str | None = None,
) -> Explanation:
    """Verify a delivery and explain the result. `headers` by lower-case name.

    Raises UsageError when the scheme cannot use the secret or needs a URL.
    """
    window_s = scheme.tolerance_s if tolerance_s is None else tolerance_s
    rejection = scheme.verifier(secret, tolerance_s, url=url).verify(headers, body, now_s)
    delivery = _Delivery(scheme, headers, body)
    if rejection is None:
        return Explanation(None, (_verified(delivery, now_s, window_s),))
    if scheme.token is not None and rejection is not Rejection.missing_signature:
        of_token = token_findings(scheme, secret, delivery.signature, headers, body, now_s, window_s=window_s, url=url)
        return Explanation(rejection, tuple(dict.fromkeys(of_token)) or (rejection.value,))
    findings: list[str] = []
    if naming := naming_problem(scheme, url, headers, body):
        findings = [naming]
    elif rejection.name.startswith("missing"):
        findings = _missing(delivery, rejection)
    elif rejection is Rejection.malformed_timestamp:
        findings = [_malformed_timestamp(delivery)]
    elif rejection is Rejection.malformed_signature:
        findings = _malformed_signature(delivery)
    elif rejection is Rejection.malformed_id:
        findings = [rejection.value]
    if not naming and rejection in (Rejection.wrong_signature, Rejection.malformed_signature):
        findings += _traced(delivery, secret, url, certain_form=rejection is Rejection.wrong_signature)
    if rejection not in (Rejection.malformed_timestamp, Rejection.missing_timestamp):
        findings += _age(delivery, now_s, window_s)
    return Explanation(rejection, tuple(dict.fromkeys(findings)))


def _verified(delivery: _Delivery, now_s: float, window_s: float | None) -> str:
    text, timestamp = delivery.timestamp(), delivery.scheme.timestamp
    if delivery.scheme.algorithm == "none":
        return "the secret is the right one; nothing is signed, so a changed body or a replay looks the same"
    if delivery.scheme.token is not None:
        return token_praise(delivery.scheme, delivery.signature, now_s)
    signed_s = None if text is None or timestamp is None else unix_s(text, timestamp.unit)
    if signed_s is None:
        return "the signature belongs to this body and key; the scheme has no timestamp, so a replay looks the same"
    window = f"the window is {span(window_s)} both ways" if window_s else "no window is checked"
    return f"the signature belongs to this body, time and key; signed {away(now_s - signed_s)}, {window}"


def _missing(delivery: _Delivery, rejection: Rejection) -> list[str]:
    scheme = delivery.scheme
    if rejection is Rejection.missing_signature and scheme.signature.place != "header":
        return [f'the body has no field "{scheme.signature.name}": the signature stands there']
    needed = {Rejection.missing_signature: scheme.signature.name}
    if scheme.timestamp is not None:
        needed[Rejection.missing_timestamp] = scheme.timestamp.name
    if scheme.id_headers:
        needed[Rejection.missing_id] = scheme.id_headers[0]
    name = needed[rejection]
    if rejection is Rejection.missing_timestamp and scheme.timestamp and scheme.timestamp.place == "body":
        return [f'the body has no field "{name}" at its top: the scheme\'s timestamp stands there']
    findings = [f"the header {name} is missing"]
    if rejection is Rejection.missing_signature:
        others = [
            other
            for other in map(scheme_named, scheme_names())
            if other.header_names() and all(field in delivery.headers for field in other.header_names())
        ]
        if others:
            findings.append(f"the headers are those of another scheme: {', '.join(other.name for other in others)}")
    return findings


def _malformed_timestamp(delivery: _Delivery) -> str:
    timestamp, text = delivery.scheme.timestamp, delivery.timestamp() or ""
    if timestamp is None:
        return Rejection.malformed_timestamp.value
    wanted = {"s": "whole seconds since 1970", "ms": "whole milliseconds since 1970", "rfc3339": "RFC 3339"}
    found = f"the timestamp {shown(text)} is not {wanted[timestamp.unit]}"
    for unit, pattern in PLAIN.items():
        if unit != timestamp.unit and pattern.fullmatch(text):
            return f"{found}: it is in the form {wanted[unit]}"
    if text.strip() != text:
        return f"{found}: there is white space around it"
    if "." in text or "e" in text.lower():
        return f"{found}: fractions are not plain, some verifiers read them and others do not"
    return found


def _malformed_signature(delivery: _Delivery) -> list[str]:
    scheme, text = delivery.scheme, delivery.signature
    name, value = scheme.header_templates()[-1]
    findings = [f"{name} is not in the scheme's form, {value} in {scheme.encoding}: {shown(text)}"]
    if not text:
        return [f"{name} is empty"]
    if len(text) > LONGEST_SIGNATURE_HEADER:
        return [f"{name} is {len(text):,} characters long, more than {LONGEST_SIGNATURE_HEADER:,}"]
    if len(delivery.entries) > MOST_ENTRIES:
        return [f"{name} lists {len(delivery.entries):,} entries, more than {MOST_ENTRIES:,}"]
    if not text.isascii():
        findings.append("it holds characters outside ASCII")
    prefix = scheme.signature.prefix.decode()
    codes = [entry for entry in delivery.entries if entry.startswith(prefix)]
    if scheme.signature.timestamp_prefix is not None and delivery.timestamp() is None:
        findings.append(f"it has no entry {scheme.signature.timestamp_prefix.decode()}…")
    if prefix and not codes:
        findings.append(f"no entry begins with {prefix}")
    if scheme.algorithm == "none":
        return findings[1:] or [f"{name} is not in the scheme's form"]
    if scheme.encoding == "hex" and any(_UPPER_HEX.fullmatch(code.removeprefix(prefix)) for code in codes):
        findings.append("it is in upper case; the scheme writes lower case")
    if text.strip(" \t\"'") != text:
        findings.append("there are quotes or white space around it")
    return findings


def _traced(delivery: _Delivery, secret: Secret, url: str | None, *, certain_form: bool) -> list[str]:
    """The cause that gives the received signature; if there is none and the form is right, what cannot be known."""
    codes = delivery.codes()
    lower = [code.lower() for code in codes]
    timestamp = (delivery.timestamp() or "").encode("ascii", "replace")
    event_id = delivery.event_id().encode("ascii", "replace")
    scheme = delivery.scheme
    if scheme.algorithm == "none":
        return ["the secret that was sent is another one; nothing is signed, so nothing else can be wrong"]
    compose, is_of = message_of(scheme, url), algorithm_of(scheme, secret).is_among

    def gives(body: bytes) -> bool:
        try:
            message = compose(timestamp, event_id, Delivered(body, delivery.headers))
        except PartError:
            return False
        return is_of(message, lower if scheme.encoding == "hex" else codes)

    try:
        compose(timestamp, event_id, Delivered(delivery.body, delivery.headers))
    except PartError as error:
        return [f"a part that is signed is not there: {error}"]
    if gives(delivery.body):
        return ["its code is the right one: only the way in which it is written is wrong"]
    for misreading in (*MISREADINGS, *FORM_MISREADINGS):
        signed = misreading.of(delivery.body)
        if signed is not None and gives(signed):
            return [misreading.signed]
    for words, code in _tried(delivery, secret, url):
        if _is_among(code(timestamp, event_id, delivery.body), [*codes, *lower]):
            return [words]
    if not certain_form:
        return []
    if not scheme.is_usual:
        return [_UNKNOWN_OTHER]
    return [_UNKNOWN, "compare the secret with the sender's, then make sure that the body is the raw bytes that came"]


def _tried(delivery: _Delivery, secret: Secret, url: str | None) -> Iterator[tuple[str, Codes]]:
    """Possible causes in words, each with the code that it would give."""
    for suspect in suspects(delivery.scheme, secret, url):
        mend = f": {suspect.if_sender}" if suspect.if_sender else ""
        yield f"the sender {suspect.does}{mend}", suspect.code


def _is_among(code: str, codes: list[bytes]) -> bool:
    return any(hmac.compare_digest(code.encode("ascii"), each) for each in codes)


def _age(delivery: _Delivery, now_s: float, window_s: float | None) -> list[str]:
    """How far a readable timestamp is outside the window."""
    timestamp, text = delivery.scheme.timestamp, delivery.timestamp()
    if timestamp is None or text is None or not window_s:
        return []
    signed_s = unix_s(text, timestamp.unit)
    if signed_s is None or abs(now_s - signed_s) <= window_s:
        return []
    over = abs(now_s - signed_s) - window_s
    where = "too old" if now_s > signed_s else "too far in the future"
    signed = f"signed {away(now_s - signed_s)}, {span(over)} outside the window of {span(window_s)}"
    findings = [f"the timestamp is {where}: {signed}"]
    for factor, words in ((1000, "milliseconds where seconds are due"), (0.001, "seconds where milliseconds are due")):
        if timestamp.unit != "rfc3339" and abs(now_s - signed_s / factor) <= max(window_s, 86_400):
            findings.append(f"it looks like {words}")
    return findings
