"""Fills the varying fields of a provider's sample, each by a rule that its catalogue file names.

A rule makes a value from the number of the situation, the event's id and the time. Several ids of one event differ by
the label of their rule.

Rules: `uuid` (the event's id), `sha1:LABEL`, `token:PREFIX`, `text:PREFIX`, `integer:BASE`, `number-text:PREFIX+BASE`,
`s`, `s-text`, `ms`, `iso`, `iso-s`, `ts` (seconds with micros), `amount`, `amount-text`, `price`, `small`,
`name`, `pick:A|B|C`, `filled:TEXT` (with `{uuid}`,
`{s}` and `{iso-s}` in it), `base64:TEXT` (the same, encoded).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable, Mapping

from loadsim.events.trackpilots_fields import Fill, iso
from loadsim.model import JsonValue

Rule = Callable[[int, str, int], JsonValue]
"""(number of the situation, event id, now in ms) -> value."""

NAMES = ("Mona", "Ada", "Grace", "Linus", "Jenny", "Jon", "Yuki", "Zoë", "Chidi", "Amélie", "Søren", "Priya")


def varying(document: JsonValue, varies: Mapping[str, str], seed: int, type_name: str) -> Fill:
    """The function that fills `document` in place. Raises KeyError or ValueError for an unknown path or rule."""
    places = []
    for path, rule in varies.items():
        *parents, last = (int(step) if step.isdigit() else step for step in path.split("."))
        node = functools.reduce(lambda inner, step: inner[step], parents, document)
        node[last]  # raises for a field that the sample does not have: an error in the catalogue
        places.append((node, last, _rule(rule, seed, type_name)))

    def fill(number: int, event_id: str, now_ms: int) -> None:
        for container, key, value_of in places:
            container[key] = value_of(number, event_id, now_ms)

    return fill


def _rule(text: str, seed: int, type_name: str) -> Rule:
    if text in _PLAIN:
        return _PLAIN[text]
    kind, _, argument = text.partition(":")
    label = hashlib.blake2b(f"{seed}/{type_name}/{text}".encode(), digest_size=14).hexdigest()
    return _WITH_ARGUMENT[kind](argument, label)


def id_prefix(text: str, seed: int, type_name: str) -> str | None:
    """The text before the twelve hex digits of the index in the values of a rule; None when they have no such
    digits."""
    if text.partition(":")[0] not in ("sha1", "token", "text"):
        return None
    return str(_rule(text, seed, type_name)(0, "0" * 36, 0))[:-12]


def _index(event_id: str) -> int:
    return int(event_id[-12:], 16)


def _amount(number: int) -> int:
    return 199 + number * 7919 % 49_900


_PLAIN: dict[str, Rule] = {
    "uuid": lambda _, event_id, __: event_id,
    "s": lambda _, __, now_ms: now_ms // 1000,
    "s-text": lambda _, __, now_ms: str(now_ms // 1000),
    "ms": lambda _, __, now_ms: now_ms,
    "iso": lambda _, __, now_ms: iso(now_ms),
    "iso-s": lambda _, __, now_ms: iso(now_ms)[:19] + "Z",
    "ts": lambda _, event_id, now_ms: f"{now_ms // 1000}.{_index(event_id) % 1_000_000:06d}",
    "amount": lambda number, _, __: _amount(number),
    "amount-text": lambda number, _, __: str(_amount(number)),
    "price": lambda number, _, __: f"{_amount(number) / 100:.2f}",
    "small": lambda number, _, __: number % 240 + 1,
    "name": lambda number, _, __: NAMES[number % len(NAMES)],
}


def _sha1(_: str, label: str) -> Rule:
    return lambda _, event_id, __: label + event_id[-12:]


def _token(prefix: str, label: str) -> Rule:
    start = prefix + label[:12]
    return lambda _, event_id, __: start + event_id[-12:]


def _text(prefix: str, _: str) -> Rule:
    return lambda _, event_id, __: prefix + event_id[-12:]


def _integer(base: str, _: str) -> Rule:
    first = int(base)
    return lambda _, event_id, __: first + _index(event_id)


def _number_text(argument: str, _: str) -> Rule:
    prefix, base = re.fullmatch(r"(.*?)([0-9]+)", argument).groups()  # type: ignore[union-attr]  # every argument of this rule matches
    first = int(base)
    return lambda _, event_id, __: f"{prefix}{first + _index(event_id)}"


def _filled(text: str, _: str) -> Rule:
    def made(number: int, event_id: str, now_ms: int) -> str:
        found = text
        for name in ("uuid", "s", "iso-s"):
            found = found.replace(f"{{{name}}}", str(_PLAIN[name](number, event_id, now_ms)))
        return found

    return made


def _base64(text: str, label: str) -> Rule:
    plain = _filled(text, label)
    return lambda number, event_id, now_ms: base64.b64encode(str(plain(number, event_id, now_ms)).encode()).decode()


def _pick(choices: str, _: str) -> Rule:
    values = choices.split("|")
    return lambda number, _, __: values[number % len(values)]


_WITH_ARGUMENT: dict[str, Callable[[str, str], Rule]] = {
    "base64": _base64,
    "filled": _filled,
    "sha1": _sha1,
    "token": _token,
    "text": _text,
    "integer": _integer,
    "number-text": _number_text,
    "pick": _pick,
}
