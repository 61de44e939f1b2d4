"""The order in which a connection tries an endpoint's addresses, and the counts of each address.

The connections of a run are spread over the addresses, like many separate clients. Addresses of the family that the
resolver puts first take turns, those of the other family come after them (RFC 8305, section 4). An address that failed,
or was slower than another one, is tried last for some time. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from loadsim.measure.result_events import AddressRow
from loadsim.model import NS_PER_S

Address = tuple[int, object]
"""Socket family and the argument of `connect`."""

AVOID_NS = 10 * NS_PER_S
"""Time for which a failed address is tried last. Then one connection tries it first again."""


class Addresses:
    """The addresses of one endpoint, for all connections of one transport. Addresses are identified by number."""

    def __init__(self, found: Sequence[Address], first: int = 0) -> None:
        """`found` in the resolver's order. `first`: the address to start with, which differs between processes."""
        self.found = tuple(found)
        self._turn = first
        families: dict[int, list[int]] = {}
        for number, (family, _) in enumerate(self.found):
            families.setdefault(family, []).append(number)
        self._families = list(families.values())
        self._avoided_until = [0] * len(self.found)
        self.connections = [0] * len(self.found)
        """Number of connections made to each."""
        self.failures = [0] * len(self.found)
        """Number of attempts to each that failed or were slower than a later one."""
        self.answers = [0] * len(self.found)
        """Number of answers of each on connections that are closed."""

    def order(self, now_ns: int) -> list[int]:
        """The order in which one connection tries the addresses."""
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
        """Record a connection to the address."""
        self.connections[number] += 1
        self._avoided_until[number] = 0

    def failed(self, number: int, now_ns: int) -> None:
        """Record an attempt that failed or was slower than another one."""
        self.failures[number] += 1
        self._avoided_until[number] = now_ns + AVOID_NS

    def won(self, order: Sequence[int], peer: object, now_ns: int) -> int:
        """Record that of attempts in this order the one to `peer` connected first. Returns its number."""
        number = next((number for number in order if self.found[number][1] == peer), order[0])
        for slower in order[: order.index(number)]:
            self.failed(slower, now_ns)
        self.made(number)
        return number

    def taken(self, live: Iterable[tuple[int, int]]) -> list[AddressRow]:
        """The counts of each of several addresses so far. `live`: of each open connection, its address and its
        answers."""
        if len(self.found) < 2:
            return []
        answers = list(self.answers)
        for number, served in live:
            answers[number] += served
        counts = zip(self.connections, answers, self.failures, strict=True)
        return [AddressRow(self.text(number), *of) for number, of in enumerate(counts)]

    def text(self, number: int) -> str:
        """Host and port."""
        _, address = self.found[number]
        if not isinstance(address, tuple):
            return str(address)
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{host}:{address[1]}"
