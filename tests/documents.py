"""The README and the pages in docs/, as blocks: for the tests that run and parse them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = "README"
_BLOCK = re.compile(r"(?:<!-- (?P<marker>[^>]+) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"(?:<\?php\n)?(?:#|//) (?P<name>\S+\.\w+|Jenkinsfile)\n")


@dataclass(frozen=True)
class Block:
    """One fenced block and the comment above it."""

    page: str
    marker: str
    kind: str
    text: str

    @property
    def name(self) -> str:
        """The file that it is, by its first line; empty where it is none."""
        named = _NAME.match(self.text)
        return named["name"] if named else ""


PAGES: Mapping[str, Path] = {README: ROOT / "README.md", **{path.stem: path for path in sorted(DOCS.glob("*.md"))}}
"""By name; the README first."""


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = PAGES[page].read_text(encoding="utf-8")
    return [Block(page, found["marker"] or "", found["kind"], found["text"]) for found in _BLOCK.finditer(text)]


BLOCKS = [block for page in PAGES for block in blocks(page)]
FILES: Mapping[str, Block] = {block.name: block for block in BLOCKS if block.name}
"""Every file that a page shows, by its name."""
