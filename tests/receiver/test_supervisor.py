"""Workers as processes: they add up, are replaced, keep the secret, and never outlive their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from loadsim.model import NS_PER_MS, LoadsimError, Secret, UsageError
from loadsim.receiver.embedded import RunningReceiver, start_receiver
from loadsim.receiver.options import ENGINES, Engine, ReceiverOptions
from loadsim.receiver.supervisor import ReceiverStats
from tests.receiver.raw_client import PATIENCE_S, SECRET, connect, exchange, request, until

ON_LINUX = Path("/proc/self/stat").exists()


async def spread(running: RunningReceiver) -> None:
    """One event to each of two workers at least: the kernel distributes connections at random."""
    async with asyncio.timeout(PATIENCE_S):
        while any(worker.counts.received == 0 for worker in running.stats().per_worker):
            assert (await exchange(running.port, request())).status == 200


@pytest.mark.parametrize("engine", ENGINES)
async def test_two_workers_share_a_port_and_add_up(engine: Engine) -> None:
    async with await start_receiver(ReceiverOptions(workers=2, engine=engine, admin=None), SECRET) as running:
        await spread(running)
        assert (await exchange(running.port, request(headers=b""))).status == 400
        stats = running.stats()
    for field in ("received", "verified", "answered", "bytes"):
        total = getattr(stats.total, field)
        assert total == sum(getattr(worker.counts, field) for worker in stats.per_worker)
    assert stats.total.received == stats.total.verified + sum(stats.total.rejected.values())
    assert running.stats().total == stats.total


async def test_a_killed_worker_is_replaced_and_its_counts_stay() -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    options = ReceiverOptions(engine="bare", admin=None)
    async with await start_receiver(options, SECRET, say=said.put_nowait) as running:
        assert (await exchange(running.port, request())).status == 200
        (before,) = running.stats().per_worker
        os.kill(before.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            line = await said.get()
        assert f"worker 0 (pid {before.pid}) was killed by signal 9: restarted" in line
        assert (await exchange(running.port, request())).status == 200  # the socket is the parent's: this one waited
        (after,) = running.stats().per_worker
        assert after.pid != before.pid
        assert (after.restarts, after.counts.verified) == (1, 2)


@pytest.mark.parametrize("engine", ENGINES)
async def test_stop_answers_what_is_in_flight(engine: Engine) -> None:
    running = await start_receiver(ReceiverOptions(engine=engine, delay_ns=300 * NS_PER_MS, admin=None), SECRET)
    client, idle = await connect(running.port), await connect(running.port)
    await client.send(request())
    await until(lambda: running.stats().total.received == 1)
    stopping = asyncio.create_task(running.stop())
    assert (await client.reply()).status == 200
    assert await client.ended()
    assert await idle.ended()
    await stopping
    assert running.stats().total.answered == 1
    await client.close()
    await idle.close()
    with pytest.raises(ConnectionRefusedError):
        await connect(running.port)


async def test_the_admin_port_serves_the_counts() -> None:
    async with await start_receiver(ReceiverOptions(engine="bare"), SECRET) as running:
        await exchange(running.port, request())
        assert running.admin_url is not None
        admin = int(running.admin_url.rpartition(":")[2])
        stats = msgspec.json.decode(
            (await exchange(admin, b"GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n")).body, type=ReceiverStats
        )
        assert stats.total == running.stats().total
        assert (await exchange(admin, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")).status == 200
        assert (await exchange(running.port, b"GET /stats HTTP/1.1\r\nHost: x\r\n\r\n")).status == 404


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_port_in_use_is_one_clear_line(workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LoadsimError, match=f"127.0.0.1:{port} is already in use"):
            await start_receiver(ReceiverOptions(port=port, workers=workers, admin=None), SECRET)
        with pytest.raises(LoadsimError, match=f"127.0.0.1:{port} is already in use"):
            await start_receiver(ReceiverOptions(admin=("127.0.0.1", port)), SECRET)


async def test_a_second_receiver_does_not_creep_in_beside_the_first() -> None:
    async with await start_receiver(ReceiverOptions(workers=2, engine="bare", admin=None), SECRET) as running:
        with pytest.raises(LoadsimError, match="already in use"):
            await start_receiver(ReceiverOptions(port=running.port, workers=2, admin=None), SECRET)


async def test_an_address_that_is_not_ours_is_one_clear_line() -> None:
    with pytest.raises(LoadsimError, match=r"cannot listen on 192\.0\.2\.1:0"):
        await start_receiver(ReceiverOptions(host="192.0.2.1", admin=None), SECRET)


async def test_what_cannot_verify_is_refused_before_any_process() -> None:
    with pytest.raises(UsageError, match="unknown signature scheme"):
        await start_receiver(ReceiverOptions(scheme="nosuch", admin=None), SECRET)
    with pytest.raises(LoadsimError, match="secret"):
        await start_receiver(ReceiverOptions(admin=None), None)


async def test_nothing_is_verified_on_request() -> None:
    async with await start_receiver(ReceiverOptions(verify=False, engine="bare", admin=None), None) as running:
        assert (await exchange(running.port, request(headers=b""))).status == 200
        total = running.stats().total
        assert (total.verified, total.unchecked) == (0, 1)


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
async def test_the_secret_is_in_no_command_line_and_no_environment() -> None:
    secret = Secret("a-secret-to-look-for")
    async with await start_receiver(ReceiverOptions(engine="bare", admin=None), secret) as running:
        (worker,) = running.stats().per_worker
        for name in ("cmdline", "environ"):
            assert secret.reveal().encode() not in _proc(worker.pid, name)


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
async def test_workers_end_with_a_parent_that_is_killed() -> None:
    script = textwrap.dedent("""
        import asyncio
        from loadsim.receiver.embedded import start_receiver
        from loadsim.receiver.options import ReceiverOptions

        async def main():
            running = await start_receiver(ReceiverOptions(verify=False, engine="bare", workers=2, admin=None), None)
            print(*(worker.pid for worker in running.stats().per_worker), flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    parent.kill()
    await parent.wait()
    await until(lambda: not any(_alive(pid) for pid in pids))


def _proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _alive(pid: int) -> bool:
    try:
        return _proc(pid, "stat").rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
