"""Hosts of a cluster with other versions are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from loadsim.launch.host_versions import check_versions
from loadsim.model import LoadsimError


def made_with(python: str = "3.11.7", loadsim: str | None = "1.0", distributed: str = "2026.1") -> dict[str, Any]:
    """One part's versions as Dask gives them."""
    return {"host": {"python": f"{python}.final.0"}, "packages": {"loadsim": loadsim, "distributed": distributed}}


def test_hosts_of_one_make_are_taken_whatever_the_others_have() -> None:
    found = {
        "client": made_with(),
        "scheduler": made_with(loadsim=None),
        "workers": {"w1": made_with(), "w2": made_with(python="3.9.1")},
    }
    check_versions(found, {"w1": "a"})


@pytest.mark.parametrize(
    ("part", "of", "says"),
    [
        ("worker", made_with(python="3.11.8"), "a has Python 3.11.8, this machine 3.11.7"),
        ("worker", made_with(loadsim="0.9"), "a has loadsim 0.9, this machine 1.0"),
        ("worker", made_with(loadsim=None), "a has no loadsim, this machine 1.0"),
        ("worker", None, "a has no Python"),
        ("scheduler", made_with(distributed="2026.2"), "the scheduler has distributed 2026.2"),
    ],
)
def test_another_make_is_refused_by_name(part: str, of: dict[str, Any] | None, says: str) -> None:
    worker, scheduler = (of, made_with()) if part == "worker" else (made_with(), of)
    found = {"client": made_with(), "scheduler": scheduler, "workers": {"w": worker}}
    with pytest.raises(LoadsimError, match=says):
        check_versions(found, {"w": "a"})
