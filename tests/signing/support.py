"""Deliveries for the tests of signing."""

from __future__ import annotations

from loadsim.model import Secret, SignedRequest
from loadsim.signing import Signer, scheme, scheme_names
from loadsim.signing.verify import Checker

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OTHER = Secret("whsec_plJ3nmyCDGBKInavdOK15jsl")
NOW_S = 1_746_123_456
SCHEMES = tuple(name for name in scheme_names() if scheme(name).is_usual and scheme(name).key != "hex")
"""Those of the usual form that can use SECRET, and sign any body; the others are in `test_providers.py`."""
URL = "https://example.test/hooks?a=%3A1&data.id=7"
TIMED = tuple(name for name in SCHEMES if scheme(name).timestamp)
"""Schemes with a timestamp, wherever it stands."""
STAMPED = tuple(
    name
    for name in TIMED
    if (timestamp := scheme(name).timestamp) and timestamp.place == "header" and timestamp.unit != "rfc3339"
)
"""Schemes with an integer timestamp in a header of its own."""


def dated(ms: int) -> bytes:
    """A body that says when it was signed, as those of Linear and Pusher do."""
    return b'{"webhookTimestamp":%d,"time_ms":%d}' % (ms, ms)


def signer(name: str, secret: Secret = SECRET) -> Signer:
    """Signs for URL."""
    return scheme(name).signer(secret, url=URL, event="test.event")


def verifier(name: str, secret: Secret = SECRET, tolerance_s: float | None = None) -> Checker:
    """Verifies for URL."""
    return scheme(name).verifier(secret, tolerance_s, url=URL)


def delivery(signer: Signer, body: bytes, now_s: int = NOW_S, event_id: str = "msg_1") -> dict[str, str]:
    """The signature headers by lower-case name."""
    request = SignedRequest(signer.headers(body, now_s * 10**9, event_id), body)
    return {name.lower(): value for name, value in request.header_pairs()}
