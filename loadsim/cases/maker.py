"""Makes the request of any event in any case.

One function per (phase's secrets, type, case) is prepared, so that making a request costs a table look-up beside the
event's body and its signature, and cases that a scenario does not have cost nothing. Draws nothing and knows no clock:
index, stratum and time are arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from loadsim.cases.genuine import Make, Provider, Secrets, genuine, signed
from loadsim.cases.kinds import KINDS, REUSING, Memory, Parts
from loadsim.events import EventSource
from loadsim.model import NS_PER_S, JsonValue, Secret, SignedRequest, UsageError
from loadsim.plan import Case
from loadsim.signing import Scheme


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
    ) -> None:
        """`events` and `cases` in the plan's order, the genuine case not among them, and `secrets` by phase:
        stratum = (phase * len(events) + type) * (1 + len(cases)) + case.

        Raises UsageError for an unknown event type, image, path or case, a case that the scheme cannot have, or a
        secret that the scheme cannot use.
        """
        provider = Provider(scheme, secret, old_secret, url)
        sources = [
            EventSource(
                options.type,
                seed,
                simulation=options.simulation,
                image=options.image,
                overrides=options.set.items(),
            )
            for options in events
        ]
        # The table repeats by phase: one block serves them all where they sign alike.
        alike = len(set(secrets)) == 1
        self._table = [
            make
            for phase in (secrets[:1] if alike else secrets)
            for source in sources
            for make in _makers(provider, source, phase, cases, seed)
        ]
        self._size = len(self._table)

    def make(self, index: int, stratum: int, now_ns: int) -> SignedRequest:
        """The request of event `index` in `stratum` as signed at `now_ns`, ns since 1970."""
        return self._table[stratum % self._size](index, now_ns)


def _makers(provider: Provider, source: EventSource, secrets: Secrets, cases: Sequence[Case], seed: int) -> list[Make]:
    """The genuine maker of a type, then one for each case."""
    sign = provider.sign(source, secrets)
    plain = genuine(source, provider.signer(provider.secret, source)) if secrets == "new" else signed(source, sign)
    memory = Memory(plain, (provider.scheme.tolerance_s or math.inf) * NS_PER_S / 2)
    makers = [memory.remember if any(case.kind in REUSING for case in cases) else plain]
    for case in cases:
        kind = KINDS.get(case.kind)
        if kind is None:
            raise UsageError(f"unknown case {case.kind!r}: known cases are {', '.join(KINDS)}")
        if problem := kind.problem(provider.scheme):
            raise UsageError(f"the scheme {provider.scheme.name} has no case {case.kind}: {problem}")
        makers.append(kind.build(Parts(provider, source, secrets, sign, plain, memory, case, seed)))
    return makers
