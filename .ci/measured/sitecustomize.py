"""Makes every Python process that has this directory on its import path record which branches of loadsim it takes.

The import path is what all processes of a test hand to their children, however little else they do: shards, workers and
commands are measured like the tests themselves.
"""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]

try:
    import coverage
except ImportError:
    pass  # an interpreter without it, such as the one that makes the virtual environment
else:
    # Both absolute: children work in other directories.
    os.environ["COVERAGE_PROCESS_START"] = str(ROOT / "pyproject.toml")
    os.environ["COVERAGE_FILE"] = str(ROOT / "build" / "coverage" / "data")
    coverage.process_startup()
