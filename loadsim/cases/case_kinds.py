"""The kinds of cases, that is forged or unusual deliveries: how each is made, and whether an endpoint should accept it.

`CASE_KINDS` is the one table of them: the names, expectations and options that a scenario can use come from it. Each
kind says how it changes a genuine delivery and which schemes it exists for.
"""

from __future__ import annotations

import msgspec

from loadsim.cases.body_cases import BODY_CASES
from loadsim.cases.case_parts import CaseKind
from loadsim.cases.header_cases import HEADER_CASES
from loadsim.cases.key_cases import KEY_CASES
from loadsim.model import case_kind
from loadsim.plan import CaseRule, Scenario
from loadsim.signing import Scheme

CASE_KINDS: dict[str, CaseKind] = {**KEY_CASES, **HEADER_CASES, **BODY_CASES}
"""By name; a name with a dot is a part of a kind (see `by_part`). The expectation is a default: a scenario can set
another one for its own endpoint."""

REUSING = ("replayed", "tampered_replay")
"""Kinds that need the last genuine request to be remembered."""

REWRITTEN = {"wrong_content_type": ("content-type",)}
"""Headers that a kind sets in addition to those of the scheme; those of a capture do not replace them."""


def by_part(scenario: Scenario, scheme: Scheme) -> Scenario:
    """The scenario with one case for each part of kinds that have parts, such as each published key.

    So each part is judged by itself: an endpoint that accepts one of five keys is not an endpoint that accepts 20 %.
    """
    given = {case.kind for case in scenario.cases}
    parts = {kind: [kind] for kind in given}
    for name, kind in CASE_KINDS.items():
        whole = case_kind(name)
        if whole in given and name != whole and name not in given and not kind.problem(scheme):
            parts[whole] = [part for part in parts[whole] if part != whole] + [name]
    cases = [
        msgspec.structs.replace(case, kind=name, share=case.share / len(parts[case.kind]))
        for case in scenario.cases
        for name in parts[case.kind]
    ]
    phases = [
        msgspec.structs.replace(
            phase,
            shares={name: share / len(parts[kind]) for kind, share in phase.shares.items() for name in parts[kind]},
        )
        for phase in scenario.phases
    ]
    return msgspec.structs.replace(scenario, cases=tuple(cases), phases=tuple(phases))


def case_rules() -> dict[str, CaseRule]:
    """The rules of every kind, for reading a scenario."""
    return {name: CaseRule(kind.expect, kind.options) for name, kind in CASE_KINDS.items()}
