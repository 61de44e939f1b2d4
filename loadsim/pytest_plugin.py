"""A pytest plugin: `loadsim_run` makes a load run part of a test, so that a gate can be an `assert`.

The run is a `loadsim run` in a process of its own, so that a test may have any event loop or none. Nothing of loadsim
is imported until a test asks for a run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from loadsim.measure.result import RunResult
    from loadsim.measure.result_events import Totals

Option = str | int | float | bool | Path | Iterable[str]
_OF_THE_STEP = ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
"""Removed from the run's environment: the step and its summary belong to the test suite."""


class LoadRun:
    """A judged run: its result, and the directory with the result and the reports."""

    def __init__(self, result: RunResult, directory: Path) -> None:
        self.result = result
        self.directory = directory

    @property
    def totals(self) -> Totals:
        """Counts and latencies of all recorded events."""
        return self.result.totals

    def assert_passed(self) -> None:
        """Fail the test, with objectives and figures, unless the run passed every objective given to it."""
        __tracebackhide__ = True
        if self.result.verdict.outcome != "pass":
            raise AssertionError(self._report(self.result))

    def assert_objective(self, *texts: str) -> None:
        """Fail the test unless the run is valid and meets these objectives, as in `p(99) < 250ms`. Only these count.

        Raises UsageError for a text that is not an objective.
        """
        from loadsim.judge import evaluate, objectives_of, rules_of, vocabulary_of

        __tracebackhide__ = True
        objectives = objectives_of(texts, vocabulary_of(self.result), defaults=False)
        judged = evaluate(self.result, objectives, rules_of(self.result), gate=self.result.verdict.reading)
        if judged.verdict.outcome != "pass":
            raise AssertionError(self._report(judged))

    def _report(self, judged: RunResult) -> str:
        from loadsim.report import terminal
        from loadsim.report.run_report import verdict_report

        return f"{terminal.render(verdict_report(judged)).strip()}\n\nreport: {self.directory / 'report.html'}"

    def __repr__(self) -> str:
        return f"<LoadRun {self.result.run.id}: {self.result.verdict.outcome}>"


Runner = Callable[..., LoadRun]


@pytest.fixture
def loadsim_run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """`loadsim_run(what, rate="200/s", duration="5s", objective=["p(99) < 50ms"], env={…})` → LoadRun.

    `what` and the keywords are those of `loadsim run` (`secret_env="NAME"` is `--secret-env NAME`); a list repeats an
    option, True is a flag. `env` adds environment variables, such as the secret. A run that cannot start fails the
    test with its one line of explanation.
    """
    from loadsim.exit_codes import Exit

    out = tmp_path_factory.mktemp("loadsim")

    def run(what: str | Path, *, env: Mapping[str, str] | None = None, **options: Option) -> LoadRun:
        __tracebackhide__ = True
        command = [sys.executable, "-m", "loadsim", "run", str(what), "--quiet", f"--out={out}", *_arguments(options)]
        before = set(out.iterdir())
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(env))
        if done.returncode not in (Exit.ok, Exit.invalid, Exit.failed):  # those with a result
            pytest.fail(done.stderr.strip() or f"loadsim run ended with exit code {done.returncode}", pytrace=False)
        (directory,) = set(out.iterdir()) - before
        return _load(directory)

    return run


def _load(directory: Path) -> LoadRun:
    from loadsim.measure.result import RESULT_FILE, load_result

    path = directory / RESULT_FILE
    return LoadRun(load_result(path.read_bytes(), str(path)), directory)


def _arguments(options: Mapping[str, Option]) -> list[str]:
    arguments = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif isinstance(value, (str, int, float, Path)):
            if value is not False:
                arguments.append(f"{flag}={value}")
        else:
            arguments += [f"{flag}={item}" for item in value]
    return arguments


def _environment(extra: Mapping[str, Any] | None) -> dict[str, str]:
    import os

    kept = {name: value for name, value in os.environ.items() if name not in _OF_THE_STEP}  # noqa: TID251 - handed on
    return kept | dict(extra or {})
