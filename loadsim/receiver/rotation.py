"""A receiver while its secret is rotated: the old one is accepted beside the new one until its end.

Decides by the time since the first request, which all workers share. Refuses to know how a signature is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loadsim.receiver.decide import Verify
from loadsim.signing import Rejection


def rotating(new: Verify, old: Verify, age_ns: Callable[[], int], retire_ns: int | None) -> Verify:
    """Accept what either secret signed; from `retire_ns` after the first request (None: never) the new one alone.

    `age_ns` tells how long ago the first request of all workers was. The reason of a refusal is the new secret's.
    """

    def verify(headers: Mapping[str, str], body: bytes, now_s: float) -> Rejection | None:
        # Asked first, so that the first request of all is the one that starts the clock.
        retired = retire_ns is not None and age_ns() >= retire_ns
        rejection = new(headers, body, now_s)
        if rejection is None or retired:
            return rejection
        return None if old(headers, body, now_s) is None else rejection

    return verify
