"""Reads the user's `loadsim.toml` against what the package knows."""

from __future__ import annotations

from loadsim.events import catalogue
from loadsim.inputs.event_names import settled
from loadsim.settings import Config, load_config
from loadsim.signing import scheme_names


def read_config() -> Config:
    """`loadsim.toml` of the working directory, checked against all known event types and schemes."""
    return load_config(known_types=[event.name for event in catalogue()], known_schemes=scheme_names(), settle=settled)
