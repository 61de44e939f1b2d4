"""Rules of `[[cases]]` and of their shares in phases. The known kinds and their keys are arguments."""

from __future__ import annotations

from collections.abc import Mapping

from loadsim.plan.scenario import Case, CaseRule, Scenario
from loadsim.plan.typed_document import DocumentError, suggestion

_OPTIONS = ("by", "size", "copies")
_ROUNDING = 1e-9
"""Tolerance of a sum of shares, which are decimal fractions."""


def check_cases(cases: tuple[Case, ...], known_cases: Mapping[str, CaseRule] | None) -> None:
    """Rules of `[[cases]]`: known kinds, each once, with the keys that the kind has."""
    seen: set[str] = set()
    for number, case in enumerate(cases):
        path = f"cases[{number}]"
        if known_cases is not None and case.kind not in known_cases:
            hint = suggestion(case.kind, known_cases)
            raise DocumentError(f"{path}.kind", f'no such case kind: "{case.kind}"{hint}')
        if case.kind in seen or case.kind == "genuine":
            raise DocumentError(f"{path}.kind", f'"{case.kind}" is given twice: give it one share')
        seen.add(case.kind)
        for key in _OPTIONS:
            value = getattr(case, key)
            if value is not None and known_cases is not None and key not in known_cases[case.kind].options:
                raise DocumentError(f"{path}.{key}", f'a case of kind "{case.kind}" has no such key')
            if value is not None and value <= 0:
                raise DocumentError(f"{path}.{key}", "must be more than 0")


def check_shares(scenario: Scenario) -> None:
    """Rules of the shares of cases, in `[[cases]]` and by phase: of known kinds, at most 1 together in any phase."""
    base = {case.kind: case.share for case in scenario.cases}
    if sum(base.values()) > 1 + _ROUNDING:
        raise DocumentError("cases", "the shares are more than 1 together")
    given = set()
    for number, phase in enumerate(scenario.phases):
        path = f"phases[{number}].shares"
        for kind in phase.shares:
            if kind not in base:
                raise DocumentError(f"{path}.{kind}", f"no [[cases]] of this kind{suggestion(kind, base)}")
        if phase.shares and phase.model == "closed":
            raise DocumentError(path, "goes with a rate: a closed phase has the shares of [[cases]]")
        shares = {**base, **phase.shares}
        if sum(shares.values()) > 1 + _ROUNDING:
            raise DocumentError(path, "the shares are more than 1 together, with those of [[cases]]")
        given |= {kind for kind, share in shares.items() if share}
    for number, case in enumerate(scenario.cases):
        if case.kind not in given:
            raise DocumentError(f"cases[{number}].share", "is 0, and no phase gives this kind another share")
