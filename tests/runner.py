"""What a CI runner would make of output: a model of how GitHub, Azure Pipelines and TeamCity look for commands."""

from __future__ import annotations

import re

_ANYWHERE = re.compile(r"##[A-Za-z]*\[")


def obeyed(output: str) -> list[str]:
    """The lines that a runner takes for commands, whatever its culture skips in a comparison."""
    lines = re.split(r"\r\n|\r|\n", re.sub(r"\x1b\[[0-9;]*m", "", output))
    seen = ["".join(char for char in line if " " <= char <= "~").strip() for line in lines]
    return [line for line in seen if line.startswith("::") or _ANYWHERE.search(line)]


def sent(output: str) -> set[str]:
    """The control and format characters in it, apart from line ends and tabs."""
    return {char for char in output.replace("\r\n", "\n") if not char.isprintable()} - {"\n", "\t"}
