"""Stored limits of the generator on one machine: the least latency it can show and the most events it can send.

`loadsim bench engine` measures them; the report shows them beside the figures of a run.
"""

from __future__ import annotations

import hashlib

import msgspec

from loadsim.measure.result import Environment
from loadsim.measure.result_generator import GeneratorLimits
from loadsim.measure.stored_json import UNREADABLE, stored_json
from loadsim.model import UsageError

SCHEMA = "loadsim.floor/1"

__all__ = ["GeneratorLimits", "StoredLimits", "dump_limits", "limits_name", "load_limits"]


class StoredLimits(msgspec.Struct, frozen=True):
    """The limits in their stored form, with the machine that they were measured on."""

    schema: str
    environment: Environment
    version: str
    limits: GeneratorLimits = msgspec.field(name="floor")
    """What was measured."""
    reasons: list[str] = []
    """Why the measurement is INVALID, in words; such limits are printed and not stored."""


def limits_name(environment: Environment, version: str) -> str:
    """The file name for a machine: with another processor, Python, library or loadsim, or with the compiled step, the
    limits are others."""
    words = [version, environment.cpu_model, str(environment.cpu_count), environment.python, environment.platform]
    words += [f"{name}={number}" for name, number in sorted(environment.packages.items())]
    words += ["compiled"] * environment.compiled
    return f"engine-{hashlib.sha256('|'.join(words).encode()).hexdigest()[:16]}.json"


def dump_limits(limits: GeneratorLimits, environment: Environment, version: str) -> bytes:
    """The stored form: indented JSON, one trailing newline."""
    return stored_json(StoredLimits(SCHEMA, environment, version, limits))


def load_limits(data: bytes, source: str) -> GeneratorLimits:
    """The inverse of `dump_limits`. Raises UsageError in one line."""
    try:
        stored = msgspec.json.decode(data, type=StoredLimits)
    except UNREADABLE as error:
        raise UsageError(f"{source}: not a stored calibration ({error}); run loadsim bench engine again") from None
    if stored.schema != SCHEMA:
        raise UsageError(f"{source}: its schema is {stored.schema!r}, not {SCHEMA}; run loadsim bench engine again")
    return stored.limits
