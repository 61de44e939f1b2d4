"""Times and foreign texts in the sentences that explain a delivery."""

from __future__ import annotations

SHOWN = 100
"""How many characters of a header's value are shown."""


def away(age_s: float) -> str:
    """How long ago or ahead, such as `3.0 min ago`."""
    return f"{span(abs(age_s))} {'ago' if age_s >= 0 else 'in the future'}"


def span(seconds: float) -> str:
    """A duration, such as `3.0 min`."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


def shown(text: str) -> str:
    """A sender's text, printable and short."""
    cut = text[:SHOWN]
    return f"{cut!a}{'…' if len(text) > SHOWN else ''}"
