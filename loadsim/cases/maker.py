"""Makes the request of any event in any case.

One function per (phase's secrets, type, case) is prepared, so that making a request costs a table look-up beside the
event's body and its signature, and cases that a scenario does not have cost nothing. Draws nothing and knows no clock:
index, stratum and time are arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from loadsim.cases.genuine import (
    CONTENT_TYPE,
    Make,
    MakeAll,
    Provider,
    Request,
    Secrets,
    Sign,
    Source,
    genuine,
    signed,
)
from loadsim.cases.kinds import KINDS, REUSING, REWRITTEN, Memory, Parts
from loadsim.cases.recorded import recorded_make
from loadsim.cases.wire import HeaderLine
from loadsim.events import EventSource, RecordedEvent, RecordedSource
from loadsim.model import NS_PER_S, JsonValue, Secret, SignedRequest, UsageError
from loadsim.plan import Case
from loadsim.signing import Scheme
from loadsim.signing.attempts import counted, marks

Redeliver = Callable[[int, int, int, int, int], SignedRequest]
"""(index, when the event was born, when it is delivered; wall clock in ns since 1970; number of the attempt, 1 for the
first; outcome code of the one before) -> request."""
NOTHING_RECORDED: Mapping[str, Sequence[RecordedEvent]] = MappingProxyType({})


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
        cases: Sequence[Case] = (),
        secrets: Sequence[Secrets] = ("new",),
        old_secret: Secret | None = None,
        url: str | None = None,
        recorded: Mapping[str, Sequence[RecordedEvent]] = NOTHING_RECORDED,
    ) -> None:
        """`events` and `cases` in the plan's order, the genuine case not among them, and `secrets` by phase:
        stratum = (phase * len(events) + type) * (1 + len(cases)) + case. `old_secret` is the one that is rotated out,
        `url` the one that the provider has on file, `recorded` the captures of types that are sent from one.

        Raises UsageError for an unknown event type, image, path or case, a case that the scheme cannot have, or a
        secret that the scheme cannot use.
        """
        provider = Provider(scheme, secret, old_secret, url)
        sources = [_source(options, seed, recorded) for options in events]
        self._provider, self._sources, self._secrets, self._cases = provider, sources, secrets, 1 + len(cases)
        # The table repeats by phase: one block serves them all where they sign alike.
        alike = len(set(secrets)) == 1
        self._table: list[Make] = []
        self._batches: list[MakeAll] = []
        # What is delivered once more must have been made before.
        self._in_order = any(case.kind in REUSING for case in cases)
        for phase in secrets[:1] if alike else secrets:
            for source in sources:
                makers = _makers(provider, source, phase, cases, seed)
                together = None
                if phase == "new" and isinstance(source, EventSource):
                    together = genuine(source, provider.signer(secret, source.topic))
                self._table += makers
                self._batches += [together or _one_by_one(makers[0]), *map(_one_by_one, makers[1:])]
        self._size = len(self._table)

    def maker_of(self, stratum: int) -> Make:
        """What makes the requests of one stratum, for a caller that looks it up once."""
        return self._table[stratum % self._size]

    def redelivery_of(self, stratum: int) -> Redeliver:
        """What makes any delivery of the genuine events of a stratum: body and id are those of the event's birth, the
        signature and its timestamp those of the delivery, which a further attempt's marks say too."""
        kind, _ = divmod(stratum, self._cases)
        phase, type_number = divmod(kind, len(self._sources))
        source = self._sources[type_number]
        if isinstance(source, RecordedSource):  # recorded bodies know their own time
            return _recorded_again(self.maker_of(stratum), self._provider.scheme)
        return _redelivering(
            source, self._provider.scheme, self._provider.sign(source, source.topic, self._secrets[phase])
        )

    def make(self, index: int, stratum: int, now_ns: int) -> SignedRequest:
        """The request of event `index` in `stratum` as signed at `now_ns`, ns since 1970."""
        return self._table[stratum % self._size](index, now_ns)

    def make_all(self, indexes: Sequence[int], events: Sequence[Sequence[int]], now_ns: int) -> Sequence[Request]:
        """The requests of several events, all signed at `now_ns`. Of `events` the second number is the stratum."""
        size = self._size
        if self._in_order:
            table = self._table
            return [table[event[1] % size](index, now_ns) for index, event in zip(indexes, events, strict=True)]
        if size == 1:
            return self._batches[0](indexes, now_ns)
        places: dict[int, list[int]] = {}
        for place, event in enumerate(events):
            places.setdefault(event[1] % size, []).append(place)
        found: list[Request] = [(b"", b"")] * len(events)
        for number, of_number in places.items():
            requests = self._batches[number]([indexes[place] for place in of_number], now_ns)
            for place, request in zip(of_number, requests, strict=True):
                found[place] = request
        return found


