"""Cases of other headers: a signature or timestamp that is missing, malformed or of another time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from loadsim.cases.case_parts import CaseKind, Parts, with_lines, with_signature
from loadsim.cases.delivery_edits import HeaderLine
from loadsim.cases.genuine_requests import Make, signed
from loadsim.model import NS_PER_S, SignedRequest
from loadsim.signing import Scheme

HOUR_NS = 3600 * NS_PER_S
LONG_LIST_BYTES = 8_000
"""Length of the header line of a long list: the most that servers with the usual limit of 8 KB accept."""


def _missing_signature(parts: Parts) -> Make:
    genuine, cut = parts.genuine, parts.signature.cut
    further = [HeaderLine(name) for name in parts.scheme.signature.further]

    def make(index: int, now_ns: int) -> SignedRequest:
        lines, body = cut(genuine(index, now_ns))
        for line in further:
            lines = line.cut_if_there(lines)
        return SignedRequest(lines, body)

    return make


def _missing_timestamp(parts: Parts) -> Make:
    timestamp, separator = parts.scheme.timestamp, parts.scheme.signature.separator
    assert timestamp is not None  # noqa: S101 - see _no_timestamp
    if timestamp.place == "header":
        header = HeaderLine(timestamp.name)
        return with_lines(parts, lambda lines, _: header.cut(lines))
    prefix, split = timestamp.name.encode(), separator or b","

    def without(value: bytes, _: int) -> bytes:
        if not prefix:  # a bare timestamp stands first
            return value.partition(split)[2]
        return split.join(entry for entry in value.split(split) if not entry.startswith(prefix))

    return with_signature(parts, without)


_MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "no_form": lambda _: b"malformed",
    "cut_short": lambda value: value[:-1],
    "followed": lambda value: value + b"*",  # by a byte outside the alphabet
    "empty": lambda _: b"",
}


def _malformed_signature(parts: Parts, *ways: Callable[[bytes], bytes]) -> Make:
    """Malformed in each of these ways in turn."""
    return with_signature(parts, lambda value, index: ways[index % len(ways)](value))


def _malformed_in_one_way(way: Callable[[bytes], bytes]) -> CaseKind:
    return CaseKind("refuse", lambda parts: _malformed_signature(parts, way))


def _non_ascii_signature(parts: Parts) -> Make:
    return with_signature(parts, lambda value, _: value[:-1] + "é".encode())


def _long_list(parts: Parts, *, valid: bool) -> Make:
    signature = parts.scheme.signature
    separator = signature.separator or b""
    name, prefix = signature.name, signature.prefix

    def lengthen(value: bytes, _index: int) -> bytes:
        before, _, entry = value.rpartition(separator)
        head = before + separator if before else b""
        if signature.is_prefix_once:
            head, entry = head + prefix, entry.removeprefix(prefix)
        junk = (b"" if signature.is_prefix_once else prefix) + b"0" * (len(entry.removeprefix(prefix)))
        space = LONG_LIST_BYTES - len(name) - len(b": \r\n") - len(value)
        many = separator.join([junk] * (space // (len(junk) + len(separator))))
        return head + many + (separator + entry if valid else b"")

    return with_signature(parts, lengthen)


def _wrong_content_type(parts: Parts) -> Make:
    size = len(parts.provider.content_type(parts.source))  # the first of the lines
    return with_lines(parts, lambda lines, _: b"Content-Type: text/plain\r\n" + lines[size:])


def _no_timestamp(scheme: Scheme) -> str:
    if scheme.timestamp is None:
        return "it sends no timestamp"
    place = scheme.timestamp.place
    return f"its timestamp stands in the {place}" if place in ("body", "token") else ""


def _no_list(scheme: Scheme) -> str:
    return "" if scheme.signature.separator is not None else "its header carries one signature, not a list"


def _no_long_list(scheme: Scheme) -> str:
    few = "" if scheme.algorithm == "hmac" else "a receiver checks few signatures of a key pair"
    return _no_list(scheme) or few


def _no_window(scheme: Scheme) -> str:
    return "" if scheme.tolerance_s else "it has no time window"


def _at_another_time(parts: Parts, sign: Literal[1, -1]) -> Make:
    by = parts.case.by or HOUR_NS
    if by == HOUR_NS:  # the default must be outside the window
        by = max(by, 2 * (parts.scheme.tolerance_s or 0) * NS_PER_S)
    shift_ns = sign * by
    # A signer of its own: the genuine signer caches what belongs to the current second.
    make = signed(parts.source, parts.provider.sign(parts.source, parts.topic, parts.secrets))
    return lambda index, now_ns: make(index, now_ns + shift_ns)


HEADER_CASES: dict[str, CaseKind] = {
    "missing_signature": CaseKind("refuse", _missing_signature),
    "missing_timestamp": CaseKind("refuse", _missing_timestamp, _no_timestamp),
    "malformed_signature": CaseKind("refuse", lambda parts: _malformed_signature(parts, *_MALFORMED.values())),
    **{f"malformed_signature.{name}": _malformed_in_one_way(way) for name, way in _MALFORMED.items()},
    "non_ascii_signature": CaseKind("refuse", _non_ascii_signature),
    "long_signature_list": CaseKind("refuse", lambda parts: _long_list(parts, valid=False), _no_list),
    "long_signature_list_valid": CaseKind("accept", lambda parts: _long_list(parts, valid=True), _no_long_list),
    "stale_timestamp": CaseKind("refuse", lambda parts: _at_another_time(parts, -1), _no_window, {"by": HOUR_NS}),
    "future_timestamp": CaseKind("refuse", lambda parts: _at_another_time(parts, 1), _no_window, {"by": HOUR_NS}),
    "wrong_content_type": CaseKind("refuse", _wrong_content_type),
}
