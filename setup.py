"""The part of the build that `pyproject.toml` cannot say: `scenarios/` becomes `loadsim/scenarios/` in a wheel."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SCENARIOS = Path("scenarios")


class BuildWithScenarios(build_py):
    """Copies the shipped scenarios into the package. An editable install reads them where they are."""

    def run(self) -> None:
        """Build the package as usual, then add the scenarios."""
        super().run()
        if self.editable_mode:
            return
        place = Path(self.build_lib, "loadsim", SCENARIOS)
        self.mkpath(str(place))
        for file in sorted(SCENARIOS.glob("*.toml")):
            self.copy_file(str(file), str(place / file.name))


setup(cmdclass={"build_py": BuildWithScenarios})
