"""Turns the options of a load run into one validated RunSpec, for the command line and for the dashboard.

All input is checked here, before the first event. The names of the options in error messages are an argument.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from loadsim.cases import by_part, case_rules, check_cases, check_headers, request_maker
from loadsim.events import catalogue
from loadsim.inputs.event_names import full_name, settled
from loadsim.inputs.tags import parse_tags
from loadsim.inputs.values import http_version, parse_epoch, parse_headers, types_of
from loadsim.judge import objectives_of, vocabulary_of_scenario
from loadsim.judge.validity import validity_rules
from loadsim.launch.cluster import cluster_of
from loadsim.launch.environment import available_cores
from loadsim.model import Capture, Objective, UsageError
from loadsim.plan import (
    EMBEDDED,
    RunSpec,
    Scenario,
    Target,
    UnitError,
    headers_over,
    load_scenario,
    override,
    parse_duration,
    parse_rate,
    quick_scenario,
)
from loadsim.plan.cluster import Cluster
from loadsim.plan.effects import Effects
from loadsim.plan.run_spec import MOST_WORKERS
from loadsim.plan.scenario_rules import with_scheme
from loadsim.run.captures import captures_of
from loadsim.run.config_file import read_config
from loadsim.run.options import RunOptions
from loadsim.run.otlp.endpoint import otlp_url
from loadsim.run.run_length import check_sizes, scaled_spec
from loadsim.run.run_secrets import with_keys
from loadsim.run.run_store_judge import free_directory
from loadsim.run.scenario_text import names_scenario, scenario_text
from loadsim.secret_sources import ELSEWHERE, new_secret
from loadsim.settings import Config, resolve_target
from loadsim.shipped import shipped_names
from loadsim.signing import CUSTOM_TABLE, scheme, scheme_names

_OF_OPTIONS = frozenset(RunOptions.__struct_fields__) - {"connections", "headers"}
_TARGET_KEYS = tuple(name for name in Target.__struct_fields__ if name in _OF_OPTIONS)
"""Options that replace the key of the same name in `[target]`."""
_CLUSTER_KEYS = {
    "per_host": "per_host",
    "ship_secret": "ship_secret",
    "allow_lost": "allow_lost",
    "insecure_cluster": "insecure",
    "cluster_ca": "ca",
    "cluster_cert": "cert",
    "cluster_key": "key",
}
"""Option → argument of `cluster_of`."""
Value = TypeVar("Value")
_QUICK_ONLY = ("connections", "rate", "duration", "events", "mix", "payload")


@dataclass(frozen=True)
class Words:
    """The names of options in error messages: options of a command line, or fields of a form."""

    source: str
    names: Mapping[str, str]
    target: str = "TARGET"
    """Name of the target argument in error messages."""
    remedy: str = ELSEWHERE
    """The end of an error message about a missing secret."""


COMMAND_LINE = Words(
    "command line",
    {
        "connections": "-c",
        "rate": "-r",
        "duration": "-d",
        "events": "-n",
        "mix": "-e",
        "payload": "--payload",
        "target": "-t",
        "workers": "-w",
    },
)


def compose(
    what: str,
    options: RunOptions,
    words: Words = COMMAND_LINE,
    *,
    sized: bool = True,
    config: Config | None = None,
) -> RunSpec:
    """The run for a SCENARIO or TARGET and these options.

    All input is checked here, before the first event. A look at the plan alone (`check`) needs no secret. `sized`: the
    run has this length, so its objectives must be such as so many events can support. `config`: `loadsim.toml`, where
    the caller has read it. Raises UsageError, and LoadsimError where no result could be written.
    """
    config = read_config() if config is None else config
    is_scenario = names_scenario(what, config)
    made = _scenario if is_scenario else _without_scenario
    scenario = _named(made(what, options, words, config), options.name)
    scenario = msgspec.structs.replace(scenario, validity=validity_rules(options.max_lag) or scenario.validity)
    target = scenario.target
    described = scheme(target.scheme, target.custom, where=f"{what}: {CUSTOM_TABLE}")
    check_cases(scenario, described, what)
    check_headers(target.headers, described)
    recorded, pace = captures_of(scenario)
    objectives = _objectives(
        what if is_scenario else None,
        scenario,
        recorded,
        added=len(_added(options)),
        defaults=options.default_objectives,
    )
    scenario = by_part(scenario, described)
    if options.gate == "confident" and any(objective.abort for objective in objectives):
        raise UsageError("--gate confident: a run is ended early by the figure itself (abort), not by its interval")
    spec = RunSpec(
        scenario=scenario,
        seed=scenario.seed if scenario.seed is not None else secrets.randbits(32),
        objectives=objectives,
        gate=options.gate,
        defaults=options.default_objectives,
        epoch_ns=None if options.epoch is None else parse_epoch(options.epoch),
        recorded=recorded,
        pace=pace,
        workers=_workers(options.workers, words),
        cluster=_cluster(options, target),
        raw=options.raw,
        outcomes=options.outcomes or scenario.outcomes,
        otlp=None if options.otlp is None else otlp_url(options.otlp),
        out=Path(options.out),
        tags=parse_tags(options.tags),
    )
    if sized:
        check_sizes(spec)
    if options.scale is not None:
        spec = scaled_spec(spec, options.scale)
    if _keys_are_here(spec) and (not options.check or options.secret_env or options.secret_file):
        spec = with_keys(spec, words.remedy)
    _check_requests(spec)
    if not options.check:
        free_directory(spec.out)
    return spec


def _keys_are_here(spec: RunSpec) -> bool:
    """Whether this machine reads the secrets, and not each host of a cluster."""
    cluster = spec.cluster
    return cluster is None or cluster.ship_secret or bool(cluster.local) or spec.scenario.target.url == EMBEDDED


def _check_requests(spec: RunSpec) -> None:
    """Check images and paths of fields here, before a shard would find an error."""
    target = spec.fired.target
    secret = spec.secret or new_secret(scheme(target.scheme, target.custom))
    request_maker(msgspec.structs.replace(spec, secret=secret, old_secret=spec.old_secret or secret))


def _objectives(
    source: str | None, scenario: Scenario, recorded: Mapping[str, Capture], *, added: int, defaults: bool
) -> tuple[Objective, ...]:
    """The scenario's own objectives and, after them, those of the command line. An error names `source`, its file."""
    vocabulary = vocabulary_of_scenario(scenario, recorded)
    if source is not None:
        try:
            objectives_of(scenario.objectives[: len(scenario.objectives) - added], vocabulary)
        except UsageError as error:
            raise UsageError(f"{source}: {error}") from None
    return objectives_of(scenario.objectives, vocabulary, defaults=defaults)


