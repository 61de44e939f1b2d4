"""The cluster of a run, from the command line, and the checks whether it may be used.

Anyone who can reach a Dask scheduler can run code on it. Unencrypted TCP to other machines is therefore refused unless
it is explicitly allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from loadsim.extras import install
from loadsim.model import UsageError
from loadsim.plan.cluster import Cluster

MOST_LOCAL = 64
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):([0-9]{1,5})/?\Z")
_LOCAL = re.compile(r"local:([0-9]{1,3})\Z")


def cluster_of(
    text: str,
    *,
    per_host: int = 1,
    ship_secret: bool = False,
    allow_lost: int = 0,
    insecure: bool = False,
    ca: str | None = None,
    cert: str | None = None,
    key: str | None = None,
) -> Cluster:
    """The cluster of `--cluster TEXT` and its other options. Raises UsageError, in one line."""
    local, remote = _LOCAL.match(text), _ADDRESS.match(text)
    if local is None and (remote is None or int(remote[3]) > 65535):
        raise UsageError(f"--cluster {text}: write tcp://HOST:PORT, tls://HOST:PORT, or local:N")
    if local is not None and not 1 <= int(local[1]) <= MOST_LOCAL:
        raise UsageError(f"--cluster {text}: from 1 to {MOST_LOCAL} workers on this machine")
    if find_spec("distributed") is None:
        raise UsageError(f"--cluster needs Dask, which is not installed: {install('dask')}")
    if local is not None and find_spec("cryptography") is None:
        raise UsageError(f"--cluster {text}: its certificates need cryptography: {install('dask')}")
    found = Cluster(
        address=text.rstrip("/") if remote else "",
        local=int(local[1]) if local else 0,
        per_host=per_host,
        ship_secret=ship_secret,
        allow_lost=allow_lost,
        insecure=insecure,
        ca=ca,
        cert=cert,
        key=key,
    )
    _check_security(found)
    return found


def _check_security(cluster: Cluster) -> None:
    files = {"--cluster-ca": cluster.ca, "--cluster-cert": cluster.cert, "--cluster-key": cluster.key}
    given = [flag for flag, path in files.items() if path]
    if given and (cluster.local or not cluster.encrypted):
        raise UsageError(f"{', '.join(given)}: only a tls:// cluster uses certificates")
    for flag, path in files.items():
        if path and not _is_file(path):
            raise UsageError(f"{flag} {path}: there is no such file")
    if cluster.key and b"ENCRYPTED" in Path(cluster.key).read_bytes():
        raise UsageError(
            f"--cluster-key {cluster.key}: is encrypted, and Dask has no option for a pass phrase: decrypt it"
        )
    if given and len(given) < len(files):
        missing = ", ".join(flag for flag in files if flag not in given)
        raise UsageError(f"{', '.join(given)}: {missing} must be given too (both sides need a certificate)")
    if cluster.encrypted or cluster.here:
        return
    if not cluster.insecure:
        raise UsageError(
            f"--cluster {cluster.shown}: anyone can run code on a Dask scheduler with unencrypted TCP: use "
            "tls://, or give --insecure-cluster on a network of your own"
        )
    if cluster.ship_secret:
        raise UsageError(
            "--ship-secret: a secret is sent over tls:// or within this machine only, not over unencrypted TCP"
        )


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False  # no file can have such a name


def hosts_of(workers: Mapping[str, str]) -> list[tuple[str, str]]:
    """From worker address → host to (host, one worker of it), by host: a shard is a process of its own anyway."""
    places: dict[str, str] = {}
    for worker in sorted(workers):
        places.setdefault(workers[worker], worker)
    return sorted(places.items())
