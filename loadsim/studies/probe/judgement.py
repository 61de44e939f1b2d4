"""What an endpoint's answer to a form of the raw-bytes corpus means.

The answer is compared with the endpoint's answer to a forged event. The form was accepted, failed in the signature, was
refused for another reason, or broke the endpoint.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from loadsim.outcome_codes import is_success

Meaning = Literal["accepted", "signature", "refused", "broken", "unclear"]
"""`unclear`: refused like a forged event, but with a status that the parser may have given too."""

_OWN_REASONS = frozenset({404, 405, 408, 411, 413, 414, 415, 429, 431})
"""Statuses that give another reason than the signature."""
_UNAUTHENTIC = frozenset({401, 403})
_VARYING = re.compile(rb"[0-9A-Fa-f-]{8,}|[0-9]+")
"""Matches request ids and times, which differ from answer to answer."""


class Seen(NamedTuple):
    """One answer. `status` None: there was no answer, and `text` says why."""

    status: int | None
    text: bytes = b""

    @property
    def accepted(self) -> bool:
        """True for a 2xx answer."""
        return self.status is not None and is_success(self.status)


def meaning_of(seen: Seen, forged: Seen, *, lenient: bool) -> Meaning:
    """The meaning of the answer `seen`, given the answer to a forged event. `lenient`: a parser may refuse the form."""
    if seen.status is None or seen.status >= 500:
        return "broken"
    if seen.accepted:
        return "accepted"
    if seen.status in _OWN_REASONS:
        return "refused"
    if seen.status == forged.status:
        if _essence(seen.text) != _essence(forged.text):
            return "refused"
        return "signature" if seen.status in _UNAUTHENTIC or not lenient else "unclear"
    return "signature" if seen.status in _UNAUTHENTIC else "refused"


def _essence(text: bytes) -> bytes:
    return _VARYING.sub(b"#", text[:2048])
