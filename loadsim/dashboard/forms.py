"""Turns the submitted form for a load run into the options that `run.spec_of_options` takes.

Knows the fields of the form and their labels for error messages. The rules about runs are in `run.spec_of_options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from loadsim.dashboard.choices import REMEDY, scenarios
from loadsim.model import UsageError
from loadsim.run.options import RunOptions
from loadsim.run.spec_of_options import Words

WORDS = Words(
    "this page",
    {
        "connections": "Connections",
        "rate": "Rate",
        "duration": "Duration",
        "events": "Events",
        "mix": "Event types",
        "payload": "Payload",
        "target": "Target",
        "workers": "Processes",
    },
    target="URL",
    remedy=REMEDY,
)


def read_run_form(form: Mapping[str, Any], out: Path, *, check: bool) -> tuple[str, RunOptions]:
    """The scenario file or target, and the run's options. Raises UsageError."""
    options = RunOptions(out=str(out), check=check)
    if _text(form, "kind") == "scenario":
        return _scenario(form), msgspec.structs.replace(options, target=_text(form, "target"))
    what = _text(form, "target") or ""
    if not what:
        raise UsageError("no endpoint was given: choose one, write its URL, or choose embedded")
    if what.endswith(".toml"):
        raise UsageError("Target: that is a scenario; choose it above")
    by_rate, by_url = _text(form, "model") == "rate", "://" in what
    rate = _text(form, "rate") if by_rate else None
    if by_rate and rate is None:
        raise UsageError('Rate: write the number of events per second, such as "200/s"')
    return what, msgspec.structs.replace(
        options,
        duration=_text(form, "duration"),
        mix=_mix(form),
        objectives=tuple(filter(None, map(str.strip, (_text(form, "objectives") or "").splitlines()))),
        workers=_text(form, "workers") or options.workers,
        rate=rate,
        connections=None if by_rate else _whole_number("connections", _text(form, "connections")),
        scheme=_text(form, "scheme") if by_url else None,
        secret_env=_text(form, "secret_env") if by_url else None,
    )


def _scenario(form: Mapping[str, Any]) -> str:
    """The chosen scenario. Only a file that the page offered is accepted."""
    what = _text(form, "scenario") or ""
    if what not in {each.path for each in scenarios()}:
        raise UsageError("no scenario of the list was given: choose one")
    return what


def _mix(form: Mapping[str, Any]) -> tuple[str, ...]:
    given = form.get("mix")
    if not isinstance(given, Mapping):
        return ()
    texts = {str(name): str(weight).strip() for name, weight in given.items()}
    return tuple(name if weight in ("", "1") else f"{name}={weight}" for name, weight in texts.items())


def _whole_number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise UsageError(f"{WORDS.names[name]} {text}: a whole number from 1")
    return int(text)


def _text(form: Mapping[str, Any], key: str) -> str | None:
    value = form.get(key)
    return value.strip() or None if isinstance(value, str) else None
