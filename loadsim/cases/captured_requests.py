"""Requests of recorded events: the user's own bodies and headers with a new signature.

All headers of the capture are used, except those of the signature, its timestamp and its id, which the scheme writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from loadsim.events import RecordedSource
from loadsim.model import SignedRequest
from loadsim.signing import Scheme

Make = Callable[[int, int], SignedRequest]


def recorded_make(
    source: RecordedSource, scheme: Scheme, bind: Callable[[str], Make], forges: Collection[str] = ()
) -> Make:
    """The function that makes the requests of a capture; `bind` returns the maker for events of one name.

    `forges`: lower-case names of further headers that are not taken from the capture, because the case sets them.
    """
    makes = {topic: bind(topic) for topic in {event.type or source.topic for event in source.own}}
    if len(makes) == 1 and not any(event.headers for event in source.own):
        return next(iter(makes.values()))
    own = frozenset(name.lower() for name, value in scheme.header_templates() if "{" in value and value != "{event}")
    own |= frozenset(forges)

    def make(index: int, now_ns: int) -> SignedRequest:
        event = source.event(index)
        request = makes[event.type or source.topic](index, now_ns)
        return _with_headers(request, event.headers, own) if event.headers else request

    return make


def _with_headers(request: SignedRequest, recorded: tuple[tuple[str, str], ...], own: frozenset[str]) -> SignedRequest:
    kept = [(name, value) for name, value in recorded if name.lower() not in own]
    replaced = {name.lower() for name, _ in kept}
    lines = [
        line
        for line in request.headers.split(b"\r\n")
        if line and line.partition(b":")[0].decode("latin-1").lower() not in replaced
    ]
    lines += [f"{name}: {value}".encode() for name, value in kept]
    return SignedRequest(b"".join(line + b"\r\n" for line in lines), request.body)
