"""What is asked of a cluster and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadsim.launch.cluster import cluster_of, hosts_of
from loadsim.model import UsageError


@pytest.mark.parametrize(
    ("text", "encrypted", "here"),
    [
        ("local:2", True, True),
        ("tcp://127.0.0.1:8786", False, True),
        ("tcp://127.8.0.9:8786/", False, True),
        ("tcp://[::1]:8786", False, True),
        ("tcp://localhost:8786", False, True),
        ("tls://10.0.0.1:8786", True, False),
        ("tls://scheduler.test:8786", True, False),
    ],
)
def test_a_cluster_on_this_machine_or_behind_tls_is_taken(text: str, encrypted: bool, here: bool) -> None:
    found = cluster_of(text)
    assert (found.encrypted, found.here) == (encrypted, here)


@pytest.mark.parametrize("text", ["tcp://10.0.0.1:8786", "tcp://scheduler.test:8786", "tcp://127.0.0.1.evil.test:1"])
def test_plain_tcp_leaves_this_machine_only_if_that_is_said(text: str) -> None:
    with pytest.raises(UsageError, match=r"run code on a Dask scheduler.*--insecure-cluster"):
        cluster_of(text)
    assert not cluster_of(text, insecure=True).here
    with pytest.raises(UsageError, match="--ship-secret"):
        cluster_of(text, insecure=True, ship_secret=True)


@pytest.mark.parametrize(
    "text",
    ["", "local", "local:0", "local:65", "10.0.0.1:8786", "http://a:1", "tcp://a", "tcp://a:65536", "tcp://u@a:1"],
)
def test_what_is_no_cluster_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--cluster"):
        cluster_of(text)


def test_certificates_come_together_and_for_tls_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.pem"
    file.touch()
    with pytest.raises(UsageError, match="--cluster-ca: --cluster-cert, --cluster-key must be given too"):
        cluster_of("tls://a:1", ca=str(file))
    with pytest.raises(UsageError, match="only a tls://"):
        cluster_of("local:2", key=str(file))
    with pytest.raises(UsageError, match="no such file"):
        cluster_of("tls://a:1", ca=str(file), cert=str(file), key=str(tmp_path / "absent"))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadsim.launch.cluster.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'loadsim\[dask\]'"):
        cluster_of("local:2")


def test_a_host_is_an_address_and_one_of_its_workers_serves() -> None:
    workers = {"tcp://b:2": "b", "tcp://a:9": "a", "tcp://a:10": "a"}
    assert hosts_of(workers) == [("a", "tcp://a:10"), ("b", "tcp://b:2")]
