"""The answers a receiver gives, and their bytes.

Decides the status, the text and the place in the books of every answer, and renders each once per second (only its Date
changes). Refuses to know why a request gets it.
"""

from __future__ import annotations

import enum
import http
from dataclasses import dataclass
from email.utils import formatdate

import orjson


class Entry(enum.IntEnum):
    """Where a request stands in the books: exactly one each, so that they add up to `received`.

    Every `signing.Rejection` is here under its own name.
    """

    verified = 0
    unchecked = 1
    """Taken without looking, as asked for."""
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
    """Not HTTP as the standard has it."""
    too_slow = 16
    internal = 17
    """Our own fault."""
    no_room = 18
    """Too much was being received at once."""


ACCEPTED = frozenset({Entry.verified, Entry.unchecked})


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One answer. `entry` is None for what the books leave out (health checks). `close` ends the connection.

    `retry_after` and `allow` are values of those headers, left out where empty.

    Compared by identity: there are few of them, and the hot path looks them up by hash.
    """

    status: int
    entry: Entry | None
    body: bytes
    close: bool = False
    allow: str = ""
    retry_after: str = ""


def refusal(
    status: int, entry: Entry, text: str, *, close: bool = False, allow: str = "", retry_after: str = ""
) -> Answer:
    """An answer that says no, its reason as JSON."""
    return Answer(status, entry, orjson.dumps({"error": text}), close, allow, retry_after)


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
RESET = Answer(0, None, b"", close=True)
"""No answer: the connection is reset where one was due."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def render(answer: Answer, now_s: float, *, close: bool, head: bool = False) -> bytes:
    """The answer as HTTP/1.1 bytes; with `head` the body is left out, as an answer to HEAD must."""
    try:
        phrase = http.HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Status"
    lines = [
        f"HTTP/1.1 {answer.status} {phrase}",
        f"Date: {formatdate(now_s, usegmt=True)}",
        "Content-Type: application/json",
        f"Content-Length: {len(answer.body)}",
    ]
    if answer.retry_after:
        lines.append(f"Retry-After: {answer.retry_after}")
    if answer.allow:
        lines.append(f"Allow: {answer.allow}")
    if close:
        lines.append("Connection: close")
    text = "\r\n".join(lines) + "\r\n\r\n"
    return text.encode("latin-1") + (b"" if head else answer.body)


class RenderedAnswers:
    """Rendered answers, kept for as long as their Date holds."""

    __slots__ = ("_cache", "_plain", "_until")

    def __init__(self) -> None:
        self._until = 0.0
        self._plain: dict[Answer, bytes] = {}
        self._cache: dict[tuple[Answer, bool, bool], bytes] = {}

    def bytes_of(self, answer: Answer, now_s: float, close: bool, head: bool) -> bytes:
        """As `render`, remembered for the second of `now_s`. By position, since a name costs in a call."""
        if not self._until - 1 <= now_s < self._until:
            self._until = int(now_s) + 1.0
            self._plain.clear()
            self._cache.clear()
        if not close and not head:
            found = self._plain.get(answer)
            if found is None:
                found = self._plain[answer] = render(answer, now_s, close=False)
            return found
        key = (answer, close, head)
        found = self._cache.get(key)
        if found is None:
            found = self._cache[key] = render(answer, now_s, close=close, head=head)
        return found
