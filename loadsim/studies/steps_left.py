"""The line that says how far a study is: `step 4 of at most 11, about 2 min 10 s left: 500/s`."""

from __future__ import annotations


def step_line(number: int, most: int | None, left_s: float | None, what: str) -> str:
    """`most`: no study makes more steps, unless one has to be repeated; `left_s`: how long these steps are planned to
    take, with this one. None: not known."""
    of = "" if most is None else f" of at most {most}"
    left = "" if left_s is None else f", about {time_words(left_s)} left"
    return f"step {number}{of}{left}: {what}"


def time_words(seconds: float) -> str:
    """A time to the second: `2 min 10 s`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest if not hours else 0, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
