"""Reads `loadsim.toml`: endpoints by name, and which of them the target of a command is.

Every error is one line with the file, the reason and the remedy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from loadsim.input_files import read_text_file
from loadsim.model import UsageError
from loadsim.plan.redact import redact_url
from loadsim.plan.scenario import EMBEDDED, Target
from loadsim.plan.scenario_reading import Settle
from loadsim.plan.scenario_rules import check_target, check_url, refuse_secrets, with_scheme
from loadsim.plan.typed_document import DocumentError, parse_toml, read, suggestion
from loadsim.spelling import did_you_mean

CONFIG_NAME = "loadsim.toml"


class EndpointTable(Target, frozen=True, kw_only=True):
    """An endpoint that commands find by its name: the keys of a scenario's `[target]`, and one more."""

    events: tuple[str, ...] = ()
    """The event types registered for the webhook; others are refused (default: all). For example
    `["desktop.app_tracking.captured"]`."""


class ConfigFile(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `loadsim.toml`."""

    endpoints: dict[str, EndpointTable] = msgspec.field(default_factory=dict)
    """Endpoints by name."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A target of a command: by name from `loadsim.toml`, or a bare URL (`name` None, everything else by default)."""

    name: str | None
    target: Target
    events: tuple[str, ...] = ()
    """The registered event types; empty: all."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The `[target]` keys that the endpoint sets, in the units of the file. They override those of a scenario."""

    @property
    def url(self) -> str:
        """Where events are posted."""
        return self.target.url


@dataclass(frozen=True, slots=True)
class Config:
    """The content of `loadsim.toml`, empty without the file. `source` is its name in messages."""

    source: str
    found: bool
    endpoints: Mapping[str, Endpoint]


def _read_toml(path: str | Path) -> dict[str, Any]:
    try:
        return parse_toml(read_text_file(path))
    except DocumentError as error:
        raise UsageError(f"{path}: {error}") from None


def read_custom(path: str | Path) -> dict[str, Any]:
    """The description of a signature scheme in a TOML file: the whole of it, or its `[target.custom]`.

    The description is not checked here. Raises UsageError naming the path and the reason.
    """
    document = _read_toml(path)
    target = document.get("target")
    inner = target.get("custom") if isinstance(target, dict) else None
    return inner if isinstance(inner, dict) else document


def load_config(
    directory: str | Path = ".",
    *,
    known_types: Collection[str] | None = None,
    known_schemes: Collection[str] | None = None,
    settle: Settle | None = None,
) -> Config:
    """`loadsim.toml` of a directory; a missing file is an empty one. `settle` finds the scheme of endpoints without
    one. Raises UsageError: `FILE: key: reason`."""
    path = Path(directory) / CONFIG_NAME
    source = str(path)
    if not path.exists():
        return Config(source, found=False, endpoints={})
    document = _read_toml(path)
    try:
        endpoints = _endpoints(document, known_types, known_schemes, settle)
    except DocumentError as error:
        raise UsageError(f"{source}: {error}") from None
    return Config(source, found=True, endpoints=endpoints)


def _endpoints(
    document: dict[str, Any],
    known_types: Collection[str] | None,
    known_schemes: Collection[str] | None,
    settle: Settle | None,
) -> dict[str, Endpoint]:
    tables = document.get("endpoints")
    for name, table in tables.items() if isinstance(tables, dict) else ():
        refuse_secrets(f"endpoints.{name}", table)
    endpoints = {}
    for name, target in read(document, ConfigFile).endpoints.items():
        path = f"endpoints.{name}"
        if "://" in name or name.endswith(".toml") or name == EMBEDDED:
            raise DocumentError(path, "this name would mean a URL, a scenario file or the embedded receiver")
        check_target(path, target, known_schemes)
        given = {key: value for key, value in document["endpoints"][name].items() if key != "events"}
        events = target.events
        if settle is not None and events:
            try:
                chosen, events = settle(target, events, names_scheme="scheme" in given)
            except UsageError as error:
                raise DocumentError(f"{path}.events", str(error)) from None
            given |= {"scheme": chosen} if chosen != target.scheme else {}
            target = msgspec.structs.replace(target, scheme=chosen)
        for event in events:
            if known_types is not None and event not in known_types:
                hint = suggestion(event, known_types)
                raise DocumentError(f"{path}.events", f'no such event type: "{event}"{hint}')
        endpoints[name] = Endpoint(name, target, events, given)
    return endpoints


def resolve_target(argument: str, config: Config, called: str = "TARGET", beside: Collection[str] = ()) -> Endpoint:
    """The endpoint that TARGET names: a URL, `embedded`, or a name from `loadsim.toml`. `localhost:3000/hooks` is
    read as `http://localhost:3000/hooks`.

    `beside`: the shipped scenarios, where the caller takes their names too. Raises UsageError that lists the known
    names; user info and query values of the argument are not repeated.
    """
    if argument not in config.endpoints:
        argument = with_scheme(argument)
    if "://" in argument:
        try:
            check_url(called, argument)
        except DocumentError as error:
            raise UsageError(str(error)) from None
    if "://" in argument or argument == EMBEDDED:
        return Endpoint(None, Target(url=argument), given={"url": argument})
    if argument in config.endpoints:
        return config.endpoints[argument]
    shown = redact_url(argument)
    if not config.found:
        where = f"there is no {CONFIG_NAME} here"
    elif not config.endpoints:
        where = f"{config.source} has no endpoints"
    else:
        where = f"{config.source} has {', '.join(sorted(config.endpoints))}"
    kinds = "endpoint or shipped scenario" if beside else "endpoint"
    hint = did_you_mean(argument, (*config.endpoints, *beside), " (", ")")
    raise UsageError(f'no {kinds} is called "{shown}"{hint}: {where}; a URL begins with http:// or https://')
