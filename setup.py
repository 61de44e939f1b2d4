"""The part of the build that `pyproject.toml` cannot say: `scenarios/` becomes `loadsim/scenarios/` in a wheel, and the
compiled step of the hot path is built where LOADSIM_COMPILED=1 asks for it, or `build_ext` by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SCENARIOS = Path("scenarios")
# Asked for, it must build: not `optional`, which would hide that it did not.
HOT = Extension(
    "loadsim._hot",
    sorted(str(source) for source in Path("compiled").glob("*.c")),
    depends=["compiled/hot.h"],
    extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter"],
)


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


environment = os.environ  # noqa: TID251 - a build's
asked = environment.get("LOADSIM_COMPILED") == "1" or "build_ext" in sys.argv
setup(cmdclass={"build_py": BuildWithScenarios}, ext_modules=[HOT] if asked else [])
