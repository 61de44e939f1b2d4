"""Reads `loadsim.toml`, environment variables and files: endpoints by name, secrets, header values.

Every error is one line with the file or variable, the reason and the remedy. It never contains a value that was read.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from loadsim.model import Secret, UsageError
from loadsim.plan.headers import Headers
from loadsim.plan.reading import Settle
from loadsim.plan.redact import ENV_PREFIX, redact_url, shown_variable
from loadsim.plan.rules import VARIABLE_NAME, check_target, check_url, header_value_problem, refuse_secrets
from loadsim.plan.scenario import EMBEDDED, Target
from loadsim.plan.shape import DocumentError, parse_toml, read, suggestion

LARGEST_FILE, LARGEST_TEXT = 1 << 30, 1 << 24
"""Largest size in bytes of a result or capture, and of a text file."""
CONFIG_NAME = "loadsim.toml"

_said: set[str] = set()

ELSEWHERE = ", or name another with --secret-env NAME, or a file with --secret-file PATH"
"""The end of an error message of a command about a missing secret."""


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


def is_directory(path: Path) -> bool:
    """Whether the path is a directory. False for a name that no file can have; reading it raises the error."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def read_bytes_file(path: str | Path, largest: int = LARGEST_FILE) -> bytes:
    """The content of a file of at most `largest` bytes. Raises UsageError naming the path and the reason."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(largest + 1)  # not by its size: a device has none, and may be endless
        if len(data) > largest:
            raise UsageError(f"cannot read {path}: larger than {largest >> 20:,} MiB")
        return data
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise UsageError(f"cannot read {str(path)!r}: no file can have such a name") from None


def read_text_file(path: str | Path) -> str:
    """The content of a UTF-8 file, without a byte order mark. Raises UsageError naming the path and the reason."""
    try:
        return read_bytes_file(path, LARGEST_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: not UTF-8 text (byte {error.start})") from None


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


def resolve_target(argument: str, config: Config, called: str = "TARGET") -> Endpoint:
    """The endpoint that TARGET names: a URL (it contains `://`), `embedded`, or a name from `loadsim.toml`.

    Raises UsageError that lists the known names; user info and query values of the argument are not repeated.
    """
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
    raise UsageError(f'no endpoint is called "{shown}": {where}; a URL begins with http:// or https://')


def read_secret(
    *, secret_env: str | None, secret_file: str | Path | None, default_env: str | None, remedy: str = ELSEWHERE
) -> Secret:
    """The signing secret: from `secret_file`, else the variable `secret_env`, else the scheme's `default_env`.

    One newline at its end is left out, with a message if it comes from a variable.
    Raises UsageError that explains what to set, and ends in `remedy`.
    """
    if secret_env is not None and secret_file is not None:
        raise UsageError("secret_env and secret_file are both given: keep one of them")
    if secret_file is not None:
        value = _without_newline(read_text_file(secret_file))
        if not value:
            raise UsageError(f"the secret file {secret_file} is empty: an empty key would let anyone sign")
        return Secret(value)
    name = secret_env or default_env
    if name is None:
        raise UsageError("no signing secret: name its variable (secret_env), or a file that holds it (secret_file)")
    return Secret(_variable(name, "the signing secret", remedy))


def read_key_password(name: str | None) -> Secret | None:
    """The pass phrase of the client key, from the variable `name`. Raises UsageError when it is not set."""
    return None if name is None else Secret(_variable(name, "the pass phrase of the client key"))


def resolve_headers(headers: Headers) -> Headers:
    """The headers with every value `env:NAME` replaced by that variable's value. Raises UsageError if it is missing."""
    return {
        header: _resolved(header, values)
        if isinstance(values, str)
        else tuple(_resolved(header, value) for value in values)
        for header, values in headers.items()
    }


def _resolved(header: str, value: str) -> str:
    if not value.startswith(ENV_PREFIX):
        return value
    value = _variable(value.removeprefix(ENV_PREFIX).strip(), f"the header {header}")
    problem = header_value_problem(value)
    if problem:
        raise UsageError(f"the header {header}: the value of its environment variable {problem}")
    return value


@dataclass(frozen=True, slots=True)
class GitHubStep:
    """The GitHub Actions step that runs us. `summary`: the file that becomes its summary; None where it has none."""

    summary: Path | None
    annotates: bool
    """Whether the runner reads workflow commands from our output."""


def github_step() -> GitHubStep:
    """The step, from `GITHUB_STEP_SUMMARY` and `GITHUB_ACTIONS`."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")  # noqa: TID251 - as below
    acts = os.environ.get("GITHUB_ACTIONS") == "true"  # noqa: TID251
    return GitHubStep(Path(summary) if summary else None, annotates=acts)


def key_log_file() -> str | None:
    """The file to which OpenSSL writes session keys, if one is set."""
    return os.environ.get("SSLKEYLOGFILE")  # noqa: TID251 - as above


def _without_newline(text: str) -> str:
    return re.sub(r"\r?\n\Z", "", text, count=1)


def _say_once(line: str) -> None:
    """Print a line on standard error, once per process: the dashboard reads the same variables many times."""
    if line not in _said:
        _said.add(line)
        sys.stderr.write(f"loadsim: {line}\n")


def _variable(name: str, purpose: str, remedy: str = "") -> str:
    if VARIABLE_NAME.fullmatch(name) is None:
        # Not repeated: a secret that was given in place of the variable's name must not appear in a log.
        raise UsageError(f"{purpose}: the given name is not the name of a variable (letters, digits and _)")
    value = os.environ.get(name)  # noqa: TID251 - this is the place where the environment is read
    if value is None and shown_variable(name) != name:
        raise UsageError(
            f"{purpose}: the environment variable that is named for it is not set (its name is not repeated here: it "
            f"could be a secret itself); set it with: export NAME=…{remedy}"
        )
    if value is not None and (without := _without_newline(value)) != value:
        _say_once(f"{purpose}: the environment variable {name} ends in a newline, which was left out")
        value = without
    if not value:
        state = "is not set" if value is None else "is empty"
        raise UsageError(f"{purpose}: the environment variable {name} {state}; set it with: export {name}=…{remedy}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{purpose}: the environment variable {name} is not UTF-8 text") from None
    return value


def cache_directory() -> Path:
    """The directory for cached measurements: `$XDG_CACHE_HOME/loadsim`, by default `~/.cache/loadsim`.

    Source: XDG Base Directory Specification, which ignores a relative path. Raises UsageError where there is no home.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")  # noqa: TID251 - this is the place where the environment is read
    if base.startswith("/"):
        return Path(base) / "loadsim"
    try:
        return Path.home() / ".cache" / "loadsim"
    except RuntimeError:
        raise UsageError("there is no home directory for a cache: set XDG_CACHE_HOME") from None
