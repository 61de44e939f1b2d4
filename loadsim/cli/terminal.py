"""Prints a report on standard output as the terminal there can take it: its width, and colour only where wanted."""

from __future__ import annotations

import sys
from typing import Protocol, TypeVar

from rich.console import Console

from loadsim.cli.output import put
from loadsim.measure.capacity import CapacityResult
from loadsim.measure.result import RunResult
from loadsim.report.capacity import render_capacity_text
from loadsim.report.text import render_text, render_verdict

_Result_contra = TypeVar("_Result_contra", contravariant=True)

NARROWEST, WIDEST, UNKNOWN = 80, 160, 100


def print_report(result: RunResult) -> None:
    """The whole terminal report."""
    print_drawn(result, render_text)


def print_verdict(result: RunResult) -> None:
    """The verdict, its objectives and its reasons only."""
    print_drawn(result, render_verdict)


def print_capacity(result: CapacityResult) -> None:
    """The report of a search for the highest rate."""
    print_drawn(result, render_capacity_text)


def print_text(text: str) -> None:
    """A report that is plain text already."""
    put(text)


class _Render(Protocol[_Result_contra]):
    def __call__(self, result: _Result_contra, *, width: int, colour: bool) -> str: ...


def print_drawn(result: _Result_contra, render: _Render[_Result_contra]) -> None:
    """No colour when NO_COLOR is set, the terminal is dumb, or there is none."""
    console = Console(file=sys.stdout)
    width = max(NARROWEST, min(console.width, WIDEST)) if console.is_terminal else UNKNOWN
    colour = console.is_terminal and not console.no_color and console.color_system is not None
    put(render(result, width=width, colour=colour), colour=colour)
