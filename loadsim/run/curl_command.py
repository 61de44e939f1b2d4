"""A remade request as a curl command for a POSIX shell, safely quoted: no text in it can become another command."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator

from loadsim.plan import Target
from loadsim.plan.redact import ENV_PREFIX, MASK
from loadsim.plan.scenario_rules import VARIABLE_NAME
from loadsim.run.remade_request import RemadeRequest

TARGET_VARIABLE = "TARGET_URL"
_LONGEST_ARGUMENT = 100_000
"""Linux takes at most 128 KiB in one argument."""
_SET_BY_CURL = frozenset({"content-length"})
_ADDED_BY_CURL = ("Expect", "Accept", "Content-Type", "User-Agent")
"""Headers that curl adds by itself, if they are not among ours."""


def curl_command(request: RemadeRequest, target: Target) -> str:
    """The command, in lines. Values that are not stored are named by a comment above it."""
    parts = ["curl --silent --show-error --include --request POST", *_route(target)]
    parts += [_header(name, value) for name, value in request.headers if name.lower() not in _SET_BY_CURL]
    given = {name.lower() for name, _ in request.headers}
    parts += [f"--header {shlex.quote(f'{name}:')}" for name in _ADDED_BY_CURL if name.lower() not in given]
    body = base64.b64decode(request.body) if request.body_base64 else request.body.encode()
    before = ""
    if request.body_base64 or len(body) > _LONGEST_ARGUMENT or not request.body.isprintable():
        before = f"base64 -d <<'END_OF_BODY' |\n{base64.encodebytes(body).decode()}END_OF_BODY\n"
        parts.append("--data-binary @-")
    else:
        parts.append(f"--data-raw {shlex.quote(body.decode())}")
    parts.append(f'"${TARGET_VARIABLE}"' if request.url is None else shlex.quote(request.url))
    return "".join(f"# {line}\n" for line in _missing(request)) + before + " \\\n  ".join(parts) + "\n"


def _route(target: Target) -> Iterator[str]:
    if target.http != "1.1":
        yield "--http2-prior-knowledge" if target.url.lower().startswith("http://") else "--http2"
    if target.insecure:
        yield "--insecure"
    for option, value in (
        ("--cacert", target.cacert),
        ("--cert", target.cert),
        ("--key", target.key),
        ("--unix-socket", target.unix),
        ("--proxy", target.proxy),
        ("--connect-to", None if target.connect_to is None else f"::{target.connect_to}"),
    ):
        if value is not None:
            yield f"{option} {shlex.quote(value)}"


def _header(name: str, value: str) -> str:
    """A value that came from a variable is read from it again."""
    variable = value.removeprefix(ENV_PREFIX).strip()
    if value.startswith(ENV_PREFIX) and VARIABLE_NAME.fullmatch(variable):
        return f'--header {shlex.quote(f"{name}: ")}"${variable}"'
    # curl sends an empty value only after a semicolon
    return f"--header {shlex.quote(f'{name}: {value}' if value else f'{name};')}"


def _missing(request: RemadeRequest) -> Iterator[str]:
    if request.url is None:
        yield f"the run's embedded receiver is gone: set {TARGET_VARIABLE}"
    elif MASK in request.url:
        yield "the URL is stored redacted: put in what is ***"
    if any(MASK in value for _, value in request.headers):
        yield "headers with *** are not stored, or need the secret: put them in"
