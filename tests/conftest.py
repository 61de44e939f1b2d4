"""What every test may rely on: the `needs` marker, child processes that import the package under test, a browser."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

import loadsim
from tests import commands

if TYPE_CHECKING:
    from playwright.sync_api import Browser

THOROUGH, TIMES = "thorough", 20
"""The profile under which every law is tried with so many times its usual number of examples."""

# A slow machine is no counterexample.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(THOROUGH, settings.get_profile("unhurried"), print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unhurried"))  # noqa: TID251

LAWS_OWN_SETTINGS = "_hypothesis_internal_use_settings"
"""Where `@settings` leaves them. No public way leads there; a test of this file notices if they move."""

REQUIRE = "LOADSIM_REQUIRE"
"""Set to `all`, a program that is missing is a failure and no reason to skip."""

PROGRAMS: Mapping[str, tuple[str, ...]] = {"chromium": ("chromium", "chromium-browser", "google-chrome")}
"""What a program may be called, where its name alone does not say it."""

BROWSER_PATIENCE_MS = 60_000
"""How long a page may take to become what a test expects: longer than on any busy machine."""

TOGETHER = (
    "tests/dashboard/test_browser.py",  # one browser and one page
    "tests/launch/test_dask.py",  # one cluster
    "tests/report/test_browser.py",
    "tests/report/test_golden.py",  # everything is rendered once
    "tests/test_readme.py",  # one reader: in two processes each would run all commands that come before its own
)
"""What is made once for a whole file is dear in these: where tests are shared out, each goes to one process, first."""


def slow_but(quick: Collection[Any], values: Iterable[Any], *, several: bool = False) -> list[Any]:
    """What a test is parametrized with: slow, but for the values that are to be tried every time.

    `several`: each value is a tuple for as many arguments.
    """
    slow = pytest.mark.slow
    return [
        value if value in quick else pytest.param(*(value if several else (value,)), marks=slow) for value in values
    ]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` means: tests wait for other processes for half of their time."""
    return 2 * len(os.sched_getaffinity(0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Share tests out one by one, but the files that belong together whole."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Whole(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in TOGETHER else nodeid

    return Whole(config, log) if config.getoption("dist") == "load" else None


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: no collection of garbage need look at them."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A profile's number of examples does not reach laws that set their own: under `thorough`, multiply each law's."""
    if settings.get_current_profile_name() != THOROUGH:
        return
    for law in {item.obj for item in items if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)}:
        law = getattr(law, "__func__", law)
        own = getattr(law, LAWS_OWN_SETTINGS, settings())
        setattr(law, LAWS_OWN_SETTINGS, settings(own, max_examples=own.max_examples * TIMES))


def is_there(name: str) -> bool:
    """Whether a program can be started; daemons lie in /usr/sbin, which is not on everybody's PATH."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))  # noqa: TID251 - a test's surroundings
    return any(shutil.which(candidate, path=path) for candidate in PROGRAMS.get(name, (name,)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, or fail it where everything is required."""
    wanted = [name for marker in item.iter_markers("needs") for name in marker.args]
    missing = ", ".join(name for name in wanted if not is_there(name))
    if missing and os.environ.get(REQUIRE) == "all":  # noqa: TID251
        pytest.fail(f"needs {missing}: not installed, and {REQUIRE}=all allows no skip", pytrace=False)
    if missing:
        pytest.skip(f"needs {missing}: not installed")


@pytest.fixture(scope="session", autouse=True)
def _child_processes_import_this_package() -> Iterator[None]:
    """Tests start commands in other directories; those must run the code that is tested."""
    root = str(Path(loadsim.__file__).parent.parent)
    before = os.environ.get("PYTHONPATH")  # noqa: TID251
    os.environ["PYTHONPATH"] = root if not before else root + os.pathsep + before  # noqa: TID251
    yield
    commands.close()


@pytest.fixture(scope="session", autouse=True)
def _child_processes_can_be_interrupted() -> None:
    """Who starts the tests behind a shell's `&` or under nohup has signals ignored, and a child would inherit that."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # of a handler nothing is inherited, and these tests go on as well


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, without a window."""
    from playwright.sync_api import expect, sync_playwright  # only the tests that drive a browser pay for it

    expect.set_options(timeout=BROWSER_PATIENCE_MS)

    path = next(filter(None, map(shutil.which, PROGRAMS["chromium"])))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
