"""Findings about an endpoint, in sentences: which cases it answered wrongly, and what that means."""

from __future__ import annotations

from collections.abc import Iterator

from loadsim.measure.result import RunResult
from loadsim.measure.result_events import Totals
from loadsim.model import case_kind
from loadsim.report import numbers
from loadsim.report.effects_section import effect_findings
from loadsim.report.reconciliation import reconciliation_findings

MOSTLY = 0.5
"""From this share of wrong answers on, a case is reported on its own; below it, as a fault that comes and goes."""

_COPIED = "what is signed with {} is accepted: the secret was copied from documentation"
_NAMED = "a certificate at a URL {} is taken for the provider's"
ACCEPTED = {
    "wrong_secret": "signatures of any key are accepted",
    "empty_key": "what is signed with an empty key is accepted: the endpoint's secret is not set",
    "documentation_key": "what is signed with a published key is accepted: the secret was copied from documentation",
    "documentation_key.github": _COPIED.format("the key in GitHub's documentation"),
    "documentation_key.slack": _COPIED.format("the key in Slack's documentation"),
    "documentation_key.standard-webhooks": _COPIED.format("the key in the examples of Standard Webhooks and Svix"),
    "documentation_key.prefix": _COPIED.format("the bare prefix whsec_"),
    "documentation_key.test": _COPIED.format("the placeholder whsec_test"),
    "retired_secret": "the old secret is still accepted after its end",
    "missing_signature": "events without a signature are accepted",
    "missing_timestamp": "events without a timestamp are accepted",
    "malformed_signature": "signatures that are cut short, empty or followed by other bytes are accepted",
    "malformed_signature.no_form": "any text is accepted as a signature",
    "malformed_signature.cut_short": "signatures that are cut short are accepted: not all of it is compared",
    "malformed_signature.followed": "signatures followed by another byte are accepted: it is read leniently",
    "malformed_signature.empty": "empty signatures are accepted",
    "non_ascii_signature": "signatures with a byte outside ASCII are accepted",
    "long_signature_list": "a long list without a valid signature is accepted",
    "key_pair_forgery": "signatures that were made without the private key are accepted",
    "key_pair_forgery.public_key_as_secret": "an HMAC under the public key is accepted",
    "key_pair_forgery.zero": "a signature of zeros is accepted for every message",
    "key_pair_forgery.trailing_byte": "a signature followed by another byte is accepted: it is read leniently",
    "key_pair_forgery.order": "a signature whose numbers are zero modulo the order is accepted for every message",
    "key_pair_forgery.small_order": "a signature with a point of small order is accepted for every message",
    "key_pair_forgery.s_plus_order": "a second spelling of a signature is accepted: one event looks like two",
    "sent_secret_forgery": "a secret that is not the right one is accepted",
    "sent_secret_forgery.first_character": "the first character of the secret is accepted as the secret",
    "sent_secret_forgery.longer": "a secret that begins with the right one is accepted",
    "sent_secret_forgery.other_case": "the secret is accepted in upper and lower case alike",
    "foreign_certificate": "deliveries that name a certificate which is not the provider's are accepted",
    "foreign_certificate.longer_host": _NAMED.format("on a host that begins like the provider's"),
    "foreign_certificate.userinfo": _NAMED.format("with the provider's host as user name"),
    "foreign_certificate.backslash": _NAMED.format("in which a backslash hides the host"),
    "foreign_certificate.in_path": _NAMED.format("with the provider's host in the path"),
    "foreign_certificate.in_query": _NAMED.format("with the provider's host in the query"),
    "foreign_certificate.other_scheme": _NAMED.format("of another scheme"),
    "foreign_certificate.empty": "deliveries that name no certificate are accepted",
    "other_algorithm": "deliveries that name another algorithm are accepted",
    "other_algorithm.weaker": "deliveries that name a weaker algorithm are accepted",
    "other_algorithm.none": "deliveries that name no known algorithm are accepted",
    "other_algorithm.empty": "deliveries whose algorithm is empty are accepted",
    "jwt_forgery": "forged tokens are accepted",
    "jwt_forgery.none": "a token with alg none is accepted: it is not signed at all",
    "jwt_forgery.none_in_other_letters": "a token with alg nOnE is accepted: none is refused by its spelling only",
    "jwt_forgery.stripped": "a token without its signature is accepted",
    "jwt_forgery.public_key_as_secret": "an HS256 token under the public key is accepted: alg is taken from the token",
    "jwt_forgery.embedded_key": "a token that brings its own key (jwk) is accepted",
    "jwt_forgery.changed_claims": "a token whose claims were changed after signing is accepted",
    "jwt_forgery.segments": "a token with a fourth segment is accepted: it is read leniently",
    "jwt_forgery.other_audience": "a token for another audience is accepted: aud is not checked",
    "jwt_forgery.other_issuer": "a token of another issuer is accepted: iss is not checked",
    "stale_timestamp": "any old timestamp is accepted: a captured delivery can be replayed at any later time",
    "future_timestamp": "any future timestamp is accepted: a delivery with one stays valid until then",
    "part_forgery": "changed fields of a body whose fields are signed are accepted",
    "part_forgery.added_field": "a form with a field added after signing is accepted: not all fields are verified",
    "part_forgery.unsorted": "fields that were signed in another order are accepted: they are not sorted",
    "part_forgery.form_field_twice": "a form with two values of a field is accepted: one is verified, the other used",
    "part_forgery.json_field_twice": "JSON with two values of a field is accepted: one is verified, the other used",
    "tampered_body": "a body changed after signing is accepted",
    "tampered_replay": "another body with the headers of an accepted event is accepted: decisions are cached",
    "reserialised_body": "a re-serialised body is accepted: it is parsed and serialised again before it is verified",
    "malformed_json": "bodies that are not JSON are accepted",
    "wrong_content_type": "any content type is accepted",
    "body_over_limit": "bodies over the limit are accepted",
}
"""By case: the finding when most of its events were accepted although they were to be refused."""

