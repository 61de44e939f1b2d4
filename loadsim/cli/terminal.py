"""Prints a report on standard output, in the width of the terminal, and in colour where that is wanted."""

from __future__ import annotations

import sys

from rich.console import Console

from loadsim.cli.output import put
from loadsim.report.blocks import Report
from loadsim.report.terminal import render

NARROWEST, WIDEST, UNKNOWN = 80, 160, 100


def print_report(report: Report, *, details: bool = True) -> None:
    """Print the report; without `details`, without its detail sections.

    There is no colour when NO_COLOR is set, the terminal is dumb, or the output is not a terminal.
    """
    console = Console(file=sys.stdout)
    width = max(NARROWEST, min(console.width, WIDEST)) if console.is_terminal else UNKNOWN
    colour = console.is_terminal and not console.no_color and console.color_system is not None
    put(render(report, width=width, colour=colour, details=details), colour=colour)
