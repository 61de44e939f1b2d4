"""Wrong secrets for schemes that send the secret itself: what a careless comparison accepts."""

from __future__ import annotations

from collections.abc import Callable

from loadsim.signing import Scheme
from loadsim.signing.algorithms import READERS, WRITERS

SENT_SECRET_FORGERY = "sent_secret_forgery"  # noqa: S105 - the name of a case
CHANGES: dict[str, Callable[[str], str]] = {
    "first_character": lambda secret: secret[:1],
    "longer": lambda secret: secret + "x",
    "other_case": lambda secret: secret.swapcase() if secret.swapcase() != secret else secret + "X",
}
"""By the name of the part of the case."""


def no_sent_secret(scheme: Scheme) -> str:
    """Why the scheme cannot have these cases; empty: it can."""
    return "" if scheme.algorithm == "none" else "it does not send its secret"


def changed_secret(name: str, scheme: Scheme) -> Callable[[bytes], bytes]:
    """How what stands in the secret's place is changed."""
    change, prefix, write = CHANGES[name], scheme.signature.prefix, WRITERS[scheme.encoding]
    read = READERS.get(scheme.encoding, bytes)

    def changed(value: bytes) -> bytes:
        secret = read(value.removeprefix(prefix)).decode("utf-8", "surrogateescape")
        other = change(secret)
        return prefix + write((other if other != secret else 2 * secret).encode("utf-8", "surrogateescape")).encode()

    return changed
