"""Deliveries for the tests of signing."""

from __future__ import annotations

from loadsim.model import Secret, SignedRequest
from loadsim.signing import Signer, scheme, scheme_names

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OTHER = Secret("whsec_plJ3nmyCDGBKInavdOK15jsl")
NOW_S = 1_746_123_456
SCHEMES = scheme_names()
TIMED = tuple(name for name in SCHEMES if scheme(name).timestamp)


def delivery(signer: Signer, body: bytes, now_s: int = NOW_S, event_id: str = "msg_1") -> dict[str, str]:
    """The signature headers by lower-case name."""
    request = SignedRequest(signer.headers(body, now_s * 10**9, event_id), body)
    return {name.lower(): value for name, value in request.header_pairs()}
