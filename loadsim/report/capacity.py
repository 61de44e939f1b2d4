"""What a search for the highest rate found: for the terminal, and as Markdown.

Decides the words, and draws rate against p50, p99 and 2xx. Refuses to know how the rates were chosen.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadsim.measure.capacity import CapacityResult, StepRow
from loadsim.report import figures
from loadsim.report.summary import escape, markdown_table

VERDICTS = {
    "found": ("FOUND", "bold black on green"),
    "none": ("NONE", "bold white on red"),
    "generator": ("INVALID", "bold black on yellow"),
    "interrupted": ("INTERRUPTED", "bold black on yellow"),
    "lost": ("LOST", "bold white on red"),
}
MARKS = {
    "pass": ("✓ pass", "green"),
    "fail": ("✗ fail", "red"),
    "unclear": ("? unclear", "yellow"),
    "invalid": ("! invalid", "yellow"),
    "interrupted": ("- interrupted", "yellow"),
}
BAR, NARROW_BAR = 24, 10
NARROW = 100
"""Below this width bars are short, so that verdicts stay whole."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEADER = ("rate", "p50", "p99", "2xx", "completed")


def rate_words(rate: float) -> str:
    """A rate as the search writes it: `394/s`, `1,580/s`, `12.5/s`."""
    return f"{figures.significant(rate, 4 if rate >= 1000 else 3).removesuffix('.0').removesuffix('.00')}/s"


def headline(result: CapacityResult) -> str:
    """The answer in a few words."""
    if result.ending == "found" and result.rate is not None:
        least = "at least " if result.at_least else ""
        return f"{least}{rate_words(result.rate)} meet every objective"
    if result.rate is not None:
        return f"no answer; {rate_words(result.rate)} is the highest rate that passed"
    return "no answer"


def render_capacity_text(result: CapacityResult, *, width: int = 100, colour: bool = False) -> str:
    """The report as text of this width, with ANSI colours or without any escape sequence. Ends in a newline."""
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
    console.print(Group(*_parts(result, width)))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().split("\n")[:-1])


def _parts(result: CapacityResult, width: int) -> list[RenderableType]:
    word, style = VERDICTS[result.ending]
    line = Text(f" {word} ", style=style)
    line.append(f"  {figures.printable(result.name)}", style="bold not reverse default on default")
    line.append(f"  {headline(result)}", style="not bold not reverse default on default")
    parts: list[RenderableType] = [line, Text(figures.printable(" · ".join(_words(result))), style="dim")]
    parts.append(Text(figures.printable(result.reason)))
    parts += [Text("\nObjectives", style="bold"), *(Text(f"  {figures.printable(text)}") for text in result.objectives)]
    if result.steps:
        parts += [Text("\nRate against latency", style="bold"), _table(result, width)]
    return parts


def _table(result: CapacityResult, width: int) -> Table:
    long = BAR if width >= NARROW else NARROW_BAR
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in _HEADER:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("p99, logarithmic" if long == BAR else "p99 (log)", no_wrap=True, width=long)
    table.add_column("", no_wrap=True)
    scale = _scale([row.p99_ms for row in result.steps])
    for row in by_rate(result.steps):
        mark, style = MARKS[row.outcome]
        early = " (stopped early)" if row.stopped_early else ""
        verdict = Text(f"{mark}{early}{', confirmed' if _confirms(result, row) else ''}", style=style)
        table.add_row(*_cells(row), Text(bar(row.p99_ms, scale, long), style=style), verdict)
    return table


def render_capacity_summary(result: CapacityResult) -> str:
    """The same as Markdown. Ends in a newline."""
    word, _ = VERDICTS[result.ending]
    blocks = [f"# {word}: {escape(result.name)}: {headline(result)}", escape(result.reason)]
    blocks.append(" · ".join(escape(word) for word in _words(result)))
    blocks += ["## Objectives", "\n".join(f"- {escape(text)}" for text in result.objectives)]
    rows = []
    for row in by_rate(result.steps):
        early = " (stopped early)" if row.stopped_early else ""
        rows.append((*_cells(row), f"{MARKS[row.outcome][0]}{early}", escape(row.why), escape(row.result)))
    if rows:
        header = ("Rate", "p50", "p99", "2xx", "Completed", "Verdict", "Why", "Result")
        blocks += ["## Rate against latency", markdown_table(header, rows, left=0)]
    return "\n\n".join(blocks) + "\n"


def by_rate(steps: Sequence[StepRow]) -> list[StepRow]:
    """The steps from the lowest rate to the highest; steps of one rate in the order in which they were made."""
    return sorted(steps, key=lambda row: (row.rate, row.number))


def bar(value: float | None, scale: tuple[float, float] | None, long: int = BAR) -> str:
    """The value on a logarithmic scale as a bar of at most `long` characters; empty when there is none."""
    if value is None or scale is None or value <= 0:
        return ""
    low, high = scale
    eighths = round(8 * long * (math.log10(value) - low) / (high - low))
    whole, rest = divmod(max(1, min(eighths, 8 * long)), 8)
    return "█" * whole + _EIGHTHS[rest].strip()


def _scale(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Half a decade below the least and up to the largest value, as logarithms."""
    logarithms = [math.log10(value) for value in values if value]
    return (min(logarithms) - 0.5, max(logarithms)) if logarithms else None


def _cells(row: StepRow) -> tuple[str, ...]:
    return (
        rate_words(row.rate),
        figures.milliseconds(row.p50_ms),
        figures.milliseconds(row.p99_ms),
        figures.share(row.success_rate),
        figures.per_second(row.rate_completed),
    )


def _confirms(result: CapacityResult, row: StepRow) -> bool:
    return result.ending == "found" and row.kind == "confirming" and row.outcome == "pass" and row.rate == result.rate


def _words(result: CapacityResult) -> list[str]:
    steps = len(result.steps)
    words = [f"search {result.id}", f"{steps} step{'s' * (steps != 1)}", f"seed {result.seed}"]
    return [*words, f"to {100 * result.precision:g} %"]
