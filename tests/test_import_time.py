"""What each process may import before it does its work: a start is mostly imports.

By the names of modules, not by the clock.
"""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = {"numpy", "aiohttp", "uvloop", "orjson", "rich", "msgspec", "httptools", "asyncio", "ssl"}
LATER = {
    # what draws and writes reports, and what only some runs need
    *("rich", "plotly", "aiohttp", "jinja2", "yarl", "xml", "email.message", "importlib.metadata", "numpy.ma"),
    *("loadsim.report.run_report", "loadsim.report.html_page", "loadsim.report.terminal", "loadsim.dashboard"),
    *("loadsim.studies", "loadsim.receiver", "loadsim.cli.terminal", "loadsim.cli.github"),
}
RUN = "run http://127.0.0.1:9/ -n 1 -e desktop.app_tracking.captured -q"
HELP = """
import sys
from loadsim.cli.main import main
sys.argv = ["loadsim", "--help"]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
AT_CALL = """
import os, sys
import {module}
from {program} import main
def note(*_, **__):
    print(*sys.modules)
    sys.stdout.flush()
    os._exit(0)
{module}.{name} = note
sys.argv = "loadsim {words}".split()
main()
"""
"""Prints what is imported when a function is first called, and ends there."""


def test_help_imports_no_heavy_module() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True, timeout=60)
    assert "Commands:" in done.stdout
    assert "simulate" in done.stdout
    imported = set(done.stderr.split())
    assert "click" in imported
    assert not imported & HEAVY


def test_the_first_shard_starts_before_anything_heavy_is_imported() -> None:
    imported = at_call("subprocess", "Popen", RUN)
    assert "loadsim.cli.run" in imported
    assert not imported & HEAVY


def test_a_run_imports_nothing_for_its_end_before_its_first_event() -> None:
    imported = at_call("loadsim.engine.preflight", "_connect", RUN)
    assert "loadsim.run.run_store_judge" in imported
    assert under(imported, LATER) == set()


def test_a_single_event_imports_nothing_of_runs() -> None:
    of_runs = {"loadsim.launch", "loadsim.judge", "loadsim.run.run_store_judge", "plotly", "uvloop", "numpy.ma"}
    of_runs |= {"loadsim.measure.result", "loadsim.report.blocks", "loadsim.report.terminal"}
    of_clients = {"aiohttp", "yarl", "multidict", "hpack"}
    words = RUN.replace("run", "simulate").replace("-n 1", "").replace("-q", "")
    imported = at_call("loadsim.single.result_panel", "render_panel", words)
    assert "loadsim.engine.single_transport" in imported
    assert under(imported, of_runs | of_clients) == set()


def test_a_shard_imports_what_it_needs_before_its_plan_comes() -> None:
    imported = at_call("loadsim.engine.shard", "run_shard", program="loadsim.cli.shard")
    assert {"loadsim.engine.direct_transport", "numpy.random", "httptools"} <= imported
    for_others = {"click", "difflib", "email", "importlib.resources", "shutil", "tempfile", "zipfile"}
    assert under(imported, {*LATER, *for_others, "loadsim.launch", "loadsim.judge", "loadsim.settings"}) == set()


def at_call(module: str, name: str, words: str = "", program: str = "loadsim.cli.main") -> set[str]:
    """The modules that a program has imported when it calls a function of a module for the first time."""
    done = subprocess.run(
        [sys.executable, "-c", AT_CALL.format(module=module, name=name, words=words, program=program)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "TRACKPILOTS_WEBHOOKS_SECRET_KEY": "abc"},  # noqa: TID251 - a child's surroundings
    )
    return set(done.stdout.split())


def under(names: set[str], packages: set[str]) -> set[str]:
    """Those of `names` that are in one of these packages."""
    return {name for name in names if any(f"{name}.".startswith(f"{package}.") for package in packages)}
