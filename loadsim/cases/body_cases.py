"""Cases of another body, changed before or after signing, and cases of the same delivery once more."""

from __future__ import annotations

from loadsim.cases.case_parts import CaseKind, Parts, sent_otherwise, signed_otherwise
from loadsim.cases.delivery_edits import padded, respaced
from loadsim.cases.genuine_requests import Make
from loadsim.cases.part_forgeries import FORGERIES, PART_FORGERY, applies, no_parts, part_forged
from loadsim.cases.tampering import no_json, not_bytes, not_signed, tampered
from loadsim.events import holds_json
from loadsim.model import SignedRequest, UsageError
from loadsim.signing import Scheme


def _malformed_json(parts: Parts) -> Make:
    if not holds_json(parts.source.content_type):
        raise UsageError(f"{parts.case.kind}: events of type {parts.source.type} are not JSON")
    return signed_otherwise(parts, lambda body: body[:-1])


def _at_limit(parts: Parts, more: int) -> Make:
    size = (parts.case.size or 0) + more
    least = len(parts.source.body(0, 0))
    if least > size:
        raise UsageError(
            f"{parts.case.kind}: an event of type {parts.source.type} is {least} bytes long, more than {size}"
        )
    return signed_otherwise(parts, lambda body: padded(body, size))


def _replayed(parts: Parts) -> Make:
    return parts.memory.recall


def _tampered_replay(parts: Parts) -> Make:
    recall, body_of = parts.memory.recall, parts.source.body
    change = tampered(parts.scheme)
    in_body = parts.scheme.signature.place != "header"

    def make(index: int, now_ns: int) -> SignedRequest:
        request = recall(index, now_ns)
        lines, body = request
        if in_body:
            return SignedRequest(lines, change(body))
        changed = body_of(index, now_ns)
        return SignedRequest(lines, changed if changed != body else change(body))

    return make


def _part_forgery(parts: Parts, *names: str) -> Make:
    """Forged in each of these ways in turn."""
    provider, genuine, scheme = parts.provider, parts.genuine, parts.scheme
    ways = [part_forged(name, scheme, provider.secret, provider.url) for name in names if applies(name, scheme)]
    return lambda index, now_ns: ways[index % len(ways)](genuine(index, now_ns))


def _of_one_forgery(name: str) -> CaseKind:
    def problem(scheme: Scheme) -> str:
        return "" if applies(name, scheme) else "it does not sign such fields of the body alone"

    return CaseKind("refuse", lambda parts: _part_forgery(parts, name), problem)


BODY_CASES: dict[str, CaseKind] = {
    "tampered_body": CaseKind("refuse", lambda parts: sent_otherwise(parts, tampered(parts.scheme)), not_signed),
    "tampered_replay": CaseKind("refuse", _tampered_replay, not_signed),
    PART_FORGERY: CaseKind("refuse", lambda parts: _part_forgery(parts, *FORGERIES), no_parts),
    **{f"{PART_FORGERY}.{name}": _of_one_forgery(name) for name in FORGERIES},
    "reserialised_body": CaseKind("refuse", lambda parts: sent_otherwise(parts, respaced), not_bytes),
    "spaced_body": CaseKind("accept", lambda parts: signed_otherwise(parts, respaced)),
    "malformed_json": CaseKind("refuse", _malformed_json, no_json),
    "body_at_limit": CaseKind("accept", lambda parts: _at_limit(parts, 0), options={"size": 1_000_000}),
    "body_over_limit": CaseKind("refuse", lambda parts: _at_limit(parts, 1), options={"size": 1_000_000}),
    "replayed": CaseKind("accept", _replayed),
    "duplicate": CaseKind("accept", lambda parts: parts.genuine, options={"copies": 5}),
}
