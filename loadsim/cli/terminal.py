"""The terminal: what a command knows about its standard output and error, and a report printed in its width.

Importing it takes rich's time, so commands do so where they print.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from loadsim.cli.output import put

if TYPE_CHECKING:
    from loadsim.report.blocks import Report

NARROWEST, WIDEST, UNKNOWN = 80, 160, 100


class Screen(NamedTuple):
    """How wide a text may be on standard output, and whether it is coloured."""

    width: int
    colour: bool


def stdout_console() -> Console:
    """Standard output. Its `is_terminal` is False for files and pipes."""
    return Console(file=sys.stdout)


def screen(narrowest: int = NARROWEST, widest: int = WIDEST) -> Screen:
    """The width of the terminal within these limits, or `UNKNOWN` where standard output is none.

    There is no colour when NO_COLOR is set, the terminal is dumb, or the output is not a terminal.
    """
    console = stdout_console()
    width = max(narrowest, min(console.width, widest)) if console.is_terminal else UNKNOWN
    return Screen(width, console.is_terminal and not console.no_color and console.color_system is not None)


def redrawable() -> Console | None:
    """Standard error as a terminal that can be redrawn; None where it is not one, even if colours are forced."""
    console = Console(stderr=True, highlight=False)
    return console if sys.stderr.isatty() and console.is_terminal and not console.is_dumb_terminal else None


def print_report(report: Report, *, details: bool = True) -> None:
    """Print the report; without `details`, without its detail sections."""
    from loadsim.report.terminal import render

    width, colour = screen()
    put(render(report, width=width, colour=colour, details=details), colour=colour)
