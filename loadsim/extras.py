"""What to install where an extra of the package is missing, in one form for every message."""

from __future__ import annotations

from typing import Literal

Extra = Literal["asgi", "dashboard", "dask", "interop"]


def install(extra: Extra) -> str:
    """The command that installs an extra."""
    return f"pip install 'loadsim[{extra}]'"
