"""Turns a scenario file into a Plan that answers, purely: when is event *i* due, of which type, in which case.

The known event types, schemes and cases are arguments. Nothing here reads a clock or knows the endpoint.
"""

from loadsim.plan.headers import Headers, header_pairs, headers_over
from loadsim.plan.plan import ArrivalBlock, Plan, PlannedPhase, share_of
from loadsim.plan.redact import redact_headers, redact_url, redacted
from loadsim.plan.run_spec import RunSpec
from loadsim.plan.scenario import (
    EMBEDDED,
    Case,
    CaseRule,
    EventMix,
    Http,
    HttpVersion,
    ObjectiveRule,
    Phase,
    Scenario,
    ScenarioError,
    Target,
    ValidityRules,
)
from loadsim.plan.scenario_of_options import override, quick_scenario
from loadsim.plan.scenario_reading import from_document, load_scenario
from loadsim.plan.units import (
    UnitError,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)

__all__ = [
    "EMBEDDED",
    "ArrivalBlock",
    "Case",
    "CaseRule",
    "EventMix",
    "Headers",
    "Http",
    "HttpVersion",
    "ObjectiveRule",
    "Phase",
    "Plan",
    "PlannedPhase",
    "RunSpec",
    "Scenario",
    "ScenarioError",
    "Target",
    "UnitError",
    "ValidityRules",
    "format_duration",
    "format_rate",
    "format_size",
    "from_document",
    "header_pairs",
    "headers_over",
    "load_scenario",
    "override",
    "parse_duration",
    "parse_rate",
    "parse_size",
    "quick_scenario",
    "redact_headers",
    "redact_url",
    "redacted",
    "share_of",
]
