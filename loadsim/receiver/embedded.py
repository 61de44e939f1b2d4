"""The receiver started from within a program: the same workers and counters as the command, for embedded runs.

It needs a running event loop, which also watches the workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from loadsim.measure.ledger_document import RunLedger
from loadsim.model import Secret, UsageError
from loadsim.receiver.admin_interface import Admin
from loadsim.receiver.forwarding import check_forward
from loadsim.receiver.options import ReceiverOptions
from loadsim.receiver.supervisor import ReceiverStats, Supervisor, listen
from loadsim.signing import scheme
from loadsim.signing.certificates import CERTIFICATE_PATH, own_certificate


def _ignore(line: str) -> None:
    """The default of `say`: ignores the line."""


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
        """The port that accepts webhooks."""
        return self._supervisor.port

    @property
    def url(self) -> str:
        """The URL to POST webhooks to."""
        return self._options.url(self.port)

    @property
    def certificate_url(self) -> str | None:
        """Where it serves the certificate of its key; None when it has none."""
        return _url(self._options.host, self.port) + CERTIFICATE_PATH if self._supervisor.certificate else None

    @property
    def admin_url(self) -> str | None:
        """The URL of counters, ledger and effects, without a path; None when they are not served."""
        return _url(*self._admin.address) if self._admin is not None else None

    @property
    def effects_url(self) -> str | None:
        """The URL of the effects of its work; None when it does none, or they are not served."""
        return None if self._options.process is None or self._admin is None else f"{self.admin_url}/effects"

    def stats(self) -> ReceiverStats:
        """The counts as of now; also after `stop`."""
        return self._supervisor.stats()

    def register(self, run: str) -> None:
        """Keep a ledger of this run from now on. Raises LoadsimError without a ledger, ValueError for an invalid
        name."""
        self._supervisor.register(run)

    async def ledger_of(self, run: str) -> RunLedger | None:
        """The ledger of a run up to now; None when the run is not registered. Not available after `stop`."""
        return await self._supervisor.ledger_of(run)

    async def stop(self) -> None:
        """Answer what is in flight, end every process, keep the final counts."""
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

    `secret` may be None only with `verify=False`. `old_secret` is accepted beside it until `retire_ns`. `say` gets a
    line when a worker had to be replaced. Raises LoadsimError in one line for a port in use, an unknown scheme, or a
    worker that does not start.
    """
    described = scheme(options.scheme, options.custom)
    certificate = ""
    if options.fetch_certificates and described.certificate is None:
        raise UsageError(f"fetch-certificates: deliveries of scheme {described.name} name no certificate")
    if options.verify and secret is not None:
        described.verifier(
            secret, url=options.public_url or options.url(options.port)
        )  # a key in the wrong form is reported here, not by a worker
        certificate = own_certificate(described, secret, time.time())
    if options.forward is not None:
        check_forward(options.forward, options.port)
    admin_listener = listen(*options.admin, 1)[0] if options.admin is not None else None
    supervisor = Supervisor(options, secret, say, old_secret, certificate)
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
