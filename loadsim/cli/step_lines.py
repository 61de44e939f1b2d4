"""What a study says while it is at work: on a terminal its progress is one line, rewritten in place; elsewhere each
step is a line of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from loadsim.cli.streams import say


class StepLines(NamedTuple):
    """Both get one line of text."""

    say: Callable[[str], None]
    """For what has to stay."""
    progress: Callable[[str], None]
    """For what the next such line replaces."""


@contextlib.contextmanager
def step_lines(*, quiet: bool) -> Iterator[StepLines]:
    """Context in which a study may print its lines on standard error; `quiet`: none of them."""
    from loadsim.cli.terminal import redrawable

    console = redrawable()
    if quiet or console is None:
        silent = StepLines(lambda _: None, lambda _: None)
        yield silent if quiet else StepLines(say, say)
        return
    from rich.live import Live
    from rich.text import Text

    from loadsim.report.numbers import printable

    def line(text: str) -> Text:
        return Text(f"loadsim: {printable(text)}", no_wrap=True, overflow="ellipsis")

    with Live(console=console, auto_refresh=False, transient=True) as live:

        def above(text: str) -> None:
            with contextlib.suppress(OSError):
                console.print(f"loadsim: {printable(text)}", markup=False)

        def in_place(text: str) -> None:
            with contextlib.suppress(OSError):
                live.update(line(text), refresh=True)

        yield StepLines(above, in_place)
