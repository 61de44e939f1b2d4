"""Further attempts to open one connection of the direct transport, at the endpoint's next addresses (RFC 8305).

Another address is tried at once where an attempt fails, and after ATTEMPT_DELAY_NS where none has ended. The first
attempt belongs to the connection itself, so that a connection to a single address does not use this module.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Protocol

from loadsim.engine.endpoint_addresses import Address, Addresses
from loadsim.engine.error_kind_of_failure import NO_RESOURCE
from loadsim.engine.pacer import monotonic_ns
from loadsim.engine.transport_interface import ResourceLimitError
from loadsim.model import NS_PER_MS, NS_PER_S

ATTEMPT_DELAY_NS = 250 * NS_PER_MS
"""After this time of an attempt, the next address is tried in parallel (RFC 8305, section 5)."""
UNDER_WAY = frozenset({0, errno.EINPROGRESS})
"""What `connect` says of an attempt that may still succeed."""
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def begin_next(addresses: Addresses, order: list[int]) -> tuple[socket.socket, int, int]:
    """Begin to connect to the first address of `order` that does not fail at once; those tried are taken off it.

    Returns the socket, the number of its address and what `connect` said, which only for the last address can be a
    failure. Raises ResourceLimitError when no descriptor or local port is left.
    """
    while True:
        number = order.pop(0)
        sock, code = _begin(addresses.found[number])
        if sock is not None and (code in UNDER_WAY or (not order and code not in NO_RESOURCE)):
            return sock, number, code
        if sock is not None:
            sock.close()
        if not order or code in _NO_DESCRIPTOR:
            raise ResourceLimitError(os.strerror(code))
        addresses.failed(number, monotonic_ns())


def _begin(address: Address) -> tuple[socket.socket | None, int]:
    family, place = address
    try:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        return None, error.errno or 0
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock, sock.connect_ex(place)  # type: ignore[arg-type]  # an address of this family, from getaddrinfo


class Opening(Protocol):
    """The connection that is being opened, as far as a race knows it."""

    address: int
    """Number of the address that it connects to."""

    def adopt(self, attempt: Attempt) -> None:
        """Go on with another attempt in place of its own."""

    def on_ready(self, mask: int) -> None:
        """Its socket is connected."""

    def internal(self, error: Exception) -> None:
        """Our own fault while it was served."""


class Watcher(Protocol):
    """What watches the sockets of attempts, and closes them."""

    addresses: Addresses

    def add_attempt(self, attempt: Attempt) -> None:
        """Watch a socket that connects beside that of its connection."""

    def drop(self, attempt: Attempt) -> None:
        """Watch it no more, and close it."""

    def call_later(self, delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back from the loop."""


class Attempt:
    """A socket that connects beside that of the connection itself."""

    __slots__ = ("_race", "address", "fd", "sock")

    def __init__(self, race: Race, sock: socket.socket, number: int) -> None:
        self._race = race
        self.sock = sock
        self.fd = sock.fileno()
        self.address = number

    @property
    def connection(self) -> Opening | None:
        """The one that it is for."""
        return self._race.connection

    def on_ready(self) -> None:
        """The set says that it is connected, or failed."""
        self._race.ended(self, self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


class Race:
    """What else is tried while one connection is being opened."""

    __slots__ = ("_attempts", "_rest", "_timer", "_watcher", "connection")

    def __init__(self, watcher: Watcher, connection: Opening, rest: list[int]) -> None:
        """`rest`: the addresses that the connection has not tried, in order."""
        self._watcher = watcher
        self.connection: Opening | None = connection
        self._rest = rest
        self._attempts: list[Attempt] = []
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def next_for(self, connection: Opening) -> bool:
        """The connection's own attempt failed: give it another one. False when there is none."""
        self._begin()
        if not self._attempts:
            return False
        connection.adopt(self._attempts.pop(0))
        return True

    def ended(self, attempt: Attempt, code: int) -> None:
        """An attempt failed with `code`, or is the first to be connected (0)."""
        connection, addresses = self.connection, self._watcher.addresses
        assert connection is not None  # noqa: S101 - it ends the race when it ends itself
        place = self._attempts.index(attempt)
        if code:
            del self._attempts[place]
            self._watcher.drop(attempt)
            addresses.failed(attempt.address, monotonic_ns())
            self._begin()
            return
        for slower in (connection.address, *(before.address for before in self._attempts[:place])):
            addresses.failed(slower, monotonic_ns())
        del self._attempts[place]
        connection.adopt(attempt)
        connection.on_ready(0)

    def under_way(self) -> list[int]:
        """The addresses that are being tried beside the connection's own."""
        return [attempt.address for attempt in self._attempts]

    def end(self) -> None:
        """No further attempt is needed."""
        self._disarm()
        self.connection = None
        attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            self._watcher.drop(attempt)

    def _begin(self) -> None:
        self._disarm()
        if not self._rest:
            return
        try:
            sock, number, code = begin_next(self._watcher.addresses, self._rest)
        except ResourceLimitError:
            self._rest.clear()  # attempts in progress may still succeed
            return
        if code not in UNDER_WAY:
            sock.close()
            self._watcher.addresses.failed(number, monotonic_ns())
            return
        attempt = Attempt(self, sock, number)
        self._attempts.append(attempt)
        self._watcher.add_attempt(attempt)
        self._arm()

    def _arm(self) -> None:
        if self._rest:
            self._timer = self._watcher.call_later(ATTEMPT_DELAY_NS / NS_PER_S, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        self._begin()
