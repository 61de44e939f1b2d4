"""A receiver beside whatever runs in this process: the same workers and books as the command, for embedded runs.

Decides the order of starting and stopping. Needs a running event loop, which also watches the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from loadsim.measure.ledger import Books
from loadsim.model import Secret
from loadsim.receiver.admin import Admin
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.supervisor import Stats, Supervisor, listen
from loadsim.signing import scheme


def _ignore(line: str) -> None:
    """Nobody wants to hear."""


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class RunningReceiver:
    """A started receiver; an async context manager that stops it. Made by `start_receiver`."""

    def __init__(self, options: ReceiverOptions, supervisor: Supervisor, admin: Admin | None) -> None:
        self._options = options
        self._supervisor = supervisor
        self._admin = admin

    @property
    def port(self) -> int:
        """Where webhooks are taken."""
        return self._supervisor.port

    @property
    def url(self) -> str:
        """Where to POST webhooks."""
        return self._options.url(self.port)

    @property
    def admin_url(self) -> str | None:
        """Where the books are served, without a path; None when they are not."""
        return _url(*self._admin.address) if self._admin is not None else None

    def stats(self) -> Stats:
        """The books as of now; also after `stop`."""
        return self._supervisor.stats()

    def register(self, run: str) -> None:
        """Note what comes of this run from now on. Raises LoadsimError without a ledger, ValueError for a bad name."""
        self._supervisor.register(run)

    def books(self, run: str) -> Books | None:
        """Which events of a run came, as of a moment ago and not after `stop`; None where it is not registered."""
        return self._supervisor.books(run)

    async def stop(self) -> None:
        """Answer what is in flight, end every process, keep the final books."""
        await self._supervisor.stop()
        if self._admin is not None:
            await self._admin.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def start_receiver(
    options: ReceiverOptions,
    secret: Secret | None,
    *,
    old_secret: Secret | None = None,
    say: Callable[[str], None] = _ignore,
) -> RunningReceiver:
    """Start the processes of a receiver and return when all of them answer.

    `secret` may be None only with `verify=False`; `old_secret` is accepted beside it until `retire_ns`; `say` hears of
    workers that had to be replaced. Raises LoadsimError in one line: a port that is taken, an unknown scheme, a worker
    that does not start.
    """
    described = scheme(options.scheme, options.custom)
    if options.verify and secret is not None:
        described.verifier(
            secret, url=options.public_url or options.url(options.port)
        )  # a key in the wrong form is said here, not by a worker
    admin_listener = listen(*options.admin, 1)[0] if options.admin is not None else None
    supervisor = Supervisor(options, secret, say, old_secret)
    try:
        await supervisor.start()
        admin = None
        if admin_listener is not None:
            admin = Admin(supervisor, admin_listener, options.admin_names)
            await admin.start()
    except BaseException:
        await supervisor.stop()
        if admin_listener is not None:
            admin_listener.close()
        raise
    return RunningReceiver(options, supervisor, admin)
