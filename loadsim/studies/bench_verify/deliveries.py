"""The deliveries for checking and timing verifiers: bodies of an exact size, signed now, and forged ones.

Each body starts with its number and its time, so that no two are the same, and schemes with the time in the body find
it.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from multidict import CIMultiDict

from loadsim.model import NS_PER_MS, NS_PER_S, Secret, SignedRequest
from loadsim.signing import Scheme
from loadsim.signing.mac import message_of
from loadsim.signing.message_parts import Delivered
from loadsim.studies.bench_verify.verifiers import CheckDelivery

SMALLEST_BODY = 64
TIME_FIELD = "webhookTimestamp"
"""The field of bodies that holds the time, where the scheme names none."""


def timeable(scheme: Scheme) -> bool:
    """Whether verifiers of the scheme can be timed: others need bodies or keys of their own."""
    return scheme.is_usual or (scheme.token is not None and scheme.covers_body)


LIST_BYTES = 8_000
MOST = 16
"""Number of different deliveries in a batch: more would measure cache misses, a single one only cache hits."""
PILE_BYTES = 600_000
EVENT = "bench.event"
_RECORD = (
    b'{"organisation":{"organisationId":"3c90c3cc-0d44-4b50-8888-8dd25736052a"},"user":{"userId":"u-1"},"tracking":'
    b'{"app":{"name":"Google Chrome","type":"website","domain":"google.com"},"time":{"durationInSeconds":20}}}'
)
_SIGNED_LONG_AGO_S = 86_400
Body = Callable[[int, int, int], bytes]


@dataclass(frozen=True)
class SignedDelivery:
    """One request as a verifier gets it. `message` is what its signature covers."""

    headers: dict[str, str]
    body: bytes
    message: bytes

    @cached_property
    def as_framework(self) -> CIMultiDict[str]:
        """The headers, with names in any spelling, as in web frameworks."""
        return CIMultiDict({"Content-Type": "application/json", **self.headers})


class Maker:
    """Signs deliveries of one scheme under one secret."""

    def __init__(self, scheme: Scheme, secret: Secret, url: str, body: Body | None = None) -> None:
        """`body` makes them in place of `body_of`, from size, ms since 1970 and number."""
        self.scheme = scheme
        timestamp = scheme.timestamp
        field = timestamp.name if timestamp is not None and timestamp.place == "body" else TIME_FIELD
        self._body = body or functools.partial(body_of, time_field=field)
        self.url = url
        self._signer = scheme.signer(secret, url=url, event=EVENT)

    def pile(self, size: int, now_ns: int) -> list[SignedDelivery]:
        """Genuine deliveries of one size, a ms apart, the last at `now_ns`."""
        count = max(1, min(MOST, PILE_BYTES // size))
        return [self.delivery(size, now_ns - number * NS_PER_MS, number) for number in reversed(range(count))]

    def delivery(self, size: int, now_ns: int, number: int = 0) -> SignedDelivery:
        """Number `number`, signed at `now_ns`."""
        body = self._body(size, now_ns // NS_PER_MS, number)
        event_id = f"3c90c3cc-0d44-4b50-8888-{number:012x}"
        request = SignedRequest(self._signer.headers(body, now_ns, event_id), body)
        headers = {name.lower(): value for name, value in request.header_pairs()}
        return SignedDelivery(headers, body, self._message(headers, body))

    def unlike(self, good: SignedDelivery, *, several: bool) -> SignedDelivery:
        """The same with a bad signature; with `several` a header of 8 KB of them, or a single one as long as that."""
        name = self.scheme.signature.name.lower()
        value = good.headers[name]
        size = self._size_in(value)
        head, code = value[:-size], value[-size:]
        bad = head + _other(code)
        if several:
            prefix = self.scheme.signature.prefix.decode()
            between = (self.scheme.signature.separator or b"").decode()
            entry = f"{between}{prefix}{_other(code)}" if between else _other(code)
            bad += entry * ((LIST_BYTES - len(bad)) // len(entry))
        return SignedDelivery({**good.headers, name: bad}, good.body, good.message)

    def questions(self, size: int, now_ns: int, stranger: Maker) -> list[CheckDelivery]:
        """The deliveries that a correct verifier distinguishes, the genuine one first; `stranger` has another
        secret."""
        good = self.delivery(size, now_ns)
        name = self.scheme.signature.name.lower()
        unsigned = SignedDelivery({key: text for key, text in good.headers.items() if key != name}, good.body, b"")
        tampered = SignedDelivery(good.headers, tampered_body(good.body), b"")
        asked = [
            ("the genuine delivery", good, True),
            ("a tampered body", tampered, False),
            ("a signature under another key", stranger.delivery(size, now_ns), False),
            ("a delivery without a signature", unsigned, False),
        ]
        if self.scheme.tolerance_s is not None:
            old_ns = now_ns - (self.scheme.tolerance_s + _SIGNED_LONG_AGO_S) * NS_PER_S
            asked.append(("a stale delivery", self.delivery(size, old_ns), False))
        return [CheckDelivery(words, each.as_framework, each.body, genuine) for words, each, genuine in asked]

    def _size_in(self, value: str) -> int:
        """Of the code at the end of a signature header."""
        if self.scheme.token is not None:
            return len(value.rpartition(".")[2])
        code = {"sha1": 20, "sha256": 32, "sha512": 64}[self.scheme.digest]
        if self.scheme.encoding in ("hex", "HEX"):
            return 2 * code
        padded = len(base64.b64encode(bytes(code)))
        return padded if self.scheme.encoding == "base64" else padded - (-code % 3)

    def _message(self, headers: Mapping[str, str], body: bytes) -> bytes:
        if self.scheme.token is not None:
            return b""
        event_id = headers[self.scheme.id_headers[0].lower()].encode() if self.scheme.signs_id else b""
        return message_of(self.scheme, self.url)(self._timestamp(headers), event_id, Delivered(body, headers))

    def _timestamp(self, headers: Mapping[str, str]) -> bytes:
        timestamp, signature = self.scheme.timestamp, self.scheme.signature
        if timestamp is None or timestamp.place == "body":
            return b""
        if timestamp.place == "header":
            return headers[timestamp.name.lower()].encode()
        first = headers[signature.name.lower()].encode().partition(signature.separator or b",")[0]
        return first.removeprefix(signature.timestamp_prefix or b"")


def body_of(size: int, now_ms: int, number: int, time_field: str = TIME_FIELD) -> bytes:
    """JSON of exactly `size` bytes, SMALLEST_BODY or more: the time where the scheme has it, records as in events, and
    padding."""
    head = b'{"%s":%d,"n":%d,' % (time_field.encode(), now_ms, number)
    foot = b'"x":"', b'"}'
    room = size - len(head) - sum(map(len, foot))
    count = max(0, (room - len(b'"data":[],')) // (len(_RECORD) + 1))
    data = b'"data":[' + b",".join([_RECORD] * count) + b"]," if count else b""
    filling = room - len(data)
    return head + data + foot[0] + b"x" * filling + foot[1]


def tampered_body(body: bytes) -> bytes:
    """The same with its last digit changed, so that it is still valid JSON and only the signature is wrong."""
    at = max(body.rfind(b"%d" % digit) for digit in range(10))
    return body[:at] + (b"1" if body[at : at + 1] != b"1" else b"2") + body[at + 1 :]


def _other(code: str) -> str:
    """A different MAC in the same format: its first character is changed."""
    return ("1" if code[0] != "1" else "2") + code[1:]
