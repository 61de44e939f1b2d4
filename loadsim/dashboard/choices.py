"""What the dashboard offers to choose (endpoints, event types, schemes, samples, scenarios), and what was chosen.

`loadsim.toml` is read again for each request, so that an edited file counts at once. A secret is read only to check
that it is set; the page receives the name of its variable.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from loadsim.events import JSON_TYPE, EventSource, catalogue
from loadsim.input_files import read_text_file
from loadsim.inputs.values import types_of
from loadsim.model import UsageError
from loadsim.plan import EMBEDDED, Target
from loadsim.plan.redact import redact_url
from loadsim.plan.typed_document import DocumentError, parse_toml
from loadsim.run.config_file import read_config
from loadsim.secret_sources import read_secret
from loadsim.settings import CONFIG_NAME, Config, Endpoint, resolve_target
from loadsim.shipped import question_of, shipped_scenarios
from loadsim.signing import CUSTOM, Scheme, scheme, scheme_names
from loadsim.single.prepare import OneEvent, changed_target, made_event, offered_types, own_event, refuse_embedded

REMEDY = " and start the dashboard again"
"""The end of an error message about a missing secret."""
PAGE = "this page"
SCENARIOS = Path("scenarios")
_SPACE = re.compile(rb'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')


class ScenarioFile(NamedTuple):
    """A scenario to choose, and the question in its first line."""

    path: str
    """Of the file; or the name of a shipped one."""
    question: str


def offer() -> dict[str, Any]:
    """All choices, as the page's script reads them. `problem` says why `loadsim.toml` cannot be read."""
    config, problem = _config()
    known = [name for name in scheme_names() if name != CUSTOM]
    return {
        "endpoints": [_endpoint(endpoint) for endpoint in config.endpoints.values() if endpoint.url != EMBEDDED],
        "schemes": {name: _by_url(name) for name in known},
        "problem": problem,
        "config": config.found,
    }


def _config() -> tuple[Config, str | None]:
    try:
        return read_config(), None
    except UsageError as error:
        return Config(CONFIG_NAME, found=True, endpoints={}), str(error)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    target = endpoint.target
    return {
        "name": endpoint.name,
        "url": redact_url(target.url),
        "events": offered_types(endpoint, target),
        **_signing(target, scheme(target.scheme, target.custom)),
    }


def _by_url(name: str) -> dict[str, Any]:
    target = Target(url="http://localhost", scheme=name)
    described = scheme(name)
    return {"events": types_of(target), "variable": described.default_secret_env, **_signing(target, described)}


def _signing(target: Target, described: Scheme) -> dict[str, Any]:
    """A sentence that says how events will be signed, or (`unsigned`) why they cannot be."""
    variable = target.secret_env or described.default_secret_env
    place = "a secret file" if target.secret_file else f"the variable {variable}"
    try:
        read_secret(
            secret_env=target.secret_env,
            secret_file=target.secret_file,
            default_env=described.default_secret_env,
            remedy=REMEDY,
        )
    except UsageError as error:
        return {"signed": "", "unsigned": str(error)}
    return {"signed": f"Signed as {target.scheme} does, with the secret in {place}.", "unsigned": None}


def read_endpoint(form: Mapping[str, Any]) -> tuple[Endpoint, Target]:
    """The chosen endpoint: a named one, or a URL with its scheme and secret variable. Raises UsageError."""
    given = _text(form, "target") or ""
    if not given:
        raise UsageError("no endpoint was given: choose one, or write its URL")
    endpoint = resolve_target(given, read_config(), "URL")
    changes: dict[str, Any] = {}
    if endpoint.name is None:
        named = {"scheme": _text(form, "scheme"), "secret_env": _text(form, "secret_env")}
        changes = {key: value for key, value in named.items() if value}
    refuse_embedded(endpoint)
    return endpoint, changed_target(endpoint, changes, PAGE)


def sample(name: str, now_ns: int) -> dict[str, Any]:
    """A sample payload of an event type, indented for editing. Raises UsageError."""
    seed = secrets.randbits(32)
    event = made_event(EventSource(name, seed), name, seed, now_ns)
    if event.content_type != JSON_TYPE:
        return {"event": event.name, "payload": event.body.decode()}
    return {"event": event.name, "payload": orjson.dumps(orjson.loads(event.body), option=orjson.OPT_INDENT_2).decode()}


def read_event(endpoint: Endpoint, form: Mapping[str, Any]) -> OneEvent:
    """The event with the payload that was edited on the page. Raises UsageError."""
    name, text = _text(form, "event"), form.get("payload")
    if not name:
        raise UsageError("no event type was given: choose one")
    if not isinstance(text, str) or not text.strip():
        raise UsageError("the payload is empty: take a new sample")
    try:
        kind = next((each.content_type for each in catalogue() if each.name == name), JSON_TYPE)
        body = compact(text.encode()) if kind == JSON_TYPE else text.strip().encode()
    except UnicodeEncodeError:
        raise UsageError("the payload is not UTF-8 text") from None
    return own_event(endpoint, body, name, "the payload", "change it, or choose that event type")


def compact(body: bytes) -> bytes:
    """JSON without the white space between its values, as providers send it. Everything else stays as it is."""
    return _SPACE.sub(lambda found: found[1] or b"", body)


def scenarios() -> list[ScenarioFile]:
    """The scenario files of `scenarios/` and of the working directory, then the shipped ones of other names."""
    found = []
    for path in (*sorted(SCENARIOS.glob("*.toml")), *sorted(Path().glob("*.toml"))):
        if path.name == CONFIG_NAME:
            continue
        try:
            text = read_text_file(path)
            is_scenario = "phases" in parse_toml(text)
        except (UsageError, DocumentError):
            continue  # not a scenario
        if is_scenario:
            found.append(ScenarioFile(str(path), question_of(text)))
    taken = {Path(each.path).stem for each in found} | set(_config()[0].endpoints)
    shipped = shipped_scenarios().scenarios
    return found + [ScenarioFile(each.name, each.question) for each in shipped if each.name not in taken]


def _text(form: Mapping[str, Any], key: str) -> str | None:
    value = form.get(key)
    return value.strip() or None if isinstance(value, str) else None
