"""What every test may rely on: the `needs` marker, child processes that import the package under test, a browser."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import math
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

import loadsim
from loadsim.launch import shard_process
from loadsim.receiver import worker_process
from tests import commands

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

EXAMPLES: Mapping[str, float] = {"quick": 0.3, "usual": 1, "thorough": 20}
"""Hypothesis profile → how many examples of every law are tried, as a multiple of the number that the law names."""

# A slow machine is no counterexample.
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
for profile in EXAMPLES.keys() - {"usual"}:
    settings.register_profile(profile, settings.get_profile("usual"))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))  # noqa: TID251

LAWS_OWN_SETTINGS = "_hypothesis_internal_use_settings"
"""Where `@settings` leaves them. No public way leads there; a test of this file notices if they move."""

REQUIRE = "LOADSIM_REQUIRE"
"""Set to `all`, a program that is missing is a failure and no reason to skip."""

PROGRAMS: Mapping[str, tuple[str, ...]] = {"chromium": ("chromium", "chromium-browser", "google-chrome")}
"""What a program may be called, where its name alone does not say it."""

BROWSER_PATIENCE_MS = 300_000
"""How long a page may take to become what a test expects: longer than on any busy machine."""

TOGETHER = (
    "tests/dashboard/test_browser.py",  # one browser and one page
    "tests/launch/test_dask.py",  # one cluster
    "tests/report/test_browser.py",
    "tests/report/test_golden.py",  # everything is rendered once
    "tests/test_package.py",  # it is built and installed once
)
"""What is made once for a whole file is dear in these: where tests are shared out, each goes to one process, first."""


DEAR = ("aws-sns-v1", "paypal")
"""Schemes that sign with RSA keys as `aws-sns` does: what takes seconds with each is tried with that one every time."""


def slow_but(quick: Collection[Any], values: Iterable[Any], *, several: bool = False) -> list[Any]:
    """What a test is parametrized with: slow and long, but for the values that are to be tried every time.

    `several`: each value is a tuple for as many arguments.
    """
    marks = (pytest.mark.slow, pytest.mark.long)
    return [
        value if value in quick else pytest.param(*(value if several else (value,)), marks=marks) for value in values
    ]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` means: most tests wait for other processes most of their time."""
    return 3 * len(os.sched_getaffinity(0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Share tests out one by one, but the files that belong together whole."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Whole(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in TOGETHER else nodeid

    return Whole(config, log) if config.getoption("dist") == "load" else None


@pytest.hookimpl(trylast=True)
def pytest_collection(session: pytest.Session) -> None:
    """Share out the compiling of a fresh clone: each process begins with another part of the test modules.

    All processes import all modules and leave them compiled. In the same order each would compile every one itself.
    """
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")  # noqa: TID251
    if not number.isdecimal():
        return
    root = session.config.rootpath
    places = [root / argument.partition("::")[0] for argument in session.config.args]
    modules = sorted(path for place in places for path in (place.rglob("test_*.py") if place.is_dir() else [place]))
    start = len(modules) * int(number) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])  # noqa: TID251
    for path in modules[start:] + modules[:start]:
        # What cannot be imported is reported when its tests are collected.
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: no collection of garbage need look at them."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A profile's number of examples does not reach laws that set their own: each law's is multiplied."""
    times = EXAMPLES.get(settings.get_current_profile_name(), 1)
    for law in {item.obj for item in items if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)}:
        law = getattr(law, "__func__", law)
        own = getattr(law, LAWS_OWN_SETTINGS, settings())
        setattr(law, LAWS_OWN_SETTINGS, settings(own, max_examples=math.ceil(own.max_examples * times)))


def is_there(name: str) -> bool:
    """Whether a program can be started; daemons lie in /usr/sbin and Debian's PostgreSQL in a directory of its version,
    which are not on everybody's PATH. A header (`Python.h`): whether extensions can be built for this interpreter."""
    if name.endswith(".h"):
        return Path(sysconfig.get_path("include"), name).exists()
    more = ("/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin")))
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *more))  # noqa: TID251 - a test's surroundings
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
    commands.prepare()
    yield
    commands.close()


@pytest.fixture
def own_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards and workers of this process are its children, for tests that look for them."""
    monkeypatch.setattr(shard_process, "subprocess", subprocess)
    monkeypatch.setattr(worker_process, "asyncio", asyncio)


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
        new_context = browser.new_context

        def patient(**options: Any) -> BrowserContext:
            context = new_context(**options)
            context.set_default_timeout(BROWSER_PATIENCE_MS)
            return context

        browser.new_context = patient  # type: ignore[method-assign]
        yield browser
        browser.close()
