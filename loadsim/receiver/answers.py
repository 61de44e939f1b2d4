"""The answers of the receiver: status, text, and the counter that each belongs to."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import orjson


class Entry(enum.IntEnum):
    """The counter of a request. Each request is counted in exactly one, so that they add up to `received`.

    Every `signing.Rejection` has an entry of the same name.
    """

    verified = 0
    unchecked = 1
    """Accepted without verification, as configured."""
    missing_signature = 2
    missing_timestamp = 3
    missing_id = 4
    malformed_signature = 5
    malformed_timestamp = 6
    malformed_id = 7
    wrong_signature = 8
    stale = 9
    future = 10
    invalid_json = 11
    too_large = 12
    not_found = 13
    wrong_method = 14
    bad_request = 15
    """Not valid HTTP."""
    too_slow = 16
    internal = 17
    """An error of the receiver itself."""
    no_room = 18
    """The buffers for incomplete bodies were full."""
    wrong_claim = 19


ACCEPTED = frozenset({Entry.verified, Entry.unchecked})


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One answer. `entry` is None for answers that are not counted (health checks). `close` ends the connection.

    `retry_after` and `allow` are the values of those headers; empty: left out. Answers are compared by identity: there
    are few of them, and the hot path looks them up by hash.
    """

    status: int
    entry: Entry | None
    body: bytes
    close: bool = False
    allow: str = ""
    retry_after: str = ""
    media_type: str = "application/json"

    @property
    def once(self) -> bool:
        """Whether it answers one request only, so that nothing about it is kept."""
        return False


def refusal(
    status: int, entry: Entry, text: str, *, close: bool = False, allow: str = "", retry_after: str = ""
) -> Answer:
    """A refusal with its reason as JSON."""
    return Answer(status, entry, orjson.dumps({"error": text}), close, allow, retry_after)


def certificate(pem: str) -> Answer:
    """The answer to whoever fetches the certificate of the receiver's key."""
    return Answer(200, None, pem.encode(), media_type="application/x-pem-file")


VERIFIED = Answer(200, Entry.verified, b'{"received":true}')
UNCHECKED = Answer(200, Entry.unchecked, b'{"received":true}')
HEALTHY = Answer(200, None, b'{"status":"ok"}')
INVALID_JSON = refusal(400, Entry.invalid_json, "Invalid JSON")
NOT_FOUND = refusal(404, Entry.not_found, "Not found")
WRONG_METHOD = refusal(405, Entry.wrong_method, "Method not allowed", allow="POST")
WRONG_METHOD_HEALTH = refusal(405, Entry.wrong_method, "Method not allowed", allow="GET, HEAD")
TOO_LARGE = refusal(413, Entry.too_large, "Body too large", close=True)
BAD_REQUEST = refusal(400, Entry.bad_request, "Bad request", close=True)
HEAD_TOO_LARGE = refusal(431, Entry.bad_request, "Header block too large", close=True)
TOO_SLOW = refusal(408, Entry.too_slow, "Request took too long", close=True)
NO_ROOM = refusal(503, Entry.no_room, "Too much is being received at once", close=True, retry_after="1")
INTERNAL = refusal(500, Entry.internal, "Internal error", close=True)
QUEUE_FULL = refusal(503, Entry.internal, "The queue is full", retry_after="1")
RESET = Answer(0, None, b"", close=True)
"""No answer: the connection is reset instead."""
