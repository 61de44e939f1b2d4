"""The check that all hosts of a cluster have the versions of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadsim.model import LoadsimError


def check_versions(found: Mapping[str, Any], hosts: Mapping[str, str]) -> None:
    """Refuse a cluster with different versions. Raises LoadsimError, in one line.

    `found` as Dask's `get_versions` gives it, `hosts`: worker → the name of its host. The scheduler only forwards
    messages and needs no loadsim.
    """
    ours = _versions(found["client"])
    theirs = {"the scheduler": _versions(found["scheduler"])}
    theirs["the scheduler"].pop("loadsim")
    theirs |= {name: _versions(found["workers"][worker]) for worker, name in hosts.items()}
    for name, versions in theirs.items():
        for what, version in versions.items():
            if version != ours[what]:
                has = f"has {what} {version}" if version else f"has no {what}"
                raise LoadsimError(f"{name} {has}, this machine {ours[what]}: all hosts need the same version")


def _versions(of: Mapping[str, Any] | None) -> dict[str, str | None]:
    if of is None:
        return dict.fromkeys(("Python", "loadsim", "distributed"))
    packages = of["packages"]
    python = ".".join(str(of["host"]["python"]).split(".")[:3])
    return {"Python": python, "loadsim": packages.get("loadsim"), "distributed": packages.get("distributed")}
