"""Output for GitHub Actions: a Markdown summary of limited size, and a few annotations.

A step's summary may hold 1 MiB, above which GitHub shows none of it; of each kind of annotation, a step shows ten.
Source: GitHub's documentation of workflow commands.
"""

from __future__ import annotations

from loadsim.measure.result import RunResult
from loadsim.model import counted
from loadsim.report import facts, markdown, numbers
from loadsim.report.run_report import run_report
from loadsim.report.what_limited import limit_lines

LARGEST_SUMMARY = 1 << 20
MOST_ANNOTATIONS = 10
_IN_TEXT = "%\r\n"
_IN_PROPERTY = _IN_TEXT + ":,"
_CUT = "\n\n… cut: the summary would be too long; the complete report is among the run's files.\n"


def step_summary(result: RunResult, limit: int = LARGEST_SUMMARY) -> bytes:
    """The Markdown summary in at most `limit` bytes, cut between blocks; empty where not even its head fits."""
    whole = markdown.render(run_report(result)).encode()
    if len(whole) < limit:
        return whole
    rest = limit - 1 - len(_CUT.encode())
    end = whole.rfind(b"\n\n", 0, max(rest, 0))
    return whole[:end] + _CUT.encode() if end > 0 else b""


def workflow_commands(result: RunResult) -> list[str]:
    """At most ten annotations: the verdict, then its reasons or the failed objectives; none for a run that passed.
    After them the warnings, which every run may have."""
    return [*_errors(result), *(_command("warning", text, "warning") for text in result.validity.warnings)]


def _errors(result: RunResult) -> list[str]:
    if result.verdict.outcome in ("pass", "none"):
        return []
    title = f"{facts.VERDICTS[result.verdict.outcome]}: {result.run.name}"
    texts = [("invalid", reason) for reason in result.validity.reasons]
    texts += [("objective failed", _seen(line)) for line in facts.objective_lines(result) if line.passed is False]
    lines = [_command(title, _summary(result)), *(_command(kind, text) for kind, text in texts)]
    if len(lines) > MOST_ANNOTATIONS:
        left_out = len(lines) - MOST_ANNOTATIONS + 1
        lines[MOST_ANNOTATIONS - 1 :] = [_command("and more", f"{counted(left_out, 'further finding')} in the report")]
    return lines


def _summary(result: RunResult) -> str:
    """The verdict in a few words, what was tested, when, and what limited it."""
    limits = limit_lines(result)[:1]
    return " · ".join([facts.headline(result), *facts.tested_words(result), *limits])


def _seen(line: facts.ObjectiveLine) -> str:
    interval = f" (95 % {line.interval})" if line.interval else ""
    return f"{line.text}: observed {line.observed}{interval}"


def _command(title: str, text: str, level: str = "error") -> str:
    heading, message = _escaped(f"loadsim {title}", _IN_PROPERTY), _escaped(text, _IN_TEXT)
    return f"::{level} title={heading}::{message}"


def _escaped(text: str, special: str) -> str:
    """Percent-encoded as the runner undoes it; other control characters are shown."""
    shown = numbers.printable(text, lines=True)
    for char in special:
        shown = shown.replace(char, f"%{ord(char):02X}")
    return shown
