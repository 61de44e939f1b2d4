"""Plotly's own script, which draws the charts in the page: the only file that imports the library."""

from __future__ import annotations

from functools import cache


@cache
def library() -> str | None:
    """Plotly's script, to stand in the page; None where the library is not installed (extra `report`)."""
    try:
        from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]
    except ImportError:
        return None
    script: str = get_plotlyjs()
    return script
