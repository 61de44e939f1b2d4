"""Loopback servers that misbehave on purpose: blocking sockets in threads, so that each reads from top to bottom.

A behaviour is a function of one accepted socket. It may answer, cut, reset, drip or stay silent; when it returns the
connection is closed in good order. Nothing here sleeps: a server that hangs waits for the end of the test, and one that
outlasts a timeout moves the clock that the engine reads.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from loadsim.engine.pacer import monotonic_ns

Behaviour = Callable[["Peer"], None]

CERTS = Path(__file__).parent / "certs"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OUTLASTED_NS = 3_600_000_000_000
"""Longer than any timeout of these tests."""


class GoneError(Exception):
    """The client closed, or the test is over."""


class Peer:
    """One accepted connection, seen from the server."""

    def __init__(self, sock: socket.socket, number: int, server: Server) -> None:
        self.sock = sock
        self.number = number
        """Which connection of this server it is, from 0."""
        self._server = server
        self._kept = b""

    def request(self) -> bytes:
        """The next request, head and body. Raises GoneError at its end."""
        while b"\r\n\r\n" not in self._kept:
            self._more()
        head, _, rest = self._kept.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        while len(rest) < length:
            self._more()
            rest = self._kept[len(head) + 4 :]
        self._kept = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def requests(self, answer: bytes = OK) -> None:
        """Answer everything until the client goes."""
        while True:
            self.request()
            self.send(answer)

    def send(self, data: bytes) -> None:
        """Raises GoneError when nobody listens any more."""
        try:
            self.sock.sendall(data)
        except OSError:
            raise GoneError from None

    def drip(self, data: bytes) -> None:
        """One segment per byte."""
        for number in range(len(data)):
            self.send(data[number : number + 1])

    def peek(self) -> None:
        """Wait until something has come, and leave it unread."""
        if not self.sock.recv(1, socket.MSG_PEEK):
            raise GoneError

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def goodbye(self) -> None:
        """End the TLS stream as TLS has it (close_notify)."""
        assert isinstance(self.sock, ssl.SSLSocket)
        with contextlib.suppress(OSError):
            self.sock.unwrap()  # and the other side need not answer

    def forge(self, record: bytes) -> None:
        """Write beside TLS, as somebody on the way could."""
        with socket.socket(fileno=os.dup(self.sock.fileno())) as plain:
            plain.sendall(record)

    def pause(self, seconds: float) -> None:
        """Do nothing for so long. Raises GoneError when the test is over."""
        if self._server.over.wait(seconds):
            raise GoneError

    def hang(self) -> None:
        """Hold the connection until the test is over."""
        self._server.over.wait()

    def outlast(self) -> None:
        """Hold the connection until the test is over, while on the server's clock an hour passes at once."""
        self.advance()
        self.hang()

    def advance(self) -> None:
        """On the server's clock an hour passes at once."""
        self._server.ahead_ns += OUTLASTED_NS

    def until_closed(self) -> None:
        """Read and forget, until the client closes."""
        with contextlib.suppress(GoneError):
            while True:
                self._more()

    def _more(self) -> None:
        try:
            data = self.sock.recv(65536)
        except OSError:
            raise GoneError from None
        if not data:
            raise GoneError
        self._kept += data


class Server:
    """Listens on a loopback port and lets `behaviour` loose on each connection."""

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        tls: str | None = None,
        family: socket.AddressFamily = socket.AF_INET,
        receive_buffer: int | None = None,
        host: str | None = None,
        port: int = 0,
    ) -> None:
        self._behaviour = behaviour
        self.over = threading.Event()
        """Set at the end of the test."""
        self.ahead_ns = 0
        """How far `clock` is ahead of the machine's."""
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(CERTS / f"{tls}.pem")
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        host = host or ("::1" if family == socket.AF_INET6 else "127.0.0.1")
        self._listener.bind((host, port))
        self._listener.listen(1024)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}/hook"
        self.accepted = 0
        self.faults: list[BaseException] = []
        self._acceptor = threading.Thread(target=self._accept)

    def clock(self) -> int:
        """For an engine in place of the monotonic clock: a timeout ends when a connection says so, on any machine."""
        return monotonic_ns() + self.ahead_ns

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                # not SSLSocket's own, after which a thread that still reads would get records as if they were text
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._socks:
            sock.close()
        if error is None:
            assert self.faults == []

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock, self.accepted))
            self.accepted += 1
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        self._socks.append(sock)
        try:
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self._behaviour(Peer(sock, number, self))
        except (GoneError, OSError):
            pass  # the client went first, or refused the certificate
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            self.faults.append(error)
        finally:
            with contextlib.suppress(OSError):
                if self._context is None:
                    sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextlib.contextmanager
def black_hole(host: str, port: int) -> Iterator[None]:
    """An address where connecting never ends: the queue of its listener is full, and nobody takes anything off it."""
    with socket.socket() as listener, socket.socket() as taken:
        listener.bind((host, port))
        listener.listen(0)
        taken.connect((host, port))
        yield


def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
