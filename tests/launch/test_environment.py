"""Child processes have of the environment what they need, and the cluster of a run's own lets nobody else in."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from distributed import Security
from distributed.comm.core import connect

from loadsim.child_processes import generator_environment, own_environment
from loadsim.launch.environment import processor_time, steal_share
from tests.launch.clusters import children
from tests.launch.support import PATIENCE_S, started

HIDDEN = "hidden-0815"
UNRELATED = {"AWS_SECRET_ACCESS_KEY": HIDDEN, "TRACKPILOTS_WEBHOOKS_SECRET_KEY": HIDDEN, "pythonish": HIDDEN}
RUN = ("run", "embedded", "-r", "20/s", "-d", "1h", "-q")


def test_a_child_gets_what_it_needs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in UNRELATED.items():
        monkeypatch.setenv(name, value)
    needed = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSLKEYLOGFILE", "COVERAGE_PROCESS_START")
    for name in needed:
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    given = own_environment()
    assert {name: given[name] for name in needed} == dict.fromkeys(needed, "x")
    assert given["OPENBLAS_NUM_THREADS"] == "1"
    assert HIDDEN not in given.values()
    assert own_environment(["pythonish"])["pythonish"] == HIDDEN
    assert UNRELATED.items() <= own_environment(everything=True).items()


def test_a_generator_keeps_the_memory_of_its_arrays_and_no_other_child_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    assert int(generator_environment()["MALLOC_TRIM_THRESHOLD_"]) > 2**20
    assert "MALLOC_TRIM_THRESHOLD_" not in own_environment()
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4096")
    assert generator_environment()["MALLOC_TRIM_THRESHOLD_"] == "4096"


def below(pid: int) -> list[int]:
    """All processes that a process and its children have started."""
    found = children(pid)
    return found + [each for child in found for each in below(child)]


def of(pid: int, what: str) -> bytes:
    """A file of a process in /proc; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def holders(pid: int, text: bytes) -> list[int]:
    """The processes below one that have a text in their environment."""
    return [each for each in below(pid) if text in of(each, "environ")]


def others_may_nothing(directory: Path) -> bool:
    return stat.S_IMODE(directory.stat().st_mode) == 0o700


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not found():  # noqa: ASYNC110 - other processes tell of nothing
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("where", "processes"), [(("-w", "2"), 3), (("--cluster", "local:2"), 5)])
async def test_no_process_of_a_run_has_what_is_not_its_own(
    where: tuple[str, ...], processes: int, tmp_path: Path
) -> None:
    async with started(*RUN, *where, cwd=tmp_path, env=UNRELATED) as process:
        # for a moment there may be others, and one that only now begins has its parent's yet
        await until(lambda: len(below(process.pid)) >= processes and not holders(process.pid, HIDDEN.encode()))


@pytest.mark.slow
async def test_the_cluster_of_a_run_lets_nobody_else_in(tmp_path: Path) -> None:
    async with started(*RUN, "--cluster", "local:2", cwd=tmp_path, env=UNRELATED) as process:
        await until(lambda: len(below(process.pid)) >= 5)
        commands = [of(pid, "cmdline").decode().split("\0") for pid in children(process.pid)]
        worker = next(words for words in commands if "distributed.cli.dask_worker" in words)
        address = next(word for word in worker if "://" in word)
        ca, cert, key = (worker[worker.index(f"--tls-{what}") + 1] for what in ("ca-file", "cert", "key"))
        assert others_may_nothing(Path(key).parent)
        assert not holders(process.pid, b"PRIVATE KEY")
        own = Security(require_encryption=True, tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key)
        assert await let_in(address, own), "or the rest proves nothing"
        assert not await let_in(address, Security.temporary())
        assert not await let_in(address.replace("tls://", "tcp://"), Security())
        process.kill()
        await process.communicate()


async def let_in(address: str, security: Security) -> bool:
    """Whether a scheduler answers who comes with these certificates."""
    try:
        comm = await connect(address, timeout=5, **security.get_connection_args("client"))
        await comm.write({"op": "identity", "reply": True})
        told = await asyncio.wait_for(comm.read(), 5)
    except (OSError, TimeoutError):
        return False
    comm.abort()
    return "workers" in told


def test_what_a_hypervisor_took_is_a_share_of_all_processor_time(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 800 10 0 0 40 7 0\ncpu0 1 2 3\n")
    before = processor_time(str(stat))
    stat.write_text("cpu  150 0 50 840 10 0 0 50 7 0\n")
    assert steal_share(before, processor_time(str(stat))) == pytest.approx(0.1)
    assert steal_share(before, before) is None
    stat.write_text("cpu  nothing\n")
    assert processor_time(str(stat)) is None
    assert steal_share(None, before) is None
