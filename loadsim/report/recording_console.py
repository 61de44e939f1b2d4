"""A console of rich's that prints into a buffer. Knows no report, so that the panel of a single event imports none."""

from __future__ import annotations

import io

from rich.console import Console


def recording(width: int, *, colour: bool) -> tuple[Console, io.StringIO]:
    """A console of this width, and a buffer with the text that is printed on it."""
    text = io.StringIO()
    console = Console(
        file=text,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    return console, text
