"""Makes a scenario from the options of a command, and applies options to a scenario.

The defaults of a run that names only a target. Both ways end in the same checks, so that every rule holds here
as it holds for a file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from loadsim.model import NS_PER_S
from loadsim.plan.effects import Effects
from loadsim.plan.headers import headers_over
from loadsim.plan.retry_schedule import Retry, check_retry, profile_of
from loadsim.plan.scenario import DEFAULT_TIMEOUT_NS, EMBEDDED, ObjectiveRule, Scenario, ScenarioError, Target
from loadsim.plan.scenario_reading import Settle, TypesOf, from_document
from loadsim.plan.scenario_rules import check, refuse_secrets
from loadsim.plan.trace import Trace
from loadsim.plan.typed_document import DocumentError, read
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
    effects: Mapping[str, Any] | None = None,
    trace: Mapping[str, Any] | None = None,
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
    further keys of `[target]` in the file's units, `retry`, `effects` and `trace` those of these tables. Raises
    ScenarioError.
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
    if effects:
        document["effects"] = dict(effects)
    if trace:
        document["trace"] = dict(trace)
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


def _deadline(retry: Retry | None) -> int:
    """The timeout that a scenario has when it names none."""
    profile = None if retry is None else profile_of(retry)
    return profile.deadline_ns if profile is not None and profile.deadline_ns else DEFAULT_TIMEOUT_NS


def override(
    scenario: Scenario,
    *,
    target: Mapping[str, Any] | None = None,
    retry: Mapping[str, Any] | None = None,
    effects: Mapping[str, Any] | None = None,
    trace: Mapping[str, Any] | None = None,
    objectives: Sequence[str | Mapping[str, Any]] = (),
    seed: int | None = None,
    known_schemes: Collection[str] | None = None,
    source: str = COMMAND_LINE,
) -> Scenario:
    """The scenario with `target` keys (file units) replaced, headers and objectives added. Raises ScenarioError.

    `effects` changes keys of `[effects]`; with another URL it is another source, looked at for as long. `retry` changes
    keys of `[retry]`; another profile comes with its own schedule, and with its deadline where the scenario had none of
    its own. `trace` changes keys of `[trace]`.
    """
    try:
        changed = _changed(scenario, dict(target or {}), dict(retry or {}), dict(effects or {}), list(objectives))
        if trace:
            asked = read(dict(trace), Trace, "trace")
            own_trace = changed.trace or Trace()
            asked = msgspec.structs.replace(own_trace, **{key: getattr(asked, key) for key in trace})
            changed = msgspec.structs.replace(changed, trace=asked)
        if seed is not None:
            changed = msgspec.structs.replace(changed, seed=seed)
        check(changed, known_types=None, known_schemes=known_schemes, known_cases=None)
    except DocumentError as error:
        raise ScenarioError(source, error.key, error.reason) from None
    return changed


class _Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is laid over a scenario, in its own types."""

    target: Target
    retry: Retry
    effects: Effects
    objectives: tuple[str | ObjectiveRule, ...]


def _changed(
    scenario: Scenario,
    target: dict[str, Any],
    retry: dict[str, Any],
    effects: dict[str, Any],
    objectives: list[str | Mapping[str, Any]],
) -> Scenario:
    """The scenario with values in file units laid over it, not yet checked. Raises DocumentError."""
    refuse_secrets("target", target)
    before = scenario.target
    document = {"target": {"url": before.url, **target}, "retry": retry, "effects": effects, "objectives": objectives}
    changes = read(document, _Changes)
    new = {key: getattr(changes.target, key) for key in target}
    new["headers"] = headers_over(before.headers, changes.target.headers)
    if "secret_env" in target or "secret_file" in target:
        new = {"secret_env": None, "secret_file": None, **new}
    if "scheme" in target:
        new = {"custom": None, **new}
    if "url" in target:
        new = {"ledger": None, **new}  # it was that of another receiver
    policy = scenario.retry
    if retry:
        own = Retry() if policy is None or "profile" in retry else policy
        policy = msgspec.structs.replace(own, **{key: getattr(changes.retry, key) for key in retry})
        check_retry(policy)
        if "profile" in retry and before.timeout == _deadline(scenario.retry):
            new = {"timeout": _deadline(policy), **new}
    resolved = msgspec.structs.replace(before, **new)
    watched = scenario.effects
    if effects:
        own_effects = watched or Effects()
        if "url" in effects:
            own_effects = Effects(every=own_effects.every, wait=own_effects.wait)
        watched = msgspec.structs.replace(own_effects, **{key: getattr(changes.effects, key) for key in effects})
    return msgspec.structs.replace(
        scenario,
        target=resolved,
        retry=policy,
        effects=watched,
        objectives=(*scenario.objectives, *changes.objectives),
        # meant for the receiver that was replaced
        receiver=scenario.receiver if resolved.url == EMBEDDED else None,
    )
