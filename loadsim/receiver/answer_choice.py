"""Chooses the answer to a request: it checks the route, then the signature, then the JSON.

The signature is checked over the raw bytes before anything parses them. This code is pure and the same for both HTTP
engines: no sockets, clocks, delays or counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import repeat
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from loadsim.receiver import answers
from loadsim.receiver.answers import Answer
from loadsim.receiver.options import ANY_PATH
from loadsim.receiver.verify_cost import Verify
from loadsim.signing import Checker, Rejection
from loadsim.signing.certificates import CERTIFICATE_PATH

HEALTH_PATH = "/healthz"
CONTENT_TYPE = "content-type"
TRANSFER_CODING = "transfer-encoding"
VERSIONS = frozenset({"1.0", "1.1"})
"""The versions of HTTP that are supported."""
_SPELLINGS = 256
_LONGEST_SPELLING = 64
_check = msgspec.json.Decoder(msgspec.Raw).decode
"""Checks every byte and builds no objects: a fifth of the cost of parsing."""


class HeaderNames(dict[bytes, str | None]):
    """Maps the spelling of a header name to its lower-case name if it is needed, else to ""; `apart` maps to None.

    It learns a limited number of spellings, so that an unused header costs only one look-up.
    """

    def __init__(self, needed: Iterable[str], *, apart: str | None = None) -> None:
        super().__init__()
        self.needed = frozenset(needed)
        self._apart = apart

    def __missing__(self, spelling: bytes) -> str | None:
        lower = spelling.decode("latin-1").lower()
        key = None if lower == self._apart else lower if lower in self.needed else ""
        if len(self) < _SPELLINGS and len(spelling) <= _LONGEST_SPELLING:
            self[spelling] = key
        return key

    def pick(self, fields: Iterable[tuple[bytes, bytes]]) -> tuple[dict[str, str], bytes]:
        """The needed fields by lower-case name, and the value of the field kept apart."""
        found: dict[str, str] = {}
        apart = b""
        for name, value in fields:
            key = self[name]
            if key:
                if key in found:
                    add_field(found, key, value)
                else:  # same as add_field, without the call
                    found[key] = value.strip(b" \t").decode("latin-1")
            elif key is None:
                apart = joined(apart, value)
        return found, apart


def joined(before: bytes, value: bytes) -> bytes:
    """The raw value of the field kept apart; repeated ones are joined by ", ", as in `add_field`."""
    return before + b", " + value if before else value


def add_field(found: dict[str, str], key: str, value: bytes) -> None:
    """Add one field; repeated ones are joined by ", " (RFC 9110, 5.3), so that none hides another."""
    text = value.strip(b" \t").decode("latin-1")
    found[key] = f"{found[key]}, {text}" if key in found else text


def is_json(body: bytes) -> bool:
    """Whether the body is one JSON text in UTF-8 (RFC 8259); nothing is built."""
    try:
        if not body.isascii():
            body.decode("utf-8")
        _check(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def path_of(target: str) -> str:
    """The path of a request target, also when it is in absolute form (RFC 9112, 3.2.2)."""
    if not target.startswith("/"):
        try:
            return urlsplit(target).path or "/"
        except ValueError:
            return target
    return target.partition("?")[0]


def understood(coding: str) -> bool:
    """Whether this transfer coding is supported: chunked only, because a compressed body is not what was signed."""
    return coding.lower() == "chunked"


class AnswerChoice(Protocol):
    """What chooses the answers of a receiver: `Rules`, or what does more with a delivery."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The headers that are needed to choose an answer, lower case."""

    @property
    def keeps_fields(self) -> bool:
        """Whether it needs the header fields as they came (`kept_fields.KeptFields`)."""

    def decide(self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Answer:
        """The answer. Never raises on hostile input.

        `headers` as `HeaderNames.pick` gives them, `now_s` wall-clock seconds since the epoch.
        """


class Rules:
    """Chooses the answer to every request of a receiver. `verifier` None accepts everything without verification."""

    __slots__ = ("_accepted", "_certificate", "_path", "_refusals", "_turn", "needs")
    keeps_fields = False

    def __init__(
        self,
        path: str,
        verifier: Checker | None,
        certificate: str = "",
        turns: Callable[[Verify], Iterator[Verify]] = repeat,
    ) -> None:
        """`certificate` is served at CERTIFICATE_PATH; empty: nothing is. `turns`: what checks each delivery in its
        turn, of the verifier's own function."""
        self._path = None if path == ANY_PATH else path
        self._turn = None if verifier is None else turns(verifier.verify).__next__
        self._accepted = answers.UNCHECKED if verifier is None else answers.VERIFIED
        self._certificate = answers.certificate(certificate) if certificate else None
        self._refusals: dict[Rejection, Answer] = {}
        self.needs: tuple[str, ...] = (CONTENT_TYPE, *(() if verifier is None else verifier.header_names))

    def decide(self, method: str, target: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Answer:
        """See AnswerChoice."""
        if method != "POST" or target != self._path:
            elsewhere = self._route(method, path_of(target))
            if elsewhere is not None:
                return elsewhere
        if self._turn is not None:
            rejection = self._turn()(headers, body, now_s)
            if rejection is not None:
                return self._refusal(rejection)
        kind = headers.get(CONTENT_TYPE, "json")
        if ("json" in kind or "json" in kind.lower()) and not is_json(body):
            return answers.INVALID_JSON
        return self._accepted

    def _route(self, method: str, path: str) -> Answer | None:
        if path == HEALTH_PATH and path != self._path and method != "POST":
            return answers.HEALTHY if method in {"GET", "HEAD"} else answers.WRONG_METHOD_HEALTH
        if self._certificate is not None and path == CERTIFICATE_PATH and method in {"GET", "HEAD"}:
            return self._certificate
        if self._path is not None and path != self._path:
            return answers.NOT_FOUND
        return None if method == "POST" else answers.WRONG_METHOD

    def _refusal(self, rejection: Rejection) -> Answer:
        found = self._refusals.get(rejection)
        if found is None:
            entry = answers.Entry[rejection.name]
            found = self._refusals[rejection] = answers.refusal(rejection.status, entry, rejection.text)
        return found
