"""Makes the request of any event in any case.

One function for each (secrets of a phase, type, case) is prepared, so a request costs one table look-up in addition to
its body and signature, and cases that are not used cost nothing. Index, stratum and time are arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from loadsim.cases.captured_requests import recorded_make
from loadsim.cases.case_kinds import CASE_KINDS, REUSING, REWRITTEN
from loadsim.cases.case_parts import Memory, Parts
from loadsim.cases.delivery_edits import HeaderLine
from loadsim.cases.genuine_requests import (
    OF_EVENTS,
    Make,
    MakeAll,
    RecipeAt,
    Recipes,
    Request,
    Secrets,
    Sign,
    SigningProvider,
    Source,
    genuine,
    recipe_at,
    signed,
)
from loadsim.events import EventSource, RecordedSource
from loadsim.model import NS_PER_S, Capture, JsonValue, Secret, SignedRequest, UsageError
from loadsim.plan import Case, RunSpec, header_pairs
from loadsim.plan.event_kinds import NOTHING_RECORDED
from loadsim.plan.trace import HEADERS as TRACE_HEADERS
from loadsim.signing import Scheme
from loadsim.signing import scheme as scheme_of
from loadsim.signing.retry_marks import attempt_headers, counted

Redeliver = Callable[[int, int, int, int, int], SignedRequest]
"""(index; time of the first delivery and time of this one, wall clock in ns since 1970; number of the attempt, 1 for
the first; outcome code of the attempt before) -> request."""
NO_HEADERS: Mapping[str, str | tuple[str, ...]] = MappingProxyType({})


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
    """Makes the requests of one shard. Must be used by one thread only."""

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
        recorded: Mapping[str, Capture] = NOTHING_RECORDED,
        headers: Mapping[str, str | tuple[str, ...]] = NO_HEADERS,
        sets: Collection[str] = (),
    ) -> None:
        """`events` and `cases` (without the genuine case) are in the order of the plan, `secrets` is by phase:
        stratum = (phase * types + type) * (1 + len(cases)) + case, where a capture has the types of its rows. `url` is
        the URL that the provider has stored, `recorded` the captures by the type of their event, `headers` the target's
        own: they replace the default content type and those of a capture. `sets`: lower-case names of further headers
        of a capture that are replaced when the request is sent.

        Raises UsageError for an unknown event type, image, path or case, a case that the scheme cannot have, or a
        secret that the scheme cannot use.
        """
        provider = SigningProvider(scheme, secret, old_secret, url, *_own_content_type(headers))
        self._given = frozenset(name.lower() for name in headers) | frozenset(sets)
        sources = [source for options in events for source in _sources(options, seed, recorded)]
        self._provider, self._sources, self._secrets, self._cases = provider, sources, secrets, 1 + len(cases)
        # The table repeats for each phase; one block is enough when all phases use the same secrets.
        alike = len(set(secrets)) == 1
        self._table: list[Make] = []
        self._batches: list[MakeAll] = []
        self._recipes: list[RecipeAt | None] = []
        # A repeated delivery must be made after its original.
        self._in_order = any(case.kind in REUSING for case in cases)
        for phase in secrets[:1] if alike else secrets:
            for source in sources:
                makers = _makers(provider, source, phase, cases, seed, self._given)
                together = recipe = None
                if phase == "new" and isinstance(source, EventSource):
                    signer, content_type = provider.signer(secret, source, source.topic), provider.content_type(source)
                    together = genuine(source, signer, content_type)
                    recipe = recipe_at(source, signer, content_type)
                self._table += makers
                self._recipes += [recipe, *(None for _ in makers[1:])]
                self._batches += [together or _one_by_one(makers[0]), *map(_one_by_one, makers[1:])]
        self._size = len(self._table)

    def recipes(self) -> Recipes | None:
        """What the compiled step makes requests of; None where it cannot make all of them."""
        found = [recipe for recipe in self._recipes if recipe is not None]
        return Recipes(found) if len(found) == self._size else None

    @property
    def signs_slowly(self) -> bool:
        """Whether a signature costs many times what the rest of an event does."""
        return self._provider.scheme.pair is not None

    def maker_of(self, stratum: int) -> Make:
        """The function that makes the requests of one stratum, for a caller that looks it up once."""
        return self._table[stratum % self._size]

    def redelivery_of(self, stratum: int) -> Redeliver:
        """The function that makes any delivery of genuine events of a stratum.

        Body and id are those of the first delivery; signature and timestamp are new. Further attempts carry the
        provider's retry headers.
        """
        kind, _ = divmod(stratum, self._cases)
        phase, type_number = divmod(kind, len(self._sources))
        source = self._sources[type_number]
        if isinstance(source, RecordedSource):  # recorded bodies contain their own time
            return _recorded_again(self.maker_of(stratum), self._provider.scheme)
        provider = self._provider
        return _redelivering(source, provider.scheme, provider.sign(source, source.topic, self._secrets[phase]))

    def make(self, index: int, stratum: int, now_ns: int) -> SignedRequest:
        """The request of event `index` in `stratum`, signed at `now_ns`, ns since 1970."""
        return self._table[stratum % self._size](index, now_ns)

    def make_all(self, indexes: Sequence[int], events: Sequence[Sequence[int]], now_ns: int) -> Sequence[Request]:
        """The requests of several events, all signed at `now_ns`. Of `events` the second number is the stratum."""
        size = self._size
        if self._in_order:
            table = self._table
            return [table[event[1] % size](index, now_ns) for index, event in zip(indexes, events, strict=True)]
        if size == 1:
            return self._batches[0](indexes, now_ns)
        if len(events) == 1:
            return self._batches[events[0][1] % size](indexes, now_ns)
        places: dict[int, list[int]] = {}
        for place, event in enumerate(events):
            places.setdefault(event[1] % size, []).append(place)
        found: list[Request] = [(b"", b"")] * len(events)
        for number, of_number in places.items():
            requests = self._batches[number]([indexes[place] for place in of_number], now_ns)
            for place, request in zip(of_number, requests, strict=True):
                found[place] = request
        return found


def request_maker(spec: RunSpec) -> RequestMaker:
    """The maker of a run's requests. Raises UsageError as RequestMaker does, ValueError for a run without a secret."""
    if spec.secret is None:
        raise ValueError(f"{spec} has no secret to sign with")
    scenario, target = spec.fired, spec.fired.target
    return RequestMaker(
        scenario.events,
        scheme_of(target.scheme, target.custom),
        spec.secret,
        spec.seed,
        cases=scenario.cases,
        secrets=[phase.secrets for phase in scenario.phases],
        old_secret=spec.old_secret,
        url=target.public_url or target.url,
        recorded=spec.recorded,
        headers=target.headers,
        sets=TRACE_HEADERS if scenario.trace is not None else (),
    )


