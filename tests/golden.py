"""Makes the golden files again, those of the reports and those of what a seed means, and shows what changes:

    python -m tests.golden            (--check: write nothing, exit 1 where something differs)

Keep the new files only when somebody has looked at the difference and it is meant. A seed that means something else
breaks everybody's stored seeds.
"""

from __future__ import annotations

import argparse
import difflib  # noqa: TID251 - shows how texts differ
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.cases import test_seed_vectors
from tests.report import test_golden

SETS = ((test_golden.GOLDEN, test_golden.rendered), (test_seed_vectors.GOLDEN, test_seed_vectors.vectors))
"""Each directory of golden files, and what makes them."""


def difference(now: Mapping[str, str], directory: Path) -> Iterator[str]:
    """Unified, line by line, file by file; a file that is not rendered any more goes."""
    for name in sorted({*now, *(path.name for path in directory.iterdir())}):
        path = directory / name
        was = path.read_bytes().decode() if path.exists() else ""
        before, after = was.splitlines(keepends=True), now.get(name, "").splitlines(keepends=True)
        yield from difflib.unified_diff(before, after, f"{name} (was)", f"{name} (now)")


def write(now: Mapping[str, str], directory: Path) -> None:
    """Keep what is rendered, and nothing else."""
    for path in directory.iterdir():
        if path.name not in now:
            path.unlink()
    for name, text in now.items():
        (directory / name).write_bytes(text.encode())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something differs")
    given = parser.parse_args()
    made = [(make(), directory) for directory, make in SETS]
    lines = (line for now, directory in made for line in difference(now, directory))
    changes = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    print(changes or "nothing changes", end="" if changes else "\n")
    if given.check:
        sys.exit(bool(changes))
    for now, directory in made:
        write(now, directory)


if __name__ == "__main__":
    main()
