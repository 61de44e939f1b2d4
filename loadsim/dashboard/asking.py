"""What the page's form for load runs asks, as `studies.compose` takes it.

Decides which fields there are and what they are called when they are wrong. Every rule about runs is compose's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadsim.dashboard.choices import REMEDY, scenarios
from loadsim.model import UsageError
from loadsim.run.compose import DEFAULTS, Words

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


def asked_run(form: Mapping[str, Any], out: Path, *, check: bool) -> tuple[str, dict[str, Any]]:
    """SCENARIO or TARGET, and the options. Raises UsageError."""
    options: dict[str, Any] = {**DEFAULTS, "out": str(out), "check": check}
    if _text(form, "kind") == "scenario":
        what = _scenario(form)
        options["target"] = _text(form, "target")
        return what, options
    what = _text(form, "target") or ""
    if not what:
        raise UsageError("which endpoint? choose one, write its URL, or take embedded")
    if what.endswith(".toml"):
        raise UsageError("Fire at: that is a scenario; choose it above")
    options |= {
        "duration": _text(form, "duration"),
        "mix": _mix(form),
        "objectives": tuple(filter(None, map(str.strip, (_text(form, "objectives") or "").splitlines()))),
        "workers": _text(form, "workers") or DEFAULTS["workers"],
    }
    if _text(form, "model") == "rate":
        options["rate"] = _text(form, "rate")
        if options["rate"] is None:
            raise UsageError('Rate: write how many events per second, such as "200/s"')
    else:
        options["connections"] = _whole("connections", _text(form, "connections"))
    if "://" in what:
        options |= {"scheme": _text(form, "scheme"), "secret_env": _text(form, "secret_env")}
    return what, options


def said(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from what nobody said: what a command line would have to name."""
    return {name: value for name, value in options.items() if value != DEFAULTS[name]}


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