def _own_content_type(headers: Mapping[str, str | tuple[str, ...]]) -> tuple[bytes, ...]:
    lines = [f"Content-Type: {value}\r\n" for name, value in header_pairs(headers) if name.lower() in OF_EVENTS]
    return ("".join(lines).encode(),) if lines else ()


def _one_by_one(make: Make) -> MakeAll:
    return lambda indexes, now_ns: [make(index, now_ns) for index in indexes]


def _redelivering(source: Source, scheme: Scheme, sign: Sign) -> Redeliver:
    body_of = source.body

    def make(index: int, born_ns: int, now_ns: int, attempt: int, code: int) -> SignedRequest:
        body = counted(scheme, body_of(index, born_ns), attempt)
        request = sign(body, now_ns, index)
        if attempt == 1:
            return request
        return SignedRequest(
            _with_headers(request.headers, attempt_headers(scheme, attempt, code, born_ns)), request.body
        )

    return make


def _recorded_again(make: Make, scheme: Scheme) -> Redeliver:
    def again(index: int, born_ns: int, now_ns: int, attempt: int, code: int) -> SignedRequest:
        lines, body = make(index, now_ns)
        return SignedRequest(
            _with_headers(lines, attempt_headers(scheme, attempt, code, born_ns)) if attempt > 1 else lines, body
        )

    return again


def _with_headers(lines: bytes, headers: Mapping[str, str]) -> bytes:
    """The header lines with these headers; lines of the same name are replaced."""
    for name, value in headers.items():
        line = HeaderLine(name)
        try:
            lines = line.replaced(lines, value.encode())
        except ValueError:  # the header is new
            lines += f"{name}: {value}\r\n".encode()
    return lines


def _sources(options: EventOptions, seed: int, recorded: Mapping[str, Capture]) -> list[Source]:
    capture = recorded.get(options.type)
    if capture is None:
        return [_generated(options, options.type, seed)]
    return [
        _generated(options, name, seed)
        if capture.rows_of(number)[0].body is None
        else RecordedSource(name, seed, capture.rows, capture.rows_of(number))
        for number, name in enumerate(capture.names)
    ]


def _generated(options: EventOptions, name: str, seed: int) -> EventSource:
    return EventSource(name, seed, simulation=options.simulation, image=options.image, overrides=options.set.items())


def _makers(
    provider: SigningProvider, source: Source, secrets: Secrets, cases: Sequence[Case], seed: int, given: frozenset[str]
) -> list[Make]:
    """The genuine maker of a type, then one for each case."""
    if isinstance(source, RecordedSource):
        topics = {event.type or source.topic for event in source.own}
        makers = {topic: _makers_of(provider, source, topic, secrets, cases, seed) for topic in topics}
        kinds = ("", *(case.kind for case in cases))
        return [
            recorded_make(
                source,
                provider.scheme,
                {topic: of_topic[number] for topic, of_topic in makers.items()}.__getitem__,
                forges=given | frozenset(REWRITTEN.get(kind, ())),
            )
            for number, kind in enumerate(kinds)
        ]
    return _makers_of(provider, source, source.topic, secrets, cases, seed)


def _makers_of(
    provider: SigningProvider, source: Source, topic: str, secrets: Secrets, cases: Sequence[Case], seed: int
) -> list[Make]:
    sign = provider.sign(source, topic, secrets)
    plain = signed(source, sign)
    if provider.scheme.parts or provider.scheme.signature.place != "header":
        for index in source.indexes if isinstance(source, RecordedSource) else (0,):
            plain(index, 0)  # an event that lacks a signed part is reported here, before the first is sent
    memory = Memory(plain, (provider.scheme.tolerance_s or math.inf) * NS_PER_S / 2)
    makers = [memory.remember if any(case.kind in REUSING for case in cases) else plain]
    for case in cases:
        kind = CASE_KINDS.get(case.kind)
        if kind is None:
            raise UsageError(f"unknown case {case.kind!r}: known cases are {', '.join(CASE_KINDS)}")
        if problem := kind.problem(provider.scheme):
            raise UsageError(f"the scheme {provider.scheme.name} has no case {case.kind}: {problem}")
        makers.append(kind.build(Parts(provider, source, topic, secrets, sign, plain, memory, case, seed)))
    return makers