def _one_by_one(make: Make) -> MakeAll:
    return lambda indexes, now_ns: [make(index, now_ns) for index in indexes]


def _redelivering(source: Source, scheme: Scheme, sign: Sign) -> Redeliver:
    body_of = source.body

    def make(index: int, born_ns: int, now_ns: int, attempt: int, code: int) -> SignedRequest:
        body = counted(scheme, body_of(index, born_ns), attempt)
        lines = sign(body, now_ns, index)
        if attempt > 1:
            lines = _marked(lines, marks(scheme, attempt, code, born_ns))
        return SignedRequest(CONTENT_TYPE + lines, body)

    return make


def _recorded_again(make: Make, scheme: Scheme) -> Redeliver:
    def again(index: int, born_ns: int, now_ns: int, attempt: int, code: int) -> SignedRequest:
        lines, body = make(index, now_ns)
        return SignedRequest(_marked(lines, marks(scheme, attempt, code, born_ns)) if attempt > 1 else lines, body)

    return again


def _marked(lines: bytes, headers: Mapping[str, str]) -> bytes:
    """The header lines with these, in place of those of the same name."""
    for name, value in headers.items():
        line = HeaderLine(name)
        try:
            lines = line.replaced(lines, value.encode("latin-1"))
        except ValueError:  # it is not among them yet
            lines += f"{name}: {value}\r\n".encode("latin-1")
    return lines


def _source(options: EventOptions, seed: int, recorded: Mapping[str, Sequence[RecordedEvent]]) -> Source:
    if options.type in recorded:
        return RecordedSource(options.type, seed, recorded[options.type])
    return EventSource(
        options.type, seed, simulation=options.simulation, image=options.image, overrides=options.set.items()
    )


def _makers(provider: Provider, source: Source, secrets: Secrets, cases: Sequence[Case], seed: int) -> list[Make]:
    """The genuine maker of a type, then one for each case."""
    if isinstance(source, RecordedSource):
        topics = {event.type or source.topic for event in source.events}
        makers = {topic: _makers_of(provider, source, topic, secrets, cases, seed) for topic in topics}
        kinds = ("", *(case.kind for case in cases))
        return [
            recorded_make(
                source,
                provider.scheme,
                {topic: of_topic[number] for topic, of_topic in makers.items()}.__getitem__,
                forges=REWRITTEN.get(kind, ()),
            )
            for number, kind in enumerate(kinds)
        ]
    return _makers_of(provider, source, source.topic, secrets, cases, seed)


def _makers_of(
    provider: Provider, source: Source, topic: str, secrets: Secrets, cases: Sequence[Case], seed: int
) -> list[Make]:
    sign = provider.sign(source, topic, secrets)
    plain = signed(source, sign)
    memory = Memory(plain, (provider.scheme.tolerance_s or math.inf) * NS_PER_S / 2)
    makers = [memory.remember if any(case.kind in REUSING for case in cases) else plain]
    for case in cases:
        kind = KINDS.get(case.kind)
        if kind is None:
            raise UsageError(f"unknown case {case.kind!r}: known cases are {', '.join(KINDS)}")
        if problem := kind.problem(provider.scheme):
            raise UsageError(f"the scheme {provider.scheme.name} has no case {case.kind}: {problem}")
        makers.append(kind.build(Parts(provider, source, topic, secrets, sign, plain, memory, case, seed)))
    return makers
