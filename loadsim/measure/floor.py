"""What the generator itself costs on one machine: the least latency that it can show, and the most events it can fire.

A shape and the name under which it is kept; `studies` measures it and `report` shows it beside a run's figures.
"""

from __future__ import annotations

import hashlib

import msgspec

from loadsim.measure.decoding import UNREADABLE
from loadsim.measure.result import Environment, Floor, Pace
from loadsim.model import UsageError

SCHEMA = "loadsim.floor/1"

__all__ = ["Floor", "Pace", "dump_floor", "floor_name", "load_floor"]


class _Kept(msgspec.Struct, frozen=True):
    schema: str
    environment: Environment
    version: str
    floor: Floor


def floor_name(environment: Environment, version: str) -> str:
    """The file name for a machine: another processor, Python, library or loadsim has another floor."""
    words = [version, environment.cpu_model, str(environment.cpu_count), environment.python, environment.platform]
    words += [f"{name}={number}" for name, number in sorted(environment.packages.items())]
    return f"engine-{hashlib.sha256('|'.join(words).encode()).hexdigest()[:16]}.json"


def dump_floor(floor: Floor, environment: Environment, version: str) -> bytes:
    """The kept form: indented JSON, one trailing newline."""
    return msgspec.json.format(msgspec.json.encode(_Kept(SCHEMA, environment, version, floor)), indent=2) + b"\n"


def load_floor(data: bytes, source: str) -> Floor:
    """The inverse of `dump_floor`. Raises UsageError in one line."""
    try:
        kept = msgspec.json.decode(data, type=_Kept)
    except UNREADABLE as error:
        raise UsageError(f"{source}: not a kept calibration ({error}); run loadsim bench engine again") from None
    if kept.schema != SCHEMA:
        raise UsageError(f"{source}: its schema is {kept.schema!r}, not {SCHEMA}; run loadsim bench engine again")
    return kept.floor
