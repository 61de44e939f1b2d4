"""`loadsim dashboard`: serves the dashboard until an interrupt."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from loadsim.cli.streams import say
from loadsim.exit_codes import exit_codes
from loadsim.extras import install
from loadsim.model import UsageError

NEEDED = ("jinja2", "plotly")
"""The packages of the extra `dashboard`."""


@click.command("dashboard", epilog=exit_codes(ok="stopped", error="the address cannot be used or internal error"))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; others cannot reach a loopback address.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any free port.")
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
@click.option(
    "--out",
    default="reports",
    show_default=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Directory for the results, which are also listed.",
)
def command(*, host: str, port: int, no_browser: bool, out: Path) -> None:
    """Serve web pages: choose an endpoint and an event, send it, and see the answer.

    The pages also start load runs, show them while they are in progress, and list the results under reports/.
    Endpoints come from loadsim.toml. Secrets are read here and never sent to the browser. The printed address holds a
    token, without which the pages cannot be used. Ctrl-C stops; a run in progress is drained and its result saved.

    \b
    Examples:
      loadsim dashboard
      loadsim dashboard --no-browser --port 9000
      ssh -L 8765:127.0.0.1:8765 HOST     (then, there: loadsim dashboard --no-browser)
    """
    require_pages("the dashboard")
    import asyncio  # here, since `loadsim run` imports this module and must start soon

    from loadsim.dashboard.serve import DashboardOptions, serve

    options = DashboardOptions(host=host, port=port, out=out, browser=not no_browser)
    asyncio.run(serve(options, say))


def require_pages(what: str) -> None:
    """Check that the extra `dashboard` is installed, which `what` needs. Raises UsageError."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} needs {' and '.join(missing)}: {install('dashboard')}")
