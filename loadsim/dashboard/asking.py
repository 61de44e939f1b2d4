"""What the page's form for load runs asks, as `run.compose` takes it.

Decides which fields there are and what they are called when they are wrong. Every rule about runs is compose's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from loadsim.dashboard.choices import REMEDY, scenarios
from loadsim.model import UsageError
from loadsim.run.compose import Words
from loadsim.run.options import RunOptions

WORDS = Words(
    "this page",
    {
        "connections": "Connections",
        "rate": "Rate",
        "duration": "Duration",
        "events": "Events",
        "mix": "Event types",
        "payload": "Payload",
        "target": "Fire at",
        "workers": "Processes",
    },
    target="URL",
    remedy=REMEDY,
)


def asked_run(form: Mapping[str, Any], out: Path, *, check: bool) -> tuple[str, RunOptions]:
    """SCENARIO or TARGET, and the options. Raises UsageError."""
    options = RunOptions(out=str(out), check=check)
    if _text(form, "kind") == "scenario":
        return _scenario(form), msgspec.structs.replace(options, target=_text(form, "target"))
    what = _text(form, "target") or ""
    if not what:
        raise UsageError("which endpoint? choose one, write its URL, or take embedded")
    if what.endswith(".toml"):
        raise UsageError("Fire at: that is a scenario; choose it above")
    by_rate, by_url = _text(form, "model") == "rate", "://" in what
    rate = _text(form, "rate") if by_rate else None
    if by_rate and rate is None:
        raise UsageError('Rate: write how many events per second, such as "200/s"')
    return what, msgspec.structs.replace(
        options,
        duration=_text(form, "duration"),
        mix=_mix(form),
        objectives=tuple(filter(None, map(str.strip, (_text(form, "objectives") or "").splitlines()))),
        workers=_text(form, "workers") or options.workers,
        rate=rate,
        connections=None if by_rate else _whole("connections", _text(form, "connections")),
        scheme=_text(form, "scheme") if by_url else None,
        secret_env=_text(form, "secret_env") if by_url else None,
    )


def _scenario(form: Mapping[str, Any]) -> str:
    """One of those that were offered: the page names no other file."""
    what = _text(form, "scenario") or ""
    if what not in {each.path for each in scenarios()}:
        raise UsageError("which scenario? choose one of the list")
    return what


def _mix(form: Mapping[str, Any]) -> tuple[str, ...]:
    given = form.get("mix")
    if not isinstance(given, Mapping):
        return ()
    texts = {str(name): str(weight).strip() for name, weight in given.items()}
    return tuple(name if weight in ("", "1") else f"{name}={weight}" for name, weight in texts.items())


def _whole(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise UsageError(f"{WORDS.names[name]} {text}: a whole number from 1")
    return int(text)


def _text(form: Mapping[str, Any], key: str) -> str | None:
    value = form.get(key)
    return value.strip() or None if isinstance(value, str) else None
