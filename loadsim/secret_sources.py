"""Reads secrets and header values from environment variables and secret files.

Every error is one line with the file or variable, the reason and the remedy. It never contains a value that was read.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loadsim.input_files import read_text_file
from loadsim.model import Secret, UsageError
from loadsim.plan.headers import Headers
from loadsim.plan.redact import ENV_PREFIX, shown_variable
from loadsim.plan.scenario_rules import VARIABLE_NAME, header_value_problem

if TYPE_CHECKING:
    from loadsim.signing import Scheme

ELSEWHERE = ", or name another with --secret-env NAME, or a file with --secret-file PATH"
"""The end of an error message of a command about a missing secret."""
_said: set[str] = set()


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
    return Secret(read_variable(name, "the signing secret", remedy))


def new_secret(described: Scheme) -> Secret:
    """A random secret of a scheme: 48 hex digits, which are a key in every form, or a new private key."""
    if described.pair is None:
        return Secret(secrets.token_hex(24))
    from loadsim.signing.asymmetric import new_private_key

    return Secret(new_private_key(described.pair, described.name))


def read_key_password(name: str | None) -> Secret | None:
    """The pass phrase of the client key, from the variable `name`. Raises UsageError when it is not set."""
    return None if name is None else Secret(read_variable(name, "the pass phrase of the client key"))


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
    value = read_variable(value.removeprefix(ENV_PREFIX).strip(), f"the header {header}")
    problem = header_value_problem(value)
    if problem:
        raise UsageError(f"the header {header}: the value of its environment variable {problem}")
    return value


def read_variable(name: str, purpose: str, remedy: str = "") -> str:
    """The value of an environment variable that holds a secret, without a newline at its end. Raises UsageError, which
    begins with `purpose` and ends in `remedy`."""
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


def _without_newline(text: str) -> str:
    return re.sub(r"\r?\n\Z", "", text, count=1)


def _say_once(line: str) -> None:
    """Print a line on standard error, once per process: the dashboard reads the same variables many times."""
    if line not in _said:
        _said.add(line)
        sys.stderr.write(f"loadsim: {line}\n")
