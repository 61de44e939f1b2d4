"""What holds for every process of the tests, settled before anything else is imported."""

import os
import sys
from pathlib import Path

# Tests run in several processes: a pool of threads for linear algebra in each would only spin against the others.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - before anything imports numpy

# Whoever wants no `__pycache__` in the tree gets compiled modules beside it. Without any, each process would compile
# all modules, which takes longer than most tests.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / "build" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # noqa: TID251 - children do as we do
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix  # noqa: TID251
