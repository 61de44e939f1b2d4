"""The result panel of one simulated event: what was sent, what came back, how long it took.

For the terminal, which nothing that an endpoint answers can control; values of sensitive headers are masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from loadsim.plan.headers import header_pairs
from loadsim.plan.redact import redact_url
from loadsim.report.numbers import milliseconds, printable
from loadsim.report.recording_console import recording
from loadsim.single.result import Failure, Response, Simulation, Timings

SHOWN_CHARS = 8_000
"""Of a payload or a response, in the panel; the JSON has them whole."""
STATUS_STYLES = {2: "bold black on green", 3: "bold black on yellow", 4: "bold white on red", 5: "bold white on red"}


def render_panel(simulation: Simulation, *, width: int = 100, colour: bool = False) -> str:
    """The panel as text of this width, with ANSI colours or without any escape sequence. Ends in a newline.

    Headers, payload and response stand below the frame and are never wrapped, so that they can be copied as they are;
    without an answer the frame is all.
    """
    console, text = recording(width, colour=colour)
    figures = _figures(simulation, colour=colour)
    console.print(Panel(figures, title="Simulation", title_align="left", border_style="dim"))
    for title, body in _sections(simulation, simulation.answer) if simulation.answer else ():
        console.print(Text(f"\n{title}", style="bold"))
        console.print(Text(body), soft_wrap=True)
    return text.getvalue()


def _figures(simulation: Simulation, *, colour: bool) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    name = f"{simulation.endpoint}  " if simulation.endpoint else ""
    table.add_row("Event", Text(printable(simulation.event)))
    table.add_row("Endpoint", Text(printable(name + redact_url(simulation.url))))
    table.add_row("Status", _status(simulation, " " if colour else ""))
    if simulation.answer:
        table.add_row("Latency", Text(f"{simulation.timings.total:,.1f} ms"))
    verdict = Text("Delivered", style="bold green") if simulation.delivered else Text("Failed", style="bold red")
    table.add_row("Result", verdict)
    table.add_row("Timing", Text(_timing(simulation.timings)))
    if advice := simulation.advice():
        table.add_row("Check", Text(advice, style="yellow"))
    return table


def _status(simulation: Simulation, margin: str) -> Text:
    """`margin` stands on both sides of what has a background colour."""
    outcome = simulation.outcome
    if isinstance(outcome, Failure):
        return Text.assemble((f"{margin}no answer{margin}", "bold white on red"), f" {outcome.kind.name}")
    style = STATUS_STYLES.get(outcome.status // 100, "bold reverse")
    reason = printable(simulation.concealed(outcome.reason))
    spoken = " (HTTP/2)" if simulation.http == "2" else ""
    return Text.assemble((f"{margin}{outcome.status}{margin}", style), f" {reason}".rstrip() + spoken)


def _timing(timings: Timings) -> str:
    steps = timings.steps().items()
    return " · ".join(f"{name.replace('_', ' ')} {milliseconds(value)}" for name, value in steps if value is not None)


def _sections(simulation: Simulation, answer: Response) -> Iterator[tuple[str, str]]:
    yield "Delivery headers", _header_lines(header_pairs(simulation.shown_headers()))
    yield "Sent payload", _shown(simulation.payload.decode("utf-8", "replace"), len(simulation.payload))
    yield (
        "Endpoint response",
        f"{_header_lines(simulation.answer_headers())}\n\n{_body(simulation, answer.body)}",
    )


def _header_lines(headers: Iterable[tuple[str, str]]) -> str:
    return "\n".join(printable(f"{name}: {value}") for name, value in headers)


def _body(simulation: Simulation, body: bytes) -> str:
    return _shown(simulation.concealed(body.decode("utf-8", "replace")), len(body)) if body else "(no body)"


def _shown(said: str, size: int) -> str:
    """The text, or its beginning if it is long. `size`: its length in bytes."""
    text = printable(said[: 4 * SHOWN_CHARS], lines=True)
    return text if size <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}… ({size:,} bytes in total; --json has all of them)"