def _added(options: RunOptions) -> list[str | dict[str, Any]]:
    """The objectives beside the scenario's own, as a scenario file has them."""
    return [*options.objectives, *({"objective": text, "abort": True} for text in options.aborting)]


def _scenario(what: str, options: RunOptions, words: Words, config: Config) -> Scenario:
    given = [name for name in _QUICK_ONLY if getattr(options, name)]
    if given:
        flags = ", ".join(words.names[name] for name in given)
        raise UsageError(f"{flags}: a scenario sets this itself; change {what}, or name a target instead of a scenario")
    changes, schemes = _target_changes(options), scheme_names()
    if options.target:
        elsewhere = dict(resolve_target(options.target, config).given)
        if "scheme" in changes:
            elsewhere.pop("custom", None)
        changes = {**elsewhere, **changes}
    scenario = load_scenario(
        scenario_text(what),
        source=what,
        known_types=[event.name for event in catalogue()],
        known_schemes=schemes,
        known_cases=case_rules(),
        types_of=types_of,
        settle=settled,
        signing={key: changes[key] for key in ("scheme", "custom") if "scheme" in changes and key in changes},
    )
    return override(
        scenario,
        target=changes,
        objectives=_added(options),
        retry=_retry(options),
        effects=_effects(options, scenario.effects),
        trace=_trace(options),
        seed=options.seed,
        known_schemes=schemes,
        source=words.source,
    )


