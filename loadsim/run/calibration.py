"""Where a calibration of this machine is kept, and whether there is one."""

from __future__ import annotations

from loadsim import __version__
from loadsim.measure.generator_limits import limits_name, load_limits
from loadsim.measure.result import Environment, GeneratorLimits
from loadsim.model import UsageError
from loadsim.settings import cache_directory


def known_floor(where: Environment) -> GeneratorLimits | None:
    """The floor that was measured on such a machine with these versions; None when there is none that can be read."""
    try:
        path = cache_directory() / limits_name(where, __version__)
        return load_limits(path.read_bytes(), str(path))
    except (OSError, UsageError):
        return None  # a report does not fail for a line that it could have had
