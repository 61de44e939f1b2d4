"""The bytes of the receiver's answers.

An answer is rendered once per second, since only its Date header changes.
"""

from __future__ import annotations

import http
from email.utils import formatdate

from loadsim.receiver.answers import Answer

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def render(answer: Answer, now_s: float, *, close: bool, head: bool = False) -> bytes:
    """The answer as HTTP/1.1 bytes; `head`: without its body, for a HEAD request."""
    try:
        phrase = http.HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Status"
    lines = [
        f"HTTP/1.1 {answer.status} {phrase}",
        f"Date: {formatdate(now_s, usegmt=True)}",
        f"Content-Type: {answer.media_type}",
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
    """A cache of rendered answers, valid for as long as their Date."""

    __slots__ = ("_cache", "_plain", "_until")

    def __init__(self) -> None:
        self._until = 0.0
        self._plain: dict[Answer, bytes] = {}
        self._cache: dict[tuple[Answer, bool, bool], bytes] = {}

    def kept(self, answer: Answer, now_s: float) -> bytes:
        """The answer on a connection that stays open, cached like all."""
        if self._until - 1 <= now_s < self._until:
            found = self._plain.get(answer)
            if found is not None:
                return found
        return self.bytes_of(answer, now_s, False, False)

    def bytes_of(self, answer: Answer, now_s: float, close: bool, head: bool) -> bytes:
        """As `render`, cached for the second of `now_s`. Arguments are positional, because keywords make a call
        slower."""
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
