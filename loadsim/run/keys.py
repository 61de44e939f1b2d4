"""What signs a scenario's events, read from the environment and the files of the machine that asks."""

from __future__ import annotations

from loadsim.cases import needs_old_secret
from loadsim.model import Secret
from loadsim.plan import Scenario
from loadsim.settings import ELSEWHERE, read_secret
from loadsim.signing import scheme


def read_secrets(scenario: Scenario, remedy: str = ELSEWHERE) -> tuple[Secret, Secret | None]:
    """The secret, and the one that is rotated out where events are signed with it. Raises UsageError that ends in
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
