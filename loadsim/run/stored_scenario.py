"""The run of a stored result once more, as far as the result tells: its scenario is redacted, and has no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from loadsim.measure.result import RunInfo
from loadsim.model import NS_PER_MS, Capture, UsageError
from loadsim.plan import EMBEDDED, RunSpec, Scenario, from_document
from loadsim.plan.redact import MASK
from loadsim.run.captures import captures_of

_NEEDED = ("name", "target", "phases", "events", "cases", "retry", "trace")
"""The tables by which requests and due times are made; the others are left out, since redaction may have changed them
into values that a scenario cannot have."""
_VARIABLES = ("secret_env", "old_secret_env", "key_password_env")
_NOT_FILES = ("-", "/dev/stdin", "/dev/fd/0")


def stored_run(run: RunInfo, source: str) -> RunSpec:
    """The specification, without secrets. `source`: the name of the result in messages.

    Raises UsageError where the scenario cannot be used any more, or where a file of recorded bodies is not there or is
    another one.
    """
    document: dict[str, Any] = {key: run.scenario[key] for key in _NEEDED if key in run.scenario}
    target = document.get("target")
    if isinstance(target, dict):
        document["target"] = {key: value for key, value in target.items() if not _is_masked(key, value)}
    scenario = from_document(document, source)
    captures, pace = _captures(scenario, run.captures)
    return RunSpec(
        scenario=scenario,
        seed=run.seed,
        run_id=run.id,
        epoch_ns=None if run.epoch_ms is None else run.epoch_ms * NS_PER_MS,
        recorded=captures,
        pace=pace,
    )


def _is_masked(key: str, value: object) -> bool:
    return key in _VARIABLES and value == MASK


def _captures(scenario: Scenario, digests: Mapping[str, str]) -> tuple[dict[str, Capture], tuple[int, ...]]:
    for event in scenario.events:
        if event.payloads in _NOT_FILES:
            raise UsageError(f"the bodies of {event.type} came from standard input: they cannot be read again")
    captures, pace = captures_of(scenario)
    for name, capture in captures.items():
        if digests.get(name) not in (None, capture.digest()):
            file = next(event.payloads for event in scenario.events if event.type == name)
            raise UsageError(f"{file}: it is not the file of this run any more: its rows are others")
    return captures, pace


def is_embedded(spec: RunSpec) -> bool:
    """Whether its endpoint was the embedded receiver, whose URL and secrets are gone."""
    return spec.scenario.target.url == EMBEDDED


def with_url(spec: RunSpec, url: str) -> RunSpec:
    """The same at another URL."""
    target = msgspec.structs.replace(spec.scenario.target, url=url)
    return msgspec.structs.replace(spec, scenario=msgspec.structs.replace(spec.scenario, target=target))
