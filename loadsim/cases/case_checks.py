"""Checks the cases of a scenario against its signature scheme, before the first event.

Errors that need only the scenario file are found in `plan`.
"""

from __future__ import annotations

from loadsim.cases.case_kinds import CASE_KINDS
from loadsim.cases.genuine_requests import OF_EVENTS
from loadsim.cases.secret_rotation import needs_old_secret
from loadsim.model import UsageError
from loadsim.plan import EMBEDDED, Headers, Scenario, ScenarioError
from loadsim.signing import Scheme

_DELIVERY_ID = "x-loadsim-id"


def check_cases(scenario: Scenario, scheme: Scheme, source: str) -> None:
    """Raises ScenarioError for a case that the scheme, or a phase, cannot have."""
    for number, case in enumerate(scenario.cases):
        problem = CASE_KINDS[case.kind].problem(scheme)
        if problem:
            reason = f"the scheme {scheme.name} has no case {case.kind}: {problem}"
            raise ScenarioError(source, f"cases[{number}].kind", reason)
        if case.copies and case.copies > scenario.target.connections:
            connections = scenario.target.connections
            reason = f"{case.copies} copies need as many connections, and target.connections is {connections}"
            raise ScenarioError(source, f"cases[{number}].copies", reason)
        if case.copies and any(phase.model == "closed" for phase in scenario.phases):
            reason = f"{case.kind} needs phases with a rate: in a closed phase every connection is in use"
            raise ScenarioError(source, f"cases[{number}].kind", reason)
    target = scenario.target
    if needs_old_secret(scenario) and target.url != EMBEDDED and not (target.old_secret_env or target.old_secret_file):
        reason = "the old secret is not given: name its environment variable here"
        raise ScenarioError(source, "target.old_secret_env", reason)
    for number, phase in enumerate(scenario.phases):
        base = {case.kind: case.share for case in scenario.cases}
        if phase.secrets != "new" and (base | phase.shares).get("retired_secret"):
            reason = (
                f'with secrets = "{phase.secrets}" the old secret is valid, and nothing is forged: give it the share 0'
            )
            raise ScenarioError(source, f"phases[{number}].shares.retired_secret", reason)


def check_headers(headers: Headers, scheme: Scheme) -> None:
    """Raises UsageError for a header of the target that is made for each delivery, because it would be sent twice."""
    own = {name.lower() for name, _ in (*scheme.header_templates(), *scheme.retry_headers)} - OF_EVENTS
    for name in headers:
        if name.lower() in own:
            made = f"it is made for each event, as the scheme {scheme.name} says"
            raise UsageError(f"the header {name}: {made}; leave it out")
        if name.lower() == _DELIVERY_ID:
            raise UsageError(f"the header {name}: it is the delivery id, which is made for each delivery; leave it out")
