"""Every kind of result in every form of a report, by the names that tests speak of."""

from __future__ import annotations

from loadsim.judge.compare import CompareResult
from loadsim.measure.result import RunResult
from loadsim.report import html_page, markdown, terminal
from loadsim.report.blocks import Report
from loadsim.report.compare_report import compare_report
from loadsim.report.run_report import run_report, verdict_report
from loadsim.studies.ab.report import ab_report
from loadsim.studies.ab.result import AbResult
from loadsim.studies.bench_receiver.report import receiver_report
from loadsim.studies.bench_receiver.result import ReceiverBench
from loadsim.studies.bench_verify.report import verify_report
from loadsim.studies.bench_verify.result import VerifyBench
from loadsim.studies.capacity.report import capacity_report
from loadsim.studies.capacity.result import CapacityResult
from loadsim.studies.probe.report import probe_any_report, stored_report
from loadsim.studies.probe.result import ClockResult, ProbeResult, StoredProbe

Stored = (
    RunResult
    | CapacityResult
    | AbResult
    | CompareResult
    | VerifyBench
    | ReceiverBench
    | ProbeResult
    | ClockResult
    | StoredProbe
)


def report_of(result: Stored) -> Report:
    """The report of any kind of result."""
    match result:
        case RunResult():
            return run_report(result)
        case CapacityResult():
            return capacity_report(result)
        case AbResult():
            return ab_report(result)
        case CompareResult():
            return compare_report(result)
        case VerifyBench():
            return verify_report(result)
        case ReceiverBench():
            return receiver_report(result)
        case StoredProbe():
            return stored_report(result)
        case _:
            return probe_any_report(result)


def render_text(result: Stored, *, width: int = 100, colour: bool = False) -> str:
    """As a terminal shows it."""
    return terminal.render(report_of(result), width=width, colour=colour)


def render_verdict(result: RunResult, *, width: int = 100, colour: bool = False) -> str:
    """The verdict alone, as a terminal shows it."""
    return terminal.render(verdict_report(result), width=width, colour=colour)


def render_summary(result: Stored) -> str:
    """As Markdown."""
    return markdown.render(report_of(result))


def render_page(result: Stored, library: str | None) -> bytes:
    """As a page."""
    return html_page.render(report_of(result), library)
