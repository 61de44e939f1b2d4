"""What was done on the page as a command to paste: for curl, and for loadsim.

Decides how each is written. No secret is part of it: the signature is the one that was sent, a header that came from
the environment names its variable, and everything else that tells is `***`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from loadsim.plan import Target, header_pairs
from loadsim.plan.redact import ENV_PREFIX, is_telling, redact_url
from loadsim.report.panel import Simulation
from loadsim.run.options import RunOptions
from loadsim.settings import Endpoint
from loadsim.signing import scheme

_NEXT = " \\\n  "
_NOTHING = RunOptions()


def as_curl(simulation: Simulation, target: Target, sent_at: str) -> str:
    """The very request, for a shell. `sent_at`: when it was signed, as text."""
    given: dict[str, list[str]] = {}
    for name, value in header_pairs(target.headers):
        given.setdefault(name.lower(), []).append(value)
    parts = [f"curl -i {shlex.quote(redact_url(simulation.url))}"]
    for name, value in header_pairs(simulation.headers):
        parts.append(f"-H {_header(name, value, _next_of(given, name))}")
    parts.append(f"--data-binary {shlex.quote(_text(simulation.payload))}")
    told = f"# The signature is of {sent_at}; a receiver that checks timestamps refuses it when it has grown old.\n"
    return told + _NEXT.join(parts)


def _next_of(given: dict[str, list[str]], name: str) -> str:
    """As it was given: values of one name come in order. Empty for a header of our own."""
    values = given.get(name.lower())
    return values.pop(0) if values else ""


def _header(name: str, value: str, given: str) -> str:
    if given.startswith(ENV_PREFIX):
        return f'"{name}: ${given.removeprefix(ENV_PREFIX).strip()}"'
    return shlex.quote(f"{name}: {'***' if is_telling(name) else value}")


def as_simulation(simulation: Simulation, endpoint: Endpoint, target: Target) -> str:
    """The same event, byte for byte, signed anew by the command line."""
    words = ["loadsim", "simulate", *_target_words(endpoint, target), "-e", simulation.event]
    command = " ".join(map(shlex.quote, words))
    return f"printf %s {shlex.quote(_text(simulation.payload))} |{_NEXT}{command} --payload /dev/stdin"


def as_run(what: str, asked: RunOptions) -> str:
    """The load run that the page was asked for."""
    words = ["loadsim", "run", what if "://" not in what else redact_url(what)]
    flags = {"connections": "-c", "rate": "-r", "duration": "-d", "target": "-t", "workers": "-w"}
    flags |= {"scheme": "--scheme", "secret_env": "--secret-env"}
    for name, flag in flags.items():
        value = getattr(asked, name)
        if value != getattr(_NOTHING, name):
            words += [flag, str(value)]
    words += _repeated("-e", asked.mix) + _repeated("--objective", asked.objectives)
    return " ".join(map(shlex.quote, words))


def _repeated(flag: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]


def _target_words(endpoint: Endpoint, target: Target) -> list[str]:
    if endpoint.name is not None:
        return [endpoint.name]
    words = [redact_url(target.url)]
    if target.scheme != Target(url=target.url).scheme:
        words += ["--scheme", target.scheme]
    if target.secret_env not in (None, scheme(target.scheme, target.custom).default_secret_env):
        words += ["--secret-env", str(target.secret_env)]
    return words


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
