"""When the kernel received what is read from a socket: how late we read it.

Linux stamps received TCP data in software (SO_TIMESTAMPING, Documentation/networking/timestamping.rst). A stamp is of
the last byte that the kernel put together with what is read, so it stands for an answer only where nothing follows. It
is wall-clock time: it is converted with an offset that is read in the same turn, and not used where the wall clock was
set since the turn before.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

from loadsim.engine.pacer import Clock, monotonic_ns
from loadsim.model import NS_PER_MS, NS_PER_S

_SO_TIMESTAMPING = 37
_RECEIVED_IN_SOFTWARE = 1 << 3 | 1 << 4
"""SOF_TIMESTAMPING_RX_SOFTWARE, which makes stamps, and SOF_TIMESTAMPING_SOFTWARE, which tells them."""
_STAMPS = struct.Struct("@" + 3 * "ll")
"""struct scm_timestamping; the first of the three is made in software."""
_first = struct.Struct("@ll").unpack_from
_ROOM = socket.CMSG_SPACE(_STAMPS.size) if hasattr(socket, "CMSG_SPACE") else 0
_STEP_NS = NS_PER_MS
_SLEW = 1000
"""Clocks that are adjusted run by less than a thousandth faster or slower."""


Message = tuple[bytes, list[tuple[int, int, bytes]], int, Any]
"""What `recvmsg` of a socket gives."""


def ask(sock: socket.socket) -> bool:
    """Have what the socket receives stamped; False where the system cannot."""
    if not sys.platform.startswith("linux") or not _ROOM:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _RECEIVED_IN_SOFTWARE)
    except OSError:
        return False
    return True


def receive(recvmsg: Callable[[int, int], Message], size: int) -> tuple[bytes, int]:
    """As `recv`, with the stamp (wall clock, ns); 0 where there is none, or where more may follow. Raises OSError.

    `recvmsg`: of the socket, which is asked for nothing else beside its data."""
    data, extra, _, _ = recvmsg(size, _ROOM)
    if extra and len(data) < size:
        _, kind, value = extra[0]
        if kind == _SO_TIMESTAMPING and len(value) == _STAMPS.size:
            seconds, nanoseconds = _first(value)
            return data, seconds * NS_PER_S + nanoseconds
    return data, 0


def receive_sealed(
    recvmsg: Callable[[int, int], Message], opened: Callable[[bytes], bytes], size: int
) -> tuple[bytes, int]:
    """As `receive`, of what is `opened` from its records then. Raises what that raises, too."""
    data, stamp = receive(recvmsg, size)
    return opened(data), stamp


class WallClock:
    """How far the wall clock is ahead of the monotonic one, and whether it was set."""

    def __init__(self, clock: Clock = monotonic_ns, wall: Clock = time.time_ns) -> None:
        self._clock, self._wall = clock, wall
        self._at = clock()
        self._ahead = wall() - self._at

    def ahead_ns(self) -> int | None:
        """The offset now; None where it is not what it was the last time."""
        now = self._clock()
        ahead = self._wall() - now
        moved, self._ahead = abs(ahead - self._ahead), ahead
        elapsed, self._at = now - self._at, now
        return ahead if moved <= _STEP_NS + elapsed // _SLEW else None
