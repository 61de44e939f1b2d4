"""The verdict as JUnit XML, in the shape that k6 writes: one suite of thresholds, one case per objective.

A missed objective is a `failure`, an invalid measurement an `error`. Source: k6's `jUnit` summary (one suite, cases
named `metric - threshold`, a `failure` with a message); the message has the observed figure in addition.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from loadsim.judge.objectives import parse_objective
from loadsim.measure.result import RunResult
from loadsim.model import UsageError
from loadsim.report import facts, numbers

SUITE = "loadsim thresholds"


def render_junit(result: RunResult) -> bytes:
    """The whole file. A failed objective is a `failure`; one that cannot be judged, or an INVALID run, an `error`."""
    suite = Element("testsuite", name=SUITE)
    _add_validity(suite, result)
    for line in facts.objective_lines(result):
        case = _case(suite, _name(line.text), result)
        seen = f"{line.observed} (95 % {line.interval})" if line.interval else line.observed
        if line.passed is False:
            SubElement(case, "failure", message=numbers.printable(f"observed {seen}, must be {line.limit}"))
        elif line.passed is None:
            SubElement(case, "error", message=numbers.printable(line.open_because))
    root = Element("testsuites")
    for element in (root, suite):
        element.set("tests", str(len(suite)))
        element.set("failures", str(len(suite.findall("*/failure"))))
        element.set("errors", str(len(suite.findall("*/error"))))
    suite.set("timestamp", numbers.printable(result.run.started_at))
    root.append(suite)
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _add_validity(suite: Element, result: RunResult) -> None:
    case = _case(suite, "validity - the measurement can be trusted", result)
    reasons = result.validity.reasons
    if result.verdict.outcome == "none":
        SubElement(case, "error", message="not judged yet")
    elif reasons:
        SubElement(case, "error", message=numbers.printable("; ".join(reasons)))
    if result.validity.warnings:
        warnings = (f"warning: {numbers.printable(text)}" for text in result.validity.warnings)
        SubElement(case, "system-out").text = "\n".join(warnings)


def _case(suite: Element, name: str, result: RunResult) -> Element:
    return SubElement(
        suite,
        "testcase",
        name=numbers.printable(name),
        classname=f"loadsim.{numbers.printable(result.run.name)}",
    )


def _name(text: str) -> str:
    """`metric - threshold`, as k6 has it; a text that names its metric is only split."""
    metric, _, test = text.rpartition(": ")
    if not metric:
        try:
            metric = parse_objective(text).metric
        except UsageError:  # stored by a version with other names
            metric = "objective"
    return f"{metric} - {test}"
