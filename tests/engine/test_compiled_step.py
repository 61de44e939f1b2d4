"""The compiled step does what the Python code beside it does: in the same virtual world the same bytes are sent, the
same rows noted, the system called as often. It is built here, for this interpreter, from the sources as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.virtual_shard import SMALL_WAYS
from tests.conftest import slow_but

ROOT = Path(__file__).resolve().parents[2]
BY_STEP = (
    "direct_transport.py:DirectTransport.send_all",
    "direct_transport.py:DirectTransport._read_all",
    "engine.py:Engine._settle",
    "engine.py:Engine.on_answers",
    "outcome_rows.py:row_of",
    "socket_set.py:SocketSet._drain",
)

pytestmark = pytest.mark.needs("gcc", "Python.h")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the step is built."""
    return tmp_path_factory.mktemp("step")


def shard(way: str, directory: Path, *words: str) -> Any:
    """What a virtual shard says of itself."""
    surroundings = os.environ  # noqa: TID251 - a child's
    environment = {**surroundings, "PYTHONPATH": str(ROOT), "LOADSIM_PURE": "0" if "--step" in words else "1"}
    command = [sys.executable, "-P", "-m", "tests.benchmarks.virtual_shard", way, "--watched", *words]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("way", slow_but(["small varied open", "small several", "small paused"], list(SMALL_WAYS)))
def test_the_same_world_gives_the_same_rows_and_calls(way: str, directory: Path) -> None:
    pure = shard(way, directory)
    compiled = shard(way, directory, "--step", str(directory))
    assert pure["ended"] >= 1_000
    assert compiled == pure


@pytest.mark.parametrize(
    ("way", "functions"),
    [
        ("small closed", BY_STEP),
        ("small open", (*BY_STEP, "arrivals.py:Arrivals._release", "engine.py:Engine.dispatch")),
    ],
)
def test_what_is_usual_is_done_by_the_step(way: str, functions: tuple[str, ...], directory: Path) -> None:
    """What the functions of Python execute that it stands in for: next to nothing."""
    pure = shard(way, directory, "--opcodes")["opcodes"]
    compiled = shard(way, directory, "--opcodes", "--step", str(directory))["opcodes"]
    for function in functions:
        name = f"engine/{function}"
        assert pure[name] > 2_000
        assert compiled.get(name, 0) < pure[name] / 20


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The step as users have it."""
    return build(tmp_path_factory.mktemp("built"))


def build(into: Path, compiler: str = "gcc") -> Path:
    """Build the step. Raises CalledProcessError."""
    surroundings = os.environ  # noqa: TID251 - a child's
    words = ("-q", "build_ext", "--build-lib", str(into), "--build-temp", str(into / "temp"), "--force")
    command = [sys.executable, "setup.py", *words]
    environment = {**surroundings, "CC": compiler}
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return next(into.rglob("_hot*.so"))


WITH_STEP = """\
import importlib.util, sys
spec = importlib.util.spec_from_file_location("loadsim._hot", sys.argv[1])
step = importlib.util.module_from_spec(spec)
spec.loader.exec_module(step)
sys.modules["loadsim._hot"] = step
import pytest
from loadsim.compiled_step import why_not
ignored = "-Wignore::pytest.PytestAssertRewriteWarning"  # the package is there before its plugin is
sys.exit(why_not or pytest.main(["-q", "-p", "no:xdist", "-p", "no:cacheprovider", ignored, *sys.argv[2:]]))
"""


@pytest.mark.parametrize(
    "tests",
    slow_but(
        ["signing/test_mac.py", "receiver/test_known_heads.py", "engine/test_pacer.py"],
        [
            *("signing/test_mac.py", "receiver/test_known_heads.py", "engine/test_pacer.py"),
            *("engine/test_engine.py", "engine/test_loopback.py", "engine/test_hostile.py", "engine/test_cycles.py"),
            *("engine/test_receive_stamps.py", "signing/test_verify.py"),
        ],
    ),
)
def test_the_tests_of_what_it_stands_in_for_pass_with_it(tests: str, built: Path) -> None:
    environment = {**os.environ, "LOADSIM_PURE": "0", "PYTHONPATH": str(ROOT)}  # noqa: TID251 - a child's
    command = [sys.executable, "-P", "-c", WITH_STEP, str(built), str(ROOT / "tests" / tests)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize(("compiler", "works"), [("gcc", True), ("false", False)])
def test_a_build_that_was_asked_for_works_or_fails(compiler: str, works: bool, tmp_path: Path) -> None:
    if works:
        assert build(tmp_path, compiler).exists()
        return
    with pytest.raises(subprocess.CalledProcessError):
        build(tmp_path, compiler)
    assert not list(tmp_path.rglob("_hot*.so"))


def test_without_being_asked_nothing_is_compiled(tmp_path: Path) -> None:
    surroundings = {**os.environ, "CC": "false"}  # noqa: TID251 - a child's
    surroundings.pop("LOADSIM_COMPILED", None)
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("compiled_step.py"))
    assert not list(tmp_path.rglob("_hot*.so"))
