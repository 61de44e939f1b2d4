"""`loadsim dashboard`: the simulations page, served here until it is told to stop."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import click

from loadsim.cli.output import say
from loadsim.model import UsageError

NEEDED = ("jinja2", "plotly")
"""The extra `dashboard`."""


@click.command("dashboard")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback keeps it yours.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 = a free port.")
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@click.option(
    "--out",
    default="reports",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where results are kept and listed.",
)
def command(*, host: str, port: int, no_browser: bool, out: Path) -> None:
    """Serve the simulations page: choose an endpoint and an event, send it, see what came back.

    It also starts load runs and draws them while they go on, and lists the results under reports/. Endpoints are those
    of loadsim.toml; secrets are read here and never reach the page. The address that is printed holds a token: only who
    has it can use the page. Ctrl-C stops; a run that goes on is drained and kept.

    \b
    Examples:
      loadsim dashboard
      loadsim dashboard --no-browser --port 9000
      ssh -L 8765:127.0.0.1:8765 HOST     (then, there: loadsim dashboard --no-browser)
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"the dashboard needs {' and '.join(missing)}: pip install 'loadsim[dashboard]'")
    from loadsim.dashboard.serve import DashboardOptions, serve

    options = DashboardOptions(host=host, port=port, out=out, browser=not no_browser)
    asyncio.run(serve(options, say))
