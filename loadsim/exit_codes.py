"""What a command ends with, for every command; the table in `docs/objectives.md` says the same.

Where several apply the first of 2, 1, 130, 3, 99, 0 does.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Exit(enum.IntEnum):
    """The exit codes."""

    ok = 0
    error = 1
    """The endpoint cannot be reached, or the error is loadsim's own."""
    usage = 2
    """The command, a scenario or a setting is wrong."""
    invalid = 3
    """INVALID: the measurement itself is not to be trusted."""
    failed = 99
    """An objective was missed, a regression or something else was found."""
    interrupted = 130


Endings = Mapping[str, Exit]
"""How a study can end, in the word of its result."""

VERDICTS: Endings = {"pass": Exit.ok, "fail": Exit.failed, "invalid": Exit.invalid}
COMPARED: Endings = {**VERDICTS, "none": Exit.ok}
"""Of two results; "none": nothing was to be judged."""
PAIRS: Endings = {**VERDICTS, "interrupted": Exit.interrupted}
BENCHES: Endings = {
    "pass": Exit.ok,
    "fail": Exit.failed,
    "unsure": Exit.invalid,
    "interrupted": Exit.interrupted,
}
CAPACITY: Endings = {
    "found": Exit.ok,
    "none": Exit.failed,
    "generator": Exit.invalid,
    "interrupted": Exit.interrupted,
    "lost": Exit.error,
}


USUAL: Mapping[str, str] = {
    "error": "unreachable or internal error",
    "usage": "usage",
    "invalid": "INVALID measurement",
    "interrupted": "interrupted",
}
"""What a code means in help where a command has no words of its own for it."""


def exit_codes(*usual: Exit, **words: str) -> str:
    """The exit codes of a command as its help lists them: those with words of their own, by name, and the usual ones.

    2 is one of them in every command.
    """
    meant = {"usage": USUAL["usage"], **{each.name: USUAL[each.name] for each in usual}, **words}
    return f"Exit codes: {', '.join(f'{int(code)} {meant[code.name]}' for code in Exit if code.name in meant)}."
