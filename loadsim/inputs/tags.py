"""Tags: what a user wants to know of a run later, as `KEY=VALUE`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loadsim.model import UsageError

LONGEST = 200
"""Characters of a value."""
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def parse_tags(texts: Iterable[str]) -> dict[str, str]:
    """Key → value. Raises UsageError for a text that is no tag, and for a key that is given twice."""
    tags: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise UsageError(f"--tag {text!r}: write KEY=VALUE, the key of letters, digits, '_', '.' and '-'")
        if len(value) > LONGEST:
            raise UsageError(f"--tag {key}: the value is longer than {LONGEST} characters")
        if key in tags:
            raise UsageError(f"--tag {key}: is given twice")
        tags[key] = value
    return tags
