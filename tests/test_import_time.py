"""`loadsim --help` answers at once: it imports nothing that takes long."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"numpy", "aiohttp", "uvloop", "orjson", "rich", "msgspec", "httptools", "asyncio", "ssl"}
HELP = """
import sys
from loadsim.cli.main import main
sys.argv = ["loadsim", "--help"]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_help_imports_no_heavy_module() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True, timeout=60)
    assert "Commands:" in done.stdout
    assert "simulate" in done.stdout
    imported = set(done.stderr.split())
    assert "click" in imported
    assert not imported & HEAVY
