"""What the cases of a run say about an endpoint, in sentences: which door is open, and how wide.

Decides the words for each kind of case that came out otherwise than was owed to it. Refuses to judge: objectives do.
"""

from __future__ import annotations

from collections.abc import Iterator

from loadsim.measure.result import RunResult, Totals
from loadsim.model import case_kind
from loadsim.report import figures
from loadsim.report.books import book_findings

MOSTLY = 0.5
"""From this share on a door is open, below it something fails now and then."""

_COPIED = "what is signed with {} is accepted: the secret was copied from documentation"
ACCEPTED = {
    "wrong_secret": "signatures of any key are accepted",
    "empty_key": "what is signed with an empty key is accepted: the endpoint's secret is not set",
    "documentation_key": "what is signed with a published key is accepted: the secret was copied from documentation",
    "documentation_key.github": _COPIED.format("the key in GitHub's documentation"),
    "documentation_key.slack": _COPIED.format("the key in Slack's documentation"),
    "documentation_key.standard-webhooks": _COPIED.format("the key in the examples of Standard Webhooks and Svix"),
    "documentation_key.prefix": _COPIED.format("the bare prefix whsec_"),
    "documentation_key.test": _COPIED.format("the placeholder whsec_test"),
    "retired_secret": "the old secret still opens the door after its end",
    "missing_signature": "events without a signature are accepted",
    "missing_timestamp": "events without a timestamp are accepted",
    "malformed_signature": "signatures that are cut short, empty or followed by other bytes are accepted",
    "malformed_signature.no_form": "any text is accepted as a signature",
    "malformed_signature.cut_short": "signatures that are cut short are accepted: not all of it is compared",
    "malformed_signature.followed": "signatures followed by another byte are accepted: it is read leniently",
    "malformed_signature.empty": "empty signatures are accepted",
    "non_ascii_signature": "signatures with a byte outside ASCII are accepted",
    "long_signature_list": "a long list without a valid signature is accepted",
    "stale_timestamp": "any old timestamp is accepted: a captured delivery can be replayed for ever",
    "future_timestamp": "any future timestamp is accepted: a delivery signed ahead stays valid until then",
    "tampered_body": "a body changed after signing is accepted",
    "tampered_replay": "another body under the headers of an accepted event is accepted: verdicts are remembered",
    "reserialised_body": "a re-serialised body is accepted: it is parsed and serialised again before it is verified",
    "malformed_json": "bodies that are no JSON are accepted",
    "wrong_content_type": "any content type is accepted",
    "body_over_limit": "bodies over the limit are accepted",
}
"""By case, when most of it was accepted although a refusal was due."""

REFUSED = {
    "spaced_body": "genuine JSON with blanks in it is refused: it is not verified byte for byte as it came",
    "long_signature_list_valid": "a valid signature at the end of a long list is not found",
    "body_at_limit": "bodies at the limit are refused",
    "replayed": "a delivery that comes again is not answered 2xx: a provider would go on retrying it",
}
"""By case, when most of it failed although acceptance was due."""


def findings(result: RunResult) -> list[str]:
    """One line per kind of case that was violated, one for what fails now and then over several kinds, and one for
    each thing that the receiver's books show."""
    lines = [line for name, case in _cases(result).items() for line in _of_case(name, case)]
    return [*lines, *_now_and_then(result), *book_findings(result.reconciliation)]


def _cases(result: RunResult) -> dict[str, Totals]:
    """The cases, those that consist of several part by part: an endpoint has one of the published keys, not a fifth of
    each."""
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
        words = ACCEPTED.get(name, "accepted although a refusal was due")
        yield f"{name}: {words} ({_of(case.forged_accepted, case.sent)})"
    if case.refused_badly:
        kinds = [code for code in case.status if code[0] not in "24"] + list(case.errors)
        yield f"{name}: ends in {', '.join(kinds)} and not in a clean refusal ({_of(case.refused_badly, case.sent)})"


def _now_and_then(result: RunResult) -> Iterator[str]:
    some = {
        name: case
        for name, case in _cases(result).items()
        if case.forged_accepted and case.forged_accepted < MOSTLY * case.sent
    }
    accepted = sum(case.forged_accepted or 0 for case in some.values())
    sent = sum(case.sent for case in some.values())
    if accepted:
        yield f"the check fails open now and then: {_of(accepted, sent)} accepted, of {', '.join(some)}"


def _of(part: int, whole: int) -> str:
    return f"{figures.count(part)} of {figures.count(whole)}"
