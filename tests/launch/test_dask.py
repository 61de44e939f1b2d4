"""Runs on a Dask cluster: real schedulers and workers, each host an address of loopback of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from loadsim.launch.shard_process import SHARD
from loadsim.measure.result import RunResult
from tests.cli.certificates import authority
from tests.launch.clusters import Cluster, alive, cluster, kept
from tests.launch.support import (
    PATIENCE_S,
    SECRET,
    SECRET_ENV,
    Command,
    Endpoint,
    balanced,
    command_line,
    endpoint,
    finish,
    loadsim,
    started,
    stored,
    until,
)

HOSTS = ("127.0.0.2", "127.0.0.3")
EASY = ("--objective", "med < 10s", "--objective", "success: rate > 0%", "--timeout", "60s")
"""What a busy machine meets too."""
NO_SECRET = {SECRET_ENV: ""}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared() -> AsyncIterator[Cluster]:
    """A cluster of two hosts that no test harms."""
    async with cluster(*HOSTS) as found:
        yield found


def lost(result: RunResult) -> dict[str, str]:
    """Host → why it was lost."""
    return {shard.host: shard.reason for shard in result.shards if shard.lost}


# -- what goes out ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_hosts_together_send_the_plan_and_count_what_the_endpoint_counts(
    shared: Cluster, tmp_path: Path
) -> None:
    options = ("-r", "200/s", "-d", "1s", "--seed", "5", "--epoch", "1746123456", *EASY)
    bodies = []
    for where in (("--cluster", shared.address, "--per-host", "2"), ("-w", "1")):
        async with endpoint() as served:
            env = NO_SECRET if "--cluster" in where else {}  # the hosts have it
            done = await loadsim("run", served.url, *options, *where, cwd=tmp_path, env=env)
            assert done.code in (0, 3), done.out + done.err  # 3: a busy machine may make the generator late
            assert sorted(served.arrivals) == list(range(200))
            bodies.append(served.bodies)
    assert bodies[0] == bodies[1]
    results = [result for path in (tmp_path / "reports").iterdir() if (result := _result(path))]
    spread = next(result for result in results if result.run.workers == 4)
    assert balanced(spread)
    assert spread.totals.succeeded == 200
    assert [(row.host, row.sent) for row in spread.shards] == [(HOSTS[n % 2], 50) for n in range(4)]
    assert len({row.pid for row in spread.shards}) == 4
    for row in spread.shards:  # one machine has one clock: the comparison must find that, within what it claims
        assert row.clock_ahead_ms is not None
        assert row.clock_residual_ms is not None
        assert abs(row.clock_ahead_ms) <= row.clock_residual_ms


def _result(directory: Path) -> RunResult:
    from loadsim.measure.result import load_result

    return load_result((directory / "result.json").read_bytes(), str(directory))


@pytest.mark.slow
@pytest.mark.long
async def test_a_secret_that_a_host_lacks_is_asked_for_by_name_or_sent(shared: Cluster, tmp_path: Path) -> None:
    async with endpoint(answering=False) as served:
        options = ("run", served.url, "-n", "20", "-c", "2", "--secret-env", "OURS", "--cluster", shared.address, *EASY)
        done = await loadsim(*options, cwd=tmp_path, env={"OURS": SECRET})
        assert done.code == 2, done.err
        assert done.err.count("\n") == 1
        assert "127.0.0." in done.err
        assert "OURS is not set" in done.err
        assert not served.arrivals
        async with started(*options, "--ship-secret", cwd=tmp_path, env={"OURS": SECRET}) as process:
            await served.seen(1)
            pids = [pid for host in HOSTS for pid in (shared.workers[host].pid, *shared.shards(host))]
            shown = [argument for pid in pids for argument in command_line(pid)]
            assert SHARD in shown
            held = await kept(shared.address)
            assert "serve_host" in held
            served.gate.set()
            done = await finish(process)
        assert done.code == 0, done.out + done.err
        assert len(served.bodies) == 20
        assert not [text for text in (*shown, held, done.out, done.err) if SECRET in text]
    assert "Traceback" not in done.err


async def test_ctrl_c_lets_what_is_under_way_end_on_every_host(shared: Cluster, tmp_path: Path) -> None:
    options = ("-r", "100/s", "-d", "1h", "--cluster", shared.address)
    async with endpoint() as served, started("run", served.url, *options, cwd=tmp_path) as process:
        await served.seen(20)
        pids = [pid for host in HOSTS for pid in shared.shards(host)]
        assert len(pids) == 2
        process.send_signal(signal.SIGINT)
        done = await finish(process)
        await until(lambda: not any(map(alive, pids)))
    result = stored(tmp_path)
    assert done.code == 130, done.err
    assert result.totals.succeeded == result.totals.planned == len(served.arrivals)
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.long
async def test_a_launcher_that_is_killed_leaves_no_load_behind(shared: Cluster, tmp_path: Path) -> None:
    options = ("-r", "100/s", "-d", "1h", "--cluster", shared.address)
    async with endpoint() as served, started("run", served.url, *options, cwd=tmp_path) as process:
        await served.seen(20)
        pids = [pid for host in HOSTS for pid in shared.shards(host)]
        process.kill()
        await until(lambda: not any(map(alive, pids)))
    assert len(pids) == 2


@pytest.mark.slow
@pytest.mark.long
async def test_a_host_with_another_version_is_refused(shared: Cluster, tmp_path: Path) -> None:
    stale = tmp_path / "stale" / "loadsim-0.0.9.dist-info"
    stale.mkdir(parents=True)
    (stale / "METADATA").write_text("Metadata-Version: 2.1\nName: loadsim\nVersion: 0.0.9\n", encoding="utf-8")
    path = os.pathsep.join((str(stale.parent), os.environ["PYTHONPATH"]))  # noqa: TID251
    async with cluster("127.0.0.4", env={"PYTHONPATH": path}) as found, endpoint() as served:
        done = await loadsim("run", served.url, "-n", "10", "--cluster", found.address, cwd=tmp_path)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "127.0.0.4 has loadsim 0.0.9, this machine" in done.err
    assert not served.arrivals
    assert not list((tmp_path / "reports").iterdir())


# -- lost hosts -------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def firing(found: Cluster, served: Endpoint, cwd: Path, *options: str) -> AsyncIterator[Command]:
    """A run on a cluster of each of whose hosts something has been heard: the command says so every five seconds."""
    command = ("run", served.url, "-r", "100/s", *EASY, "--cluster", found.address, *options)
    async with started(*command, cwd=cwd) as process:
        for host in found.workers:
            await said(process, rf"{host}  done [1-9]")
        yield process


async def said(process: Command, pattern: str) -> None:
    """Wait until the command says it on stderr. Dask by itself finds a lost host too, after 30 s or five minutes, but
    says it otherwise."""
    assert process.stderr is not None
    passed_over: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while line := (await process.stderr.readline()).decode():
                if re.search(pattern, line):
                    return
                passed_over.append(line)
    pytest.fail(f"the command did not say {pattern!r}, but:\n{''.join(passed_over)}")


@pytest.mark.slow
@pytest.mark.long
async def test_one_lost_host_is_allowed_and_a_second_stops_the_others(tmp_path: Path) -> None:
    hosts = (*HOSTS, "127.0.0.4")
    async with (
        cluster(*hosts) as found,
        endpoint() as served,
        firing(found, served, tmp_path, "-d", "1h", "--allow-lost", "1") as process,
    ):
        (frozen,), (orphan,) = found.shards(hosts[1]), found.shards(hosts[2])
        found.workers[hosts[1]].send_signal(signal.SIGSTOP)
        await said(process, "127.0.0.3 was lost: no message from it for 2 s")
        await served.seen(len(served.arrivals) + 50)  # the others go on
        await until(lambda: not alive(frozen))  # its lease ran out: nobody is there to end its stdin
        found.workers[hosts[2]].kill()
        await said(process, "127.0.0.4 was lost: ")
        done = await finish(process)
        await until(lambda: not alive(orphan))
        assert not found.shards(hosts[0])
    result = stored(tmp_path)
    assert done.code == 3, done.out
    assert list(lost(result)) == [*hosts[1:]]
    for number in (1, 2):
        assert any(reason.startswith(f"shard {number} was lost") for reason in result.validity.reasons)
    assert balanced(result)
    assert all(row.completed > 0 for row in result.shards)
    assert "2 of 3 hosts lost, 1 allowed: the others stop" in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.long
async def test_a_lost_scheduler_is_one_line_and_the_result_so_far(tmp_path: Path) -> None:
    async with cluster(*HOSTS) as found, endpoint() as served, firing(found, served, tmp_path, "-d", "1h") as process:
        pids = [pid for host in HOSTS for pid in found.shards(host)]
        found.scheduler.kill()
        done = await finish(process)
        await until(lambda: not any(map(alive, pids)))
    result = stored(tmp_path)
    assert done.code == 3, done.out
    assert lost(result) == dict.fromkeys(HOSTS, "the scheduler was lost")
    assert balanced(result)
    assert result.totals.completed >= 50
    assert [line for line in done.err.splitlines() if "lost" in line] == [
        f"loadsim: the scheduler at {found.address} was lost; its hosts end by themselves within 5 s"
    ]
    assert "Traceback" not in done.err


@pytest.fixture
def two_hosts() -> Iterator[dict[str, str]]:
    """Two network namespaces on a bridge of ours: address → name; gone afterwards. Skips where that is not allowed."""
    tag = f"ls{os.getpid() % 10_000}"
    names = {f"10.219.77.{2 + n}": f"{tag}{'ab'[n]}" for n in range(2)}
    script = [f"link add {tag}br type bridge", f"addr add 10.219.77.1/24 dev {tag}br", f"link set {tag}br up"]
    for address, name in names.items():
        script += [
            f"netns add {name}",
            f"link add v{name} type veth peer name eth0 netns {name}",
            f"link set v{name} master {tag}br up",
            f"-n {name} link set lo up",
            f"-n {name} addr add {address}/24 dev eth0",
            f"-n {name} link set eth0 up",
        ]
    try:
        for line in script:
            refusal = _ip(line)
            if refusal:
                pytest.skip(f"no network namespaces here: ip {line}: {refusal}")
        yield names
    finally:
        for line in (*(f"netns del {name}" for name in names.values()), f"link del {tag}br"):
            _ip(line)


def _ip(line: str) -> str:
    """`ip` with these words; what it says when it fails."""
    done = subprocess.run(["ip", *line.split()], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


@pytest.mark.slow
@pytest.mark.needs("ip")
@pytest.mark.long
async def test_a_host_that_is_cut_off_is_lost_and_the_others_go_on(tmp_path: Path, two_hosts: dict[str, str]) -> None:
    here = "10.219.77.1"
    within = {address: ("ip", "netns", "exec", name) for address, name in two_hosts.items()}
    near, far = two_hosts
    async with cluster(near, far, at=here, within=within) as found, endpoint(at=here) as served:
        refused = await loadsim("run", served.url, "-n", "1", "--cluster", found.address, cwd=tmp_path)
        assert refused.code == 2
        assert "--insecure-cluster" in refused.err
        options = ("-d", "1h", "--insecure-cluster", "--allow-lost", "1")
        async with firing(found, served, tmp_path, *options) as process:
            (pid,) = found.shards(far)
            await asyncio.to_thread(_ip, f"link set v{two_hosts[far]} down")
            await said(process, f"{far} was lost: ")
            await until(lambda: not alive(pid))
            await served.seen(len(served.arrivals) + 100)
            process.send_signal(signal.SIGINT)
            done = await finish(process)
    result = stored(tmp_path)
    assert done.code == 130, done.out
    assert not [reason for reason in result.validity.reasons if "lost" in reason], "one was allowed to be"
    assert lost(result) == {far: "no message from it for 2 s"}
    assert balanced(result)
    assert next(row for row in result.shards if row.host == near).completed >= 100


# -- certificates -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.needs("openssl")
async def test_mutual_tls_is_spoken_and_a_stranger_is_refused(tmp_path: Path) -> None:
    ours, strange = authority(tmp_path, "ours"), authority(tmp_path, "strange")
    both = {
        each.name: each.issue(f"{each.name}-node", usage="serverAuth,clientAuth", names=("127.0.0.2", "127.0.0.1"))
        for each in (ours, strange)
    }
    options = ("--protocol", "tls", "--tls-ca-file", ours.certificate, "--tls-cert", both["ours"])
    tls = tuple(map(str, (*options, "--tls-key", both["ours"])))
    async with cluster(HOSTS[0], options=tls) as found, endpoint() as served:
        assert found.address.startswith("tls://")
        for name, ca in (("ours", ours), ("strange", strange)):
            files = ("--cluster-ca", ca.certificate, "--cluster-cert", both[name], "--cluster-key", both[name])
            command = ("run", served.url, "-n", "10", "-c", "2", "--cluster", found.address, *files, *EASY)
            done = await loadsim(*command, "--ship-secret", cwd=tmp_path)
            if name == "ours":
                assert done.code == 0, done.out + done.err
                assert len(served.bodies) == 10
            else:
                assert done.code == 1
                assert done.err.count("\n") == 1, done.err
                assert "certificate" in done.err.lower()
                assert len(served.bodies) == 10
