"""Finds the generator limits that `loadsim bench engine` stored for this machine."""

from __future__ import annotations

from loadsim import __version__
from loadsim.measure.generator_limits import limits_name, load_limits
from loadsim.measure.result import Environment
from loadsim.measure.result_generator import GeneratorLimits
from loadsim.model import UsageError
from loadsim.process_environment import cache_directory


def known_limits(where: Environment) -> GeneratorLimits | None:
    """The limits stored for such a machine and these versions; None when there are none that can be read."""
    try:
        path = cache_directory() / limits_name(where, __version__)
        return load_limits(path.read_bytes(), str(path))
    except (OSError, UsageError):
        return None  # a report needs them only for one line
