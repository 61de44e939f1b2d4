"""Makes a scenario from the options of a command, and applies options to a scenario.

Both use `from_document`, so that the same rules hold as for a file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

from loadsim.model import NS_PER_S
from loadsim.plan.headers import headers_over
from loadsim.plan.reading import Settle, TypesOf, from_document
from loadsim.plan.retry import profile_of
from loadsim.plan.scenario import DEFAULT_TIMEOUT_NS, EMBEDDED, Scenario, ScenarioError
from loadsim.plan.units import format_duration, format_rate

COMMAND_LINE = "command line"
DEFAULT_CONNECTIONS = 10
DEFAULT_DURATION_NS = 10 * NS_PER_S


def quick_scenario(
    url: str,
    *,
    connections: int | None = None,
    rate: Fraction | None = None,
    duration: int | None = None,
    events: int | None = None,
    mix: Sequence[tuple[str, float]] = (),
    objectives: Sequence[str | Mapping[str, Any]] = (),
    target: Mapping[str, Any] | None = None,
    retry: Mapping[str, Any] | None = None,
    name: str = "quick",
    seed: int | None = None,
    known_types: Collection[str],
    known_schemes: Collection[str] | None = None,
    types_of: TypesOf | None = None,
    settle: Settle | None = None,
    payloads: tuple[str, str] | None = None,
    source: str = COMMAND_LINE,
) -> Scenario:
    """One recorded phase: open with `rate` (events/s; `connections` then caps the pool), otherwise closed.

    `duration` in ns (10 s, unless `events` is given), `mix` (type, weight) pairs (default: `types_of` the target,
    else all known types), `payloads` a name and a file of recorded bodies, `target`
    further keys of `[target]` in the file's units, `retry` those of `[retry]`. Raises ScenarioError.
    """
    table: dict[str, Any] = {**(target or {}), "url": url}
    phase: dict[str, Any] = {"name": "load"}
    if rate is not None:
        if connections is not None:
            table["connections"] = connections
        phase["rate"] = format_rate(rate)
        phase["duration"] = format_duration(_open_duration(rate, duration, events, source))
    else:
        phase["connections"] = DEFAULT_CONNECTIONS if connections is None else connections
        table["connections"] = phase["connections"]
        if events is not None:
            phase["events"] = events
        if duration is not None or events is None:
            phase["duration"] = format_duration(DEFAULT_DURATION_NS if duration is None else duration)
    document: dict[str, Any] = {"name": name, "target": table, "phases": [phase], "objectives": list(objectives)}
    if mix:
        document["events"] = [{"type": kind, "weight": weight} for kind, weight in mix]
    if payloads is not None:
        document["events"] = [{"type": payloads[0], "payloads": payloads[1]}]
    if retry:
        document["retry"] = dict(retry)
    if seed is not None:
        document["seed"] = seed
    return from_document(
        document, source, known_types=known_types, known_schemes=known_schemes, types_of=types_of, settle=settle
    )


def _open_duration(rate: Fraction, duration: int | None, events: int | None, source: str) -> int:
    if events is None:
        return DEFAULT_DURATION_NS if duration is None else duration
    if rate <= 0:
        raise ScenarioError(source, "events", "a rate of 0 sends no event")
    # Event i is due at floor(i / rate): ending where event `events` would be due leaves exactly that many.
    needed = int(events * NS_PER_S / rate)
    return needed if duration is None else min(needed, duration)


def _deadline(scenario: Scenario) -> int:
    """The default timeout of a scenario."""
    profile = None if scenario.retry is None else profile_of(scenario.retry)
    return profile.deadline_ns if profile is not None and profile.deadline_ns else DEFAULT_TIMEOUT_NS


def override(
    scenario: Scenario,
    *,
    target: Mapping[str, Any] | None = None,
    retry: Mapping[str, Any] | None = None,
    objectives: Sequence[str | Mapping[str, Any]] = (),
    seed: int | None = None,
    known_schemes: Collection[str] | None = None,
    source: str = COMMAND_LINE,
) -> Scenario:
    """The scenario with `target` keys (file units) replaced, headers and objectives added. Raises ScenarioError.

    `retry` changes keys of `[retry]`; another profile comes with its own schedule, and with its deadline where the
    scenario had none of its own.
    """
    document = scenario.document()
    changes = dict(target or {})
    table = document["target"]
    if retry:
        document["retry"] = {**({} if "profile" in retry else document.get("retry", {})), **retry}
        if "profile" in retry and scenario.target.timeout == _deadline(scenario):
            table.pop("timeout")
    if "secret_env" in changes or "secret_file" in changes:
        table.pop("secret_env", None)
        table.pop("secret_file", None)
    if "scheme" in changes:
        table.pop("custom", None)
    if "url" in changes:
        table.pop("ledger", None)  # it was that of another receiver
    headers = headers_over(table["headers"], changes.pop("headers", {}))
    document["target"] = {**table, **changes, "headers": headers}
    if document["target"]["url"] != EMBEDDED:
        document.pop("receiver", None)  # meant for the receiver that was replaced
    document["objectives"] = [*document["objectives"], *objectives]
    if seed is not None:
        document["seed"] = seed
    return from_document(document, source, known_schemes=known_schemes)
