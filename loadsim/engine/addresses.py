"""Which of an endpoint's addresses a connection tries, in which order, and what each of them took.

Many clients of a name with several addresses spread over them; so do the connections of a run. Addresses of the family
that the resolver puts first take turns, the other family stands behind as a second choice (RFC 8305, section 4). An
address that failed, or was overtaken by another one, is tried last for a while. Knows no clock: time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from loadsim.measure.result import AddressRow
from loadsim.model import NS_PER_MS, NS_PER_S

Address = tuple[int, object]
"""Socket family and what `connect` takes."""

ATTEMPT_DELAY_NS = 250 * NS_PER_MS
"""An attempt to connect that takes longer gets company by the next address (RFC 8305, section 5)."""
AVOID_NS = 10 * NS_PER_S
"""So long an address that failed is tried last. Then one connection tries it first again."""


class Addresses:
    """The addresses of one endpoint, for all connections of one transport. Addresses go by their number."""

    def __init__(self, found: Sequence[Address], first: int = 0) -> None:
        """`found` in the resolver's order. `first`: whose turn it is, so that several processes begin apart."""
        self.found = tuple(found)
        self._turn = first
        families: dict[int, list[int]] = {}
        for number, (family, _) in enumerate(self.found):
            families.setdefault(family, []).append(number)
        self._families = list(families.values())
        self._avoided_until = [0] * len(self.found)
        self.connections = [0] * len(self.found)
        """How many were made to each."""
        self.failures = [0] * len(self.found)
        """How many attempts to connect to each failed, or were overtaken by a later one."""
        self.answers = [0] * len(self.found)
        """How many each gave on connections that are closed."""

    def order(self, now_ns: int) -> list[int]:
        """In which order one connection tries them."""
        if len(self.found) == 1:
            return [0]
        turn, self._turn = self._turn, self._turn + 1
        until = self._avoided_until
        again = next((number for number, end in enumerate(until) if 0 < end <= now_ns), None)
        if again is not None:
            until[again] = now_ns + AVOID_NS  # by this connection, and by no other one until its outcome is known
        good = [[number for number in family if not until[number]] for family in self._families]
        turned = [family[turn % len(family) :] + family[: turn % len(family)] for family in good if family]
        order = [number for rank in zip_longest(*turned) for number in rank if number is not None]
        avoided = sorted((number for number, end in enumerate(until) if end), key=until.__getitem__)
        if again is None:
            return order + avoided
        return [again, *order, *(number for number in avoided if number != again)]

    def made(self, number: int) -> None:
        """A connection to it was made."""
        self.connections[number] += 1
        self._avoided_until[number] = 0

    def failed(self, number: int, now_ns: int) -> None:
        """An attempt to connect to it failed, or was overtaken."""
        self.failures[number] += 1
        self._avoided_until[number] = now_ns + AVOID_NS

    def won(self, order: Sequence[int], peer: object, now_ns: int) -> int:
        """Of attempts in this order the one to `peer` was the first to be connected: returns its number."""
        number = next((number for number in order if self.found[number][1] == peer), order[0])
        for slower in order[: order.index(number)]:
            self.failed(slower, now_ns)
        self.made(number)
        return number

    def taken(self, live: Iterable[tuple[int, int]]) -> list[AddressRow]:
        """What each of several addresses took so far. `live`: of each open connection, its address and its answers."""
        if len(self.found) < 2:
            return []
        answers = list(self.answers)
        for number, served in live:
            answers[number] += served
        counts = zip(self.connections, answers, self.failures, strict=True)
        return [AddressRow(self._text(number), *of) for number, of in enumerate(counts)]

    def _text(self, number: int) -> str:
        """Host and port."""
        _, address = self.found[number]
        if not isinstance(address, tuple):
            return str(address)
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{host}:{address[1]}"
