"""Prints a report on standard output as the terminal there can take it: its width, and colour only where wanted."""

from __future__ import annotations

import sys
from typing import Protocol

import click
from rich.console import Console

from loadsim.measure.result import RunResult
from loadsim.report.text import render_text, render_verdict

NARROWEST, WIDEST, UNKNOWN = 80, 160, 100


def print_report(result: RunResult) -> None:
    """The whole terminal report."""
    _print(result, render_text)


def print_verdict(result: RunResult) -> None:
    """The verdict, its objectives and its reasons only."""
    _print(result, render_verdict)


class _Render(Protocol):
    def __call__(self, result: RunResult, *, width: int, colour: bool) -> str: ...


def _print(result: RunResult, render: _Render) -> None:
    """No colour when NO_COLOR is set, the terminal is dumb, or there is none."""
    console = Console(file=sys.stdout)
    width = max(NARROWEST, min(console.width, WIDEST)) if console.is_terminal else UNKNOWN
    colour = console.is_terminal and not console.no_color and console.color_system is not None
    click.echo(render(result, width=width, colour=colour), nl=False, color=colour)
