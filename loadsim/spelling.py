"""Hints for a word that is not known: the one place where words are compared."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that this one was probably meant to be."""
    import difflib  # noqa: TID251 - everybody else asks here; each shard has this module, and no question

    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def did_you_mean(word: str, known: Iterable[str], before: str = "", after: str = "") -> str:
    """`did you mean "rate"?` where a known word is near, with `before` and `after` around it; else nothing."""
    near = nearest(word, known)
    return "" if near is None else f'{before}did you mean "{near}"?{after}'
