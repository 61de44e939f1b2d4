"""A cluster of our own on this machine, which lives as long as a run: `--cluster local:N`.

Anyone who can reach a Dask scheduler or worker can run code there, and every user of the machine can reach loopback.
Both sides therefore need a certificate, which is made for this run only and lies in files that only this user can read.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path

from distributed import Scheduler, Security

from loadsim.child_processes import own_command, own_environment
from loadsim.launch.launcher import READY_S
from loadsim.model import LoadsimError

_HTTP = "127.0.0.1:0"
"""Dask serves figures over HTTP even without a dashboard, and by default on every network."""
_OPTIONS = (
    *("--no-nanny", "--nthreads", "1", "--memory-limit", "0", "--death-timeout", "30"),
    *("--no-dashboard", "--dashboard-address", _HTTP),
)
_END_S = 2.0
"""Time for a worker to end after it was asked to."""


class OwnCluster:
    """A scheduler in this process and workers in processes of their own, each at a loopback address of its own.

    A worker leads a session, so that a terminal's Ctrl-C reaches the launcher alone; it ends when its scheduler does.
    """

    def __init__(self) -> None:
        self.security = Security.temporary()
        self._scheduler = Scheduler(
            host="127.0.0.1",
            port=0,
            protocol="tls://",
            security=self.security,
            dashboard=False,
            dashboard_address=_HTTP,
        )
        self._files = tempfile.TemporaryDirectory(prefix="loadsim-")  # for this user alone
        self._workers: list[asyncio.subprocess.Process] = []

    async def start(self, workers: int) -> str:
        """The scheduler's address, once all workers are there. Raises LoadsimError."""
        await self._scheduler
        address: str = self._scheduler.address
        certificates = self._certificates()
        for number in range(1, workers + 1):
            options = ("--host", f"127.0.0.{number}", *certificates, *_OPTIONS)
            command = own_command("distributed.cli.dask_worker", address, *options)
            environment = {**own_environment(), "DASK_LOGGING__DISTRIBUTED": "critical"}
            process = await asyncio.create_subprocess_exec(
                *command, env=environment, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
            self._workers.append(process)
        deadline = time.monotonic() + READY_S
        while len(self._scheduler.workers) < workers:
            if time.monotonic() > deadline or any(process.returncode is not None for process in self._workers):
                raise LoadsimError(f"only {len(self._scheduler.workers)} of {workers} workers started")
            await asyncio.sleep(0.02)
        return address

    def _certificates(self) -> list[str]:
        """The options of a worker with its certificates."""
        options = []
        for option, text in (
            ("--tls-ca-file", self.security.tls_ca_file),
            ("--tls-cert", self.security.tls_worker_cert),
            ("--tls-key", self.security.tls_worker_key),
        ):
            path = Path(self._files.name) / f"{option.rpartition('-')[2]}.pem"
            path.write_text(text, encoding="ascii")
            options += [option, str(path)]
        return options

    async def close(self) -> None:
        """End all workers and delete the certificates."""
        self._files.cleanup()
        for send in (asyncio.subprocess.Process.terminate, asyncio.subprocess.Process.kill):
            living = [process for process in self._workers if process.returncode is None]
            for process in living:
                with contextlib.suppress(ProcessLookupError):
                    send(process)
            if living:
                await asyncio.wait([asyncio.create_task(process.wait()) for process in living], timeout=_END_S)
        await self._scheduler.close()
