"""Command lines that repeat what the dashboard did, for curl and for loadsim, ready to paste into a shell.

No secret is part of them. The signature is the one that was sent; a header whose value came from the environment
names its variable; other sensitive values are replaced by `***`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from loadsim.plan import Target, header_pairs
from loadsim.plan.redact import ENV_PREFIX, is_telling, redact_url
from loadsim.run.options import RunOptions
from loadsim.settings import Endpoint
from loadsim.signing import scheme
from loadsim.single.result import Simulation

_NEXT = " \\\n  "
_DEFAULTS = RunOptions()


def curl_command(simulation: Simulation, target: Target, sent_at: str) -> str:
    """The sent request as a curl command. `sent_at` is the time of its signature, as text."""
    given: dict[str, list[str]] = {}
    for name, value in header_pairs(target.headers):
        given.setdefault(name.lower(), []).append(value)
    parts = [f"curl -i {shlex.quote(redact_url(simulation.url))}"]
    for name, value in header_pairs(simulation.headers):
        parts.append(f"-H {_header(name, value, _configured(given, name))}")
    parts.append(f"--data-binary {shlex.quote(_text(simulation.payload))}")
    comment = f"# The signature is of {sent_at}; a receiver that checks timestamps refuses it once it is too old.\n"
    return comment + _NEXT.join(parts)


def _configured(given: dict[str, list[str]], name: str) -> str:
    """The header's next configured value, in the given order. Empty for a header that loadsim adds itself."""
    values = given.get(name.lower())
    return values.pop(0) if values else ""


def _header(name: str, value: str, given: str) -> str:
    if given.startswith(ENV_PREFIX):
        return f'"{name}: ${given.removeprefix(ENV_PREFIX).strip()}"'
    return shlex.quote(f"{name}: {'***' if is_telling(name) else value}")


def simulate_command(simulation: Simulation, endpoint: Endpoint, target: Target) -> str:
    """A `loadsim simulate` command that sends the same body, byte for byte, with a new signature."""
    words = ["loadsim", "simulate", *_target_words(endpoint, target), "-e", simulation.event]
    command = " ".join(map(shlex.quote, words))
    return f"printf %s {shlex.quote(_text(simulation.payload))} |{_NEXT}{command} --payload /dev/stdin"


def run_command(what: str, options: RunOptions) -> str:
    """A `loadsim run` command for the same load run. Options with their default value are left out."""
    words = ["loadsim", "run", what if "://" not in what else redact_url(what)]
    flags = {"connections": "-c", "rate": "-r", "duration": "-d", "target": "-t", "workers": "-w"}
    flags |= {"scheme": "--scheme", "secret_env": "--secret-env"}
    for name, flag in flags.items():
        value = getattr(options, name)
        if value != getattr(_DEFAULTS, name):
            words += [flag, str(value)]
    words += _repeated("-e", options.mix) + _repeated("--objective", options.objectives)
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