REFUSED = {
    "spaced_body": "genuine JSON with spaces in it is refused: it is not verified byte for byte as received",
    "long_signature_list_valid": "a valid signature at the end of a long list is not found",
    "body_at_limit": "bodies at the limit are refused",
    "replayed": "a repeated delivery is not answered 2xx: a provider would continue to retry it",
}
"""By case: the finding when most of its events failed although they were to be accepted."""


def findings(result: RunResult) -> list[str]:
    """One line for each case with wrong answers, one for all cases that were accepted some of the time, and one for
    each finding in the receiver's ledger."""
    lines = [line for name, case in _cases(result).items() for line in _of_case(name, case)]
    joined = [*reconciliation_findings(result.reconciliation), *effect_findings(result.effects)]
    return [*lines, *_some_of_the_time(result), *joined]


def _cases(result: RunResult) -> dict[str, Totals]:
    """The cases; a case that consists of parts is replaced by them, since an endpoint has one of the published keys
    and not a fifth of each."""
    parts = result.by_case_part
    whole = {case_kind(name) for name in parts}
    return {**{name: case for name, case in result.by_case.items() if name not in whole}, **parts}


def _of_case(name: str, case: Totals) -> Iterator[str]:
    if not case.sent:
        return
    if case.forged_accepted is None:
        if name in REFUSED and case.failed >= MOSTLY * case.sent:
            yield f"{name}: {REFUSED[name]} ({_of(case.failed, case.sent)})"
        return
    if case.forged_accepted >= MOSTLY * case.sent:
        words = ACCEPTED.get(name, "accepted although it was to be refused")
        yield f"{name}: {words} ({_of(case.forged_accepted, case.sent)})"
    if case.refused_badly:
        kinds = [code for code in case.status if code[0] not in "24"] + list(case.errors)
        yield f"{name}: ends in {', '.join(kinds)} and not in a 4xx refusal ({_of(case.refused_badly, case.sent)})"


def _some_of_the_time(result: RunResult) -> Iterator[str]:
    some = {
        name: case
        for name, case in _cases(result).items()
        if case.forged_accepted and case.forged_accepted < MOSTLY * case.sent
    }
    accepted = sum(case.forged_accepted or 0 for case in some.values())
    sent = sum(case.sent for case in some.values())
    if accepted:
        yield f"forged events are accepted some of the time: {_of(accepted, sent)}, of {', '.join(some)}"


def _of(part: int, whole: int) -> str:
    return f"{numbers.count(part)} of {numbers.count(whole)}"
