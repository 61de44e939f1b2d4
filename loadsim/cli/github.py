"""Reports a run to GitHub Actions, if it runs in a step of one: a summary and annotations.

A summary that cannot be written is reported on stderr and does not change the verdict. Annotations go to stderr, which
the runner reads too, so that the output of `--json -` stays JSON.
"""

from __future__ import annotations

from pathlib import Path

from loadsim.cli import output
from loadsim.cli.streams import say
from loadsim.measure.result import RunResult
from loadsim.process_environment import github_step
from loadsim.report.github import LARGEST_SUMMARY, step_summary, workflow_commands


def report_to_github(result: RunResult) -> None:
    """Append the summary to the step's file and print the annotations. Does nothing outside of GitHub Actions."""
    step = github_step()
    if step.annotates:
        for line in workflow_commands(result):
            output.write_command(line)
    if step.summary is not None:
        _append(step.summary, result)


def _append(path: Path, result: RunResult) -> None:
    try:
        with path.open("ab") as file:
            text = step_summary(result, LARGEST_SUMMARY - file.tell())
            file.write(text)
    except OSError as error:
        say(f"{path}: the step summary cannot be written: {error.strerror}")
        return
    if not text:
        say(f"{path}: the step summary is full (1 MiB); nothing was added")
