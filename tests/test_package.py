"""The sdist and the wheel are complete: built from a copy of the tree, installed outside it, and used there.

Dependencies come from the environment of the tests, so that no network is needed.
"""

from __future__ import annotations

import email
import http.server
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import threading
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from loadsim.exit_codes import Exit
from tests.test_docs import reader, type_all

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LEFT_OUT = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "node_modules", "build", "dist", "*.egg-info",
            "reports")  # fmt: skip
SECRET = "TRACKPILOTS_WEBHOOKS_SECRET_KEY"
FIRST_PAGE = "first-event"
PATIENCE_S = 600


class Installed(NamedTuple):
    """An environment with loadsim in it, and an empty directory to work in."""

    program: Path
    place: Path

    def surroundings(self) -> dict[str, str]:
        """The environment of its commands: nothing of this process's own is handed on."""
        return {"PATH": os.defpath, "HOME": str(self.place), "LANG": "C.UTF-8"}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run its `loadsim` with these variables."""
        env = {**self.surroundings(), **variables}
        return subprocess.run(
            [self.program, *arguments], cwd=self.place, env=env, capture_output=True, text=True, timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip


def built(kind: str, source: Path, out: Path) -> Path:
    """Build `sdist` or `wheel` of a source tree with its own backend."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(out)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


def environment(place: Path, *what: str) -> Installed:
    """An empty environment in which pip installs this and nothing else."""
    venv.create(place / "env", with_pip=False)
    python = place / "env" / "bin" / "python"
    libraries = sysconfig.get_paths(vars={"base": str(place / "env"), "platbase": str(place / "env")})["purelib"]
    Path(libraries, "dependencies.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    command = [sys.executable, "-I", "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    # Nothing of this process's import path: with the tree on it, pip would find loadsim installed already.
    env = {"PATH": os.defpath, "HOME": str(place)}
    done = subprocess.run([*command, "--force-reinstall", *what], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (place / "work").mkdir()
    return Installed(place / "env" / "bin" / "loadsim", place / "work")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, since a build writes into it."""
    copy = tmp_path_factory.mktemp("source") / "loadsim"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return copy


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the sdist, which shows that the sdist has all that is needed."""
    place = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    (unpacked,) = place.iterdir()
    return built("wheel", unpacked, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return environment(tmp_path_factory.mktemp("installed"), str(wheel))


def files(directory: str) -> set[str]:
    """The files of a directory of the tree, without what an interpreter left."""
    found = (
        path.relative_to(ROOT) for path in (ROOT / directory).rglob("*") if path.is_file() and path.suffix != ".so"
    )
    return {str(path) for path in found if not {"__pycache__", "node_modules"} & set(path.parts)}


def test_the_sdist_has_the_whole_project(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    single = {"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml", "setup.py"}
    wanted = single | files("loadsim") | files("compiled") | files("scenarios") | files("docs") | files("tests")
    assert not wanted - names
    assert not {name for name in names if "node_modules" in name or "__pycache__" in name}


def test_the_wheel_has_the_package_and_the_scenarios_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == files("loadsim") | {f"loadsim/{name}" for name in files("scenarios")}


def test_the_metadata_says_what_the_project_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = email.message_from_bytes(archive.read(metadata))
        assert archive.read(metadata.replace("METADATA", "licenses/LICENSE")) == (ROOT / "LICENSE").read_bytes()
    assert told["Name"] == "loadsim"
    assert told["License-Expression"] == "MIT"
    assert told["Keywords"].split(",") == PROJECT["keywords"]
    assert set(told.get_all("Classifier", [])) == set(PROJECT["classifiers"])
    assert told["Description-Content-Type"] == "text/markdown"
    assert not {"Author", "Author-email", "Maintainer", "Maintainer-email"} & set(told.keys())


def test_the_installed_quickstart_ends_with_its_report(installed: Installed) -> None:
    done = installed.run("run", "quickstart", "-q")
    assert done.returncode in (Exit.ok, Exit.failed, Exit.invalid), done.stderr  # by how busy the machine is
    assert "quickstart" in done.stdout
    last = installed.run("runs", "--last")
    assert last.returncode == 0, last.stderr
    assert (
        json.loads((installed.place / last.stdout.strip() / "result.json").read_bytes())["run"]["name"] == "quickstart"
    )
    again = installed.run("report", "latest", "-f", "md")
    assert again.returncode == 0, again.stderr
    assert "quickstart" in again.stdout


def test_the_first_page_can_be_followed_with_what_is_installed(installed: Installed, tmp_path: Path) -> None:
    with reader(FIRST_PAGE, tmp_path, f'"{installed.program}"', installed.surroundings()) as session:
        where = session.type("loadsim schema result > schema.json && loadsim --version")
        assert where.returncode == 0, where.stderr
        type_all(FIRST_PAGE, session)


def test_the_installed_scenarios_are_there(installed: Installed) -> None:
    done = installed.run("scenarios")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {
        path.stem for path in ROOT.glob("scenarios/*.toml")
    }
    assert installed.run("scenarios", "copy", "steady", "mine.toml").returncode == 0
    assert installed.run("run", "mine.toml", "--check").returncode == 0


@pytest.fixture
def endpoint() -> Iterator[str]:
    """An endpoint that answers 200."""

    class Accepting(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Accepting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/webhooks"
        server.shutdown()


def test_the_installed_commands_reach_an_endpoint(installed: Installed, endpoint: str) -> None:
    done = installed.run("init", "--url", endpoint, "--yes")
    assert done.returncode == 0, done.stderr
    sent = installed.run("simulate", "webhooks", "-e", "desktop.app_tracking.captured", **{SECRET: "whsec_test"})
    assert sent.returncode == 0, sent.stdout + sent.stderr
    run = installed.run("run", "webhooks", "-n", "50", "--json", "-", **{SECRET: "whsec_test"})
    assert json.loads(run.stdout)["totals"]["completed"] == 50, run.stderr


@pytest.mark.parametrize("arguments", [["doctor", "--json"], ["schemes"], ["events"], ["completion", "bash"]])
def test_the_installed_commands_have_their_files(installed: Installed, arguments: list[str]) -> None:
    done = installed.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.long
def test_an_editable_install_reads_the_scenarios_where_they_are(source: Path, tmp_path: Path) -> None:
    edited = environment(tmp_path, "--no-build-isolation", "-e", str(source))
    (source / "scenarios" / "added.toml").write_text("# Is it seen?\n", encoding="utf-8")
    try:
        done = edited.run("scenarios")
        assert done.returncode == 0, done.stderr
        assert "Is it seen?" in done.stdout
        assert "quickstart" in done.stdout
    finally:
        (source / "scenarios" / "added.toml").unlink()
