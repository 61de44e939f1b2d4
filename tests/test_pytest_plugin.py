"""The pytest plugin, in test suites of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from loadsim.judge import evaluate, objectives_of, vocabulary_of
from loadsim.measure.result import RunResult
from loadsim.model import UsageError
from loadsim.plan.scenario import ValidityRules
from loadsim.pytest_plugin import LoadRun
from tests.builders import run_result, with_histograms
from tests.report.results import failed, invalid

pytest_plugins = ["pytester"]

SUITE = """
def test_gate(loadsim_run):
    run = loadsim_run({arguments})
    assert run.totals.sent == 20
    assert run.directory.joinpath("report.html").exists()
    {check}
"""
QUICK = '"embedded", rate="50/s", events=20, seed=7'


# Plugins of others that a suite of one test has no use for, and that take longer to import than it takes to run.
OTHERS = ("cacheprovider", "asyncio", "hypothesispytest", "randomly", "xdist")
OPTIONS = [*(word for name in OTHERS for word in ("-p", f"no:{name}")), "-W", "error"]
if not any(point.value == "loadsim.pytest_plugin" for point in entry_points(group="pytest11")):
    OPTIONS += ["-p", "loadsim.pytest_plugin"]  # a checkout that was installed before it had the plugin


def suite(pytester: pytest.Pytester, arguments: str, check: str = "") -> pytest.RunResult:
    pytester.makepyfile(SUITE.format(arguments=arguments, check=check))
    return pytester.runpytest_subprocess(*OPTIONS)


def passing() -> RunResult:
    result = with_histograms(run_result())
    objectives = objectives_of(["p(99) < 250ms", "success: rate > 50%"], vocabulary_of(result))
    return evaluate(result, objectives, ValidityRules())


def test_a_run_is_a_fixture(pytester: pytest.Pytester) -> None:
    done = suite(
        pytester, f'{QUICK}, objective=["p(50) < 1m", "success: rate >= 99%"]', "assert run.result.run.seed == 7"
    )
    done.assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_run_inside_of_a_running_loop(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import asyncio
        def test_gate(loadsim_run):
            async def main():
                return loadsim_run({QUICK})
            assert asyncio.run(main()).totals.sent == 20
        """
    )
    done = pytester.runpytest_subprocess(*OPTIONS)
    done.assert_outcomes(passed=1)


def test_a_run_that_cannot_start_fails_with_one_line(pytester: pytest.Pytester) -> None:
    done = suite(pytester, '"no-such-endpoint"')
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["loadsim: no endpoint or shipped scenario is called*"])
    assert "Traceback" not in done.stdout.str()


def test_a_run_that_passed_passes() -> None:
    run = LoadRun(passing(), Path("reports/x"))
    run.assert_passed()
    run.assert_objective("p(99) < 250ms", "success: rate > 98%")
    assert repr(run) == "<LoadRun 20260504-091000-steady-3f2a: pass>"


@pytest.mark.parametrize(("make", "says"), [(failed, "✗  http_req_duration: p(95)<4"), (invalid, "290 of 300 events")])
def test_a_run_that_failed_says_why(make: Callable[[], RunResult], says: str) -> None:
    with pytest.raises(AssertionError) as caught:
        LoadRun(make(), Path("reports/x")).assert_passed()
    assert says in str(caught.value)
    assert "report: reports/x/report.html" in str(caught.value)


def test_an_objective_is_judged_alone() -> None:
    run = LoadRun(failed(), Path("reports/x"))
    run.assert_objective("p(99) < 250ms")
    with pytest.raises(AssertionError, match=r"p\(99\) < 1ms") as caught:
        run.assert_objective("p(99) < 1ms")
    assert "success" not in str(caught.value), "nobody asked for the default objective"
    with pytest.raises(UsageError, match="unknown metric"):
        run.assert_objective("speed: p(99) < 1ms")


def test_the_plugin_costs_nothing_until_it_is_used() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import loadsim.pytest_plugin; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"loadsim", "loadsim.pytest_plugin"}
