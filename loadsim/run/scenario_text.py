"""What a user names as a scenario: a file that ends in .toml, or a scenario that loadsim ships."""

from __future__ import annotations

from pathlib import Path

from loadsim.input_files import read_text_file
from loadsim.model import UsageError
from loadsim.settings import Config
from loadsim.shipped import SUFFIX, shipped_names, shipped_text


def names_scenario(what: str, config: Config) -> bool:
    """Whether this names a scenario and not a target. An endpoint comes before a shipped scenario of its name."""
    return what.endswith(SUFFIX) or (what in shipped_names() and what not in config.endpoints)


def scenario_text(what: str) -> str:
    """The text of the scenario. Raises UsageError; for a missing file it says where a scenario of that name ships."""
    if not what.endswith(SUFFIX):
        return shipped_text(what)
    try:
        return read_text_file(what)
    except UsageError as error:
        name = what.rpartition("/")[2].removesuffix(SUFFIX)
        if name in shipped_names() and not Path(what).exists():
            raise UsageError(f"{error}; loadsim ships the scenario {name}: name it without {SUFFIX}") from None
        raise


def shadowed_scenario(what: str, config: Config) -> str | None:
    """A message where this is an endpoint and would otherwise be a shipped scenario."""
    if what not in config.endpoints or what not in shipped_names():
        return None
    return (
        f"{what} is the endpoint of {config.source}; for the scenario that loadsim ships under this name: "
        f"loadsim scenarios copy {what}"
    )
