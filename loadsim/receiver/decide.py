"""What a request deserves: route, signature, then JSON, in this order.

Decides purely, the same for both engines. The signature is checked over the raw bytes before anything parses them.
Refuses to know sockets, clocks, delays and counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import orjson

from loadsim.model import JsonValue
from loadsim.receiver import answers
from loadsim.receiver.answers import Answer
from loadsim.receiver.options import ANY_PATH
from loadsim.signing import Rejection

Verify = Callable[[Mapping[str, str], bytes, float], Rejection | None]
HEALTH_PATH = "/healthz"


def header_map(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields by lower-case name; a repeated one is joined by ", " (RFC 9110, 5.3), so none hides another."""
    found: dict[str, str] = {}
    for name, value in fields:
        key = name.decode("latin-1").lower()
        text = value.strip(b" \t").decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def path_of(target: str) -> str:
    """The path of a request target, also when it is in absolute form (RFC 9112, 3.2.2)."""
    if not target.startswith("/"):
        try:
            return urlsplit(target).path or "/"
        except ValueError:
            return target
    return target.partition("?")[0]


class Rules:
    """Decides every request of a receiver. `verify` None takes everything without looking."""

    __slots__ = ("_path", "_refusals", "_verify")

    def __init__(self, path: str, verify: Verify | None) -> None:
        self._path = None if path == ANY_PATH else path
        self._verify = verify
        self._refusals: dict[Rejection, Answer] = {}

    def decide(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_s: float
    ) -> tuple[Answer, JsonValue]:
        """The answer, and the parsed body where it was accepted as JSON (else None). Never raises on hostile input.

        `headers` as `header_map` gives them, `now_s` wall-clock seconds since the epoch.
        """
        if method != "POST" or target != self._path:
            elsewhere = self._route(method, path_of(target))
            if elsewhere is not None:
                return elsewhere, None
        if self._verify is not None:
            rejection = self._verify(headers, body, now_s)
            if rejection is not None:
                return self._refusal(rejection), None
        document = None
        if "json" in headers.get("content-type", "json").lower():
            try:
                document = orjson.loads(body)
            except orjson.JSONDecodeError:
                return answers.INVALID_JSON, None
        return (answers.VERIFIED if self._verify is not None else answers.UNCHECKED), document

    def _route(self, method: str, path: str) -> Answer | None:
        if path == HEALTH_PATH and path != self._path and method != "POST":
            return answers.HEALTHY if method in {"GET", "HEAD"} else answers.WRONG_METHOD_HEALTH
        if self._path is not None and path != self._path:
            return answers.NOT_FOUND
        return None if method == "POST" else answers.WRONG_METHOD

    def _refusal(self, rejection: Rejection) -> Answer:
        found = self._refusals.get(rejection)
        if found is None:
            entry = answers.Entry[rejection.name]
            found = self._refusals[rejection] = answers.refusal(rejection.status, entry, rejection.text)
        return found
