"""Reads the secrets of a run, and the values of its headers, from environment and files of this machine."""

from __future__ import annotations

import msgspec

from loadsim.cases import needs_old_secret
from loadsim.model import Secret
from loadsim.plan import EMBEDDED, RunSpec, Scenario
from loadsim.secret_sources import ELSEWHERE, read_key_password, read_secret, resolve_headers
from loadsim.signing import scheme


def with_keys(spec: RunSpec, remedy: str = ELSEWHERE) -> RunSpec:
    """The run with all its secrets, as far as this machine has them; see `read_secrets`.

    The embedded receiver and its sender get random secrets when it is started.
    """
    target = spec.scenario.target
    secret = old_secret = None
    if target.url != EMBEDDED:
        secret, old_secret = read_secrets(spec.scenario, remedy)
    return msgspec.structs.replace(
        spec,
        secret=secret,
        old_secret=old_secret,
        key_password=read_key_password(target.key_password_env),
        headers=resolve_headers(target.headers),
    )


def read_secrets(scenario: Scenario, remedy: str = ELSEWHERE) -> tuple[Secret, Secret | None]:
    """The secret, and the old one of a rotation where events are signed with it. Raises UsageError that ends in
    `remedy` where a variable is not set."""
    target = scenario.target
    old_secret = None
    if needs_old_secret(scenario):
        old_secret = read_secret(
            secret_env=target.old_secret_env,
            secret_file=target.old_secret_file,
            default_env=None,
            remedy=remedy,
        )
    secret = read_secret(
        secret_env=target.secret_env,
        secret_file=target.secret_file,
        default_env=scheme(target.scheme, target.custom).default_secret_env,
        remedy=remedy,
    )
    return secret, old_secret
