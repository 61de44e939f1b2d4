"""Makes the request of any event in any case.

One bound function per (type, case) is prepared, so that making a request costs a table look-up beside the event's body
and its signature. Draws nothing and knows no clock: index, stratum and time are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from loadsim.cases.recorded import recorded_make
from loadsim.events import EventSource, RecordedEvent, RecordedSource
from loadsim.model import JsonValue, Secret, SignedRequest, UsageError
from loadsim.signing import Scheme, Signer

CONTENT_TYPE = b"Content-Type: application/json\r\n"

NOTHING_RECORDED: Mapping[str, Sequence[RecordedEvent]] = MappingProxyType({})
Source = EventSource | RecordedSource
Make = Callable[[int, int], SignedRequest]
"""(index, wall clock in ns since 1970) -> request."""


class EventOptions(Protocol):
    """What a scenario says of one event type (its `[[events]]` entry)."""

    @property
    def type(self) -> str: ...
    @property
    def simulation(self) -> bool: ...
    @property
    def image(self) -> str: ...
    @property
    def set(self) -> Mapping[str, JsonValue]: ...


class RequestMaker:
    """The requests of one shard. Belongs to one thread."""

    def __init__(
        self,
        events: Sequence[EventOptions],
        scheme: Scheme,
        secret: Secret,
        seed: int,
        *,
        cases: Sequence[str] = ("genuine",),
        url: str | None = None,
        recorded: Mapping[str, Sequence[RecordedEvent]] = NOTHING_RECORDED,
    ) -> None:
        """`events` and `cases` in the plan's order: stratum = (phase * len(events) + type) * len(cases) + case.
        `url` is the one that the provider has on file, `recorded` the captures of types that are sent from one.

        Raises UsageError for an unknown event type, image, path or case, or a secret that the scheme cannot use.
        """
        table: list[Make] = []
        for options in events:
            source = _source(options, seed, recorded)
            for case in cases:
                if case not in CASES:
                    raise UsageError(f"unknown case {case!r}: known cases are {', '.join(CASES)}")

                def bind(topic: str, case: str = case, source: Source = source) -> Make:
                    return CASES[case](source, scheme.signer(secret, url=url, event=topic))

                if isinstance(source, RecordedSource):
                    table.append(recorded_make(source, scheme, bind))
                else:
                    table.append(bind(source.topic))
        self._table = table
        self._size = len(table)

    def maker_of(self, stratum: int) -> Make:
        """What makes the requests of one stratum, for a caller that looks it up once."""
        return self._table[stratum % self._size]

    def make(self, index: int, stratum: int, now_ns: int) -> SignedRequest:
        """The request of event `index` in `stratum` (of any phase) as signed at `now_ns`, ns since 1970."""
        return self._table[stratum % self._size](index, now_ns)


def _source(options: EventOptions, seed: int, recorded: Mapping[str, Sequence[RecordedEvent]]) -> Source:
    if options.type in recorded:
        return RecordedSource(options.type, seed, recorded[options.type])
    return EventSource(
        options.type, seed, simulation=options.simulation, image=options.image, overrides=options.set.items()
    )


def _genuine(source: Source, signer: Signer) -> Make:
    body_of, event_id, headers_of = source.body, source.event_id, signer.headers
    # Half the cost of calling the named tuple's own constructor, which is Python code.
    new = tuple.__new__

    if signer.needs_id:

        def make_with_id(index: int, now_ns: int) -> SignedRequest:
            body = body_of(index, now_ns)
            return new(SignedRequest, (CONTENT_TYPE + headers_of(body, now_ns, event_id(index)), body))

        return make_with_id

    def make(index: int, now_ns: int) -> SignedRequest:
        body = body_of(index, now_ns)
        return new(SignedRequest, (CONTENT_TYPE + headers_of(body, now_ns, ""), body))

    return make


CASES: dict[str, Callable[[Source, Signer], Make]] = {"genuine": _genuine}
"""By case name: a function that binds a source and a signer to a maker."""
