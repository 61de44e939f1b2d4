"""Turns the text or the document of a scenario into a `Scenario`, or raises an error in one line.

The error has the form `FILE: key.path: reason`. The text is an argument: no file is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from loadsim.model import UsageError
from loadsim.plan.retry_schedule import profile_of
from loadsim.plan.scenario import Case, CaseRule, EventMix, Scenario, ScenarioError, Target
from loadsim.plan.scenario_rules import check, check_target, refuse_secrets
from loadsim.plan.typed_document import DocumentError, parse_toml, read

NO_CASES: Mapping[str, CaseRule] = MappingProxyType({})
TypesOf = Callable[[Target], Sequence[str]]
"""The default event types for a target, where a scenario has no `[[events]]`."""


class Settle(Protocol):
    """The scheme that signs events of these types, and their full names. Raises UsageError."""

    def __call__(self, target: Target, types: Sequence[str], *, names_scheme: bool) -> tuple[str, tuple[str, ...]]: ...


def load_scenario(
    text: str,
    *,
    source: str,
    known_types: Collection[str],
    known_schemes: Collection[str],
    known_cases: Mapping[str, CaseRule] = NO_CASES,
    types_of: TypesOf | None = None,
    settle: Settle | None = None,
    signing: Mapping[str, Any] | None = None,
) -> Scenario:
    """The scenario that a TOML text describes. `source` is the name of the file in messages.

    Without `[[events]]` the mix is `types_of` the target, else all known types, with equal weights. Missing keys of a
    case have the default of its kind. `signing` replaces the file's `scheme` and `custom`. Raises
    ScenarioError.
    """
    try:
        document = parse_toml(text)
    except DocumentError as error:
        raise ScenarioError(source, error.key, error.reason) from None
    table = document.get("target")
    if signing and isinstance(table, dict):
        table.pop("custom", None)
        table.update(signing)
    return from_document(
        document,
        source,
        known_types=known_types,
        known_schemes=known_schemes,
        known_cases=known_cases,
        types_of=types_of,
        settle=settle,
    )


def from_document(
    document: Mapping[str, Any],
    source: str,
    *,
    known_types: Collection[str] | None = None,
    known_schemes: Collection[str] | None = None,
    known_cases: Mapping[str, CaseRule] | None = None,
    types_of: TypesOf | None = None,
    settle: Settle | None = None,
) -> Scenario:
    """The inverse of `Scenario.document`. `settle` finds the scheme where the target names none. Names are
    not checked where the set of known names is None.
    """
    try:
        refuse_secrets("target", document.get("target"))
        scenario = _with_deadline(read(_named(document, source), Scenario), document)
        if "events" not in document and known_types:
            check_target("target", scenario.target, known_schemes)
            types = types_of(scenario.target) if types_of is not None else known_types
            scenario = msgspec.structs.replace(scenario, events=tuple(EventMix(type=name) for name in types))
        elif settle is not None:
            check_target("target", scenario.target, known_schemes)
            scenario = _settled(scenario, settle, names_scheme="scheme" in document.get("target", {}))
        check(scenario, known_types=known_types, known_schemes=known_schemes, known_cases=known_cases)
        if known_cases is not None:
            cases = tuple(_resolved(case, known_cases[case.kind]) for case in scenario.cases)
            scenario = msgspec.structs.replace(scenario, cases=cases)
    except DocumentError as error:
        raise ScenarioError(source, error.key, error.reason) from None
    return scenario


def _named(document: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The document with the names that it leaves out: the scenario is called as its file, a phase by its number."""
    named = {"name": PurePath(source).stem, **document}
    phases = document.get("phases")
    if isinstance(phases, list):
        named["phases"] = [
            {"name": f"phase-{number}", **phase} if isinstance(phase, dict) else phase
            for number, phase in enumerate(phases, 1)
        ]
    return named


def _settled(scenario: Scenario, settle: Settle, *, names_scheme: bool) -> Scenario:
    """The scenario with its scheme and the full names of its events. Names of recorded events stay unchanged."""
    own = [event for event in scenario.events if event.payloads is None]
    try:
        scheme, names = settle(scenario.target, [event.type for event in own], names_scheme=names_scheme)
    except UsageError as error:
        raise DocumentError("events", str(error)) from None
    full = dict(zip((event.type for event in own), names, strict=True))
    events = [
        event if event.payloads is not None else msgspec.structs.replace(event, type=full[event.type])
        for event in scenario.events
    ]
    target = msgspec.structs.replace(scenario.target, scheme=scheme)
    return msgspec.structs.replace(scenario, target=target, events=tuple(events))


def _with_deadline(scenario: Scenario, document: Mapping[str, Any]) -> Scenario:
    """With a retry profile, the default timeout of an attempt is the provider's deadline."""
    if scenario.retry is None or "timeout" in document.get("target", {}):
        return scenario
    deadline = profile_of(scenario.retry).deadline_ns
    if not deadline:
        return scenario
    return msgspec.structs.replace(scenario, target=msgspec.structs.replace(scenario.target, timeout=deadline))


def _resolved(case: Case, rule: CaseRule) -> Case:
    given = {key: value for key in rule.options if (value := getattr(case, key)) is not None}
    return msgspec.structs.replace(case, expect=case.expect or rule.expect, **{**rule.options, **given})