def _without_scenario(what: str, options: RunOptions, words: Words, config: Config) -> Scenario:
    """The scenario of a run that names only a target."""
    names = words.names
    if options.target:
        raise UsageError(
            f"{names['target']} replaces a scenario's target: name either a scenario or a target, not both"
        )
    endpoint = resolve_target(what, config, words.target, beside=shipped_names())
    if options.payload and options.mix:
        raise UsageError(f"{names['payload']} sends the file's own bodies: leave out {names['mix']}")
    changes = _target_changes(options)
    table = {key: value for key, value in endpoint.given.items() if key != "custom" or "scheme" not in changes}
    return quick_scenario(
        endpoint.url,
        connections=options.connections,
        rate=_read(parse_rate, options.rate, names["rate"]),
        duration=_read(parse_duration, options.duration, names["duration"]),
        events=options.events,
        mix=_mix(options.mix, endpoint.events, words),
        objectives=_added(options),
        retry=_retry(options),
        effects=_effects(options),
        trace=_trace(options),
        target={**table, **changes, "headers": headers_over(endpoint.target.headers, changes.get("headers", {}))},
        seed=options.seed,
        known_types=[event.name for event in catalogue()],
        known_schemes=scheme_names(),
        types_of=types_of,
        settle=settled,
        source=words.source,
        payloads=(Path(options.payload).stem, options.payload) if options.payload else None,
    )


def _retry(options: RunOptions) -> dict[str, Any]:
    asked = {"profile": options.retry, "time_scale": options.time_scale}
    return {key: value for key, value in asked.items() if value is not None}


def _trace(options: RunOptions) -> dict[str, Any]:
    return {} if options.trace is None else {"sampled": options.trace}


def _effects(options: RunOptions, own: Effects | None = None) -> dict[str, Any]:
    """What the options say of effects. `own`: those of the scenario."""
    if options.effects_wait and not options.effects and own is None:
        raise UsageError("--effects-wait: only with --effects, or a scenario with [effects]")
    asked = {"url": options.effects and with_scheme(options.effects), "wait": options.effects_wait}
    return {key: value for key, value in asked.items() if value is not None}


def _named(scenario: Scenario, name: str | None) -> Scenario:
    if name is None:
        return scenario
    if not name.strip():
        raise UsageError("--name: is empty")
    return msgspec.structs.replace(scenario, name=name)


def _target_changes(options: RunOptions) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in _TARGET_KEYS}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None and value is not False}
    if http := http_version(options.http, options.http2):
        changes["http"] = http
    if "ledger" in changes:
        changes["ledger"] = with_scheme(changes["ledger"])
    headers = parse_headers(options.headers)
    if headers:
        changes["headers"] = headers
    return changes


def _mix(given: tuple[str, ...], registered: tuple[str, ...], words: Words) -> list[tuple[str, float]]:
    flag = words.names["mix"]
    mix = []
    for text in given:
        name, equals, weight = text.partition("=")
        try:
            mix.append((name, float(weight) if equals else 1.0))
        except ValueError:
            raise UsageError(f"{flag} {text}: the weight is not a number; write TYPE=3") from None
        providers = [each.partition(".")[0] for each in registered]
        if registered and full_name(name, providers) not in registered:
            raise UsageError(f"{flag} {name}: not registered for this endpoint; registered: {', '.join(registered)}")
    return mix or [(name, 1.0) for name in registered]


def _read(parse: Callable[[str], Value], text: str | None, name: str) -> Value | None:
    try:
        return None if text is None else parse(text)
    except UnitError as error:
        raise UsageError(f"{name}: {error}") from None


def _cluster(options: RunOptions, target: Target) -> Cluster | None:
    """The cluster of `--cluster`; None without it. Raises UsageError where the target cannot be reached from it."""
    given = {key: value for key in _CLUSTER_KEYS if (value := getattr(options, key))}
    if not options.cluster:
        if given:
            flags = ", ".join(f"--{key.replace('_', '-')}" for key in given)
            raise UsageError(f"{flags}: only with --cluster")
        return None
    if options.workers != "1":
        raise UsageError("-w: with --cluster, --per-host says how many generator processes there are")
    found = cluster_of(options.cluster, **{_CLUSTER_KEYS[key]: value for key, value in given.items()})
    if target.url == EMBEDDED and not found.here:
        raise UsageError("the embedded receiver is on this machine only: no other host can fire at it")
    return found


def _workers(text: str, words: Words) -> int:
    if text == "auto":
        return available_cores()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_WORKERS:
        raise UsageError(f"{words.names['workers']} {text}: a number from 1 to {MOST_WORKERS}, or auto")
    return int(text)
