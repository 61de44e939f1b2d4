"""Faults of connections on purpose: reset a connection, or read it slowly."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import TYPE_CHECKING

_LINGER_NOT = struct.pack("ii", 1, 0)
SMALL_BUFFER = 4096
"""Kernel buffer for what a slow reader has not read yet; the kernel doubles this value."""

if TYPE_CHECKING:
    _Base = asyncio.Protocol
else:
    _Base = object


def reset(transport: asyncio.Transport) -> None:
    """Close with RST: what was not sent is dropped, and the sender's next read or write fails."""
    own = transport.get_extra_info("socket")
    if own is not None and own.fileno() >= 0:
        with socket.socket(fileno=os.dup(own.fileno())) as handle:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


def read_little(listener: socket.socket) -> None:
    """Limit what the kernel buffers for connections of `listener`."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)


class SlowReading(_Base):
    """A mixin for a protocol: passes data on at `bytes_per_s`, and reads no more until then."""

    bytes_per_s: int
    _slow_transport: asyncio.Transport | None = None
    _free_at_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport) or hasattr(transport, "pause_reading"):
            self._slow_transport = transport  # type: ignore[assignment]  # uvloop's transports are none of asyncio's
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._slow_transport = None
        super().connection_lost(exc)  # type: ignore[arg-type]  # aiohttp's takes more than asyncio's

    def data_received(self, data: bytes) -> None:
        transport = self._slow_transport
        if transport is None:
            return
        transport.pause_reading()
        loop = asyncio.get_running_loop()
        self._free_at_s = max(loop.time(), self._free_at_s) + len(data) / self.bytes_per_s
        loop.call_at(self._free_at_s, self._hand_on, data)

    def _hand_on(self, data: bytes) -> None:
        transport = self._slow_transport
        if transport is None or transport.is_closing():
            return
        super().data_received(data)
        if not transport.is_closing():
            transport.resume_reading()
